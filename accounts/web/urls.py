from __future__ import annotations

from django.urls import path

from accounts.web import notices
from accounts.web.views import SignIn, SignOut

app_name = "accounts"
urlpatterns = [
    path("sign-in", SignIn.as_view(), name="sign-in"),
    path("sign-out", SignOut.as_view(), name="sign-out"),
    path("notices/", notices.notices, name="notices"),
    path("notices/read", notices.read_all, name="read-notices"),
    path("notices/<uuid:notice_id>/read", notices.read, name="read-notice"),
    path("notices/e-mail", notices.mail, name="choose-mail"),
]
