from __future__ import annotations

from django.urls import path

from accounts.web import credentials, notices, passwords, people, proposals
from accounts.web.views import SignIn, SignOut

app_name = "accounts"
urlpatterns = [
    path("sign-in", SignIn.as_view(), name="sign-in"),
    path("sign-out", SignOut.as_view(), name="sign-out"),
    path("notices/", notices.notices, name="notices"),
    path("notices/read", notices.read_all, name="read-notices"),
    path("notices/<uuid:notice_id>/read", notices.read, name="read-notice"),
    path("credentials/", credentials.credentials, name="credentials"),
    path("credentials/passkeys/prepare", credentials.prepare_passkey, name="prepare-passkey"),
    path("credentials/passkeys", credentials.add_passkey, name="add-passkey"),
    path("credentials/codes", credentials.add_codes, name="add-codes"),
    path("credentials/codes/confirm", credentials.confirm_codes, name="confirm-codes"),
    path("credentials/<uuid:credential_id>/remove", credentials.remove, name="remove-credential"),
    path("notices/e-mail", notices.mail, name="choose-mail"),
    path("people/", people.people, name="people"),
    path("people/add", people.add, name="add-person"),
    path("people/<uuid:person_id>/", people.person, name="person"),
    path("people/<uuid:person_id>/roles", people.change_roles, name="change-roles"),
    path("people/<uuid:person_id>/password", passwords.reset, name="reset-password"),
    path("new-password", passwords.choose, name="new-password"),
    path("people/<uuid:person_id>/end", people.deactivate, name="deactivate-person"),
    path("changes/", proposals.proposals, name="proposals"),
    path("changes/<uuid:proposal_id>/", proposals.proposal, name="proposal"),
    path("changes/<uuid:proposal_id>/answer", proposals.answer, name="answer-proposal"),
]
