from __future__ import annotations

from django.urls import path

from accounts.web.views import SignIn, SignOut

app_name = "accounts"
urlpatterns = [
    path("sign-in", SignIn.as_view(), name="sign-in"),
    path("sign-out", SignOut.as_view(), name="sign-out"),
]
