"""What accounts refuse, with stable codes."""

from __future__ import annotations

from http import HTTPStatus


class AccountsError(Exception):
    """Root of this app's errors."""

    code = "accounts_error"
    status = HTTPStatus.BAD_REQUEST


class ReauthenticationFailed(AccountsError):
    """The password given at signing is not the person's."""

    code = "reauthentication_failed"
    status = HTTPStatus.FORBIDDEN


class SigningLocked(AccountsError):
    """Too many wrong passwords at signing."""

    code = "signing_locked"
    status = HTTPStatus.TOO_MANY_REQUESTS


class CredentialRefused(AccountsError):
    """What was to be enrolled is no credential, or is one already."""

    code = "credential_refused"


class CeremonyOver(AccountsError):
    """What was begun was never begun, was ended already, or is more than five minutes old."""

    code = "ceremony_over"
    status = HTTPStatus.CONFLICT


class TokenLifetimeInvalid(AccountsError):
    """A token must end, and not before it begins."""

    code = "token_lifetime_invalid"


class NoticeInvalid(AccountsError):
    """A notice cannot be posted as it is."""

    code = "notice_invalid"


class AddressInvalid(AccountsError):
    """What was given is no e-mail address, or a kind of notice does not exist."""

    code = "address_invalid"
