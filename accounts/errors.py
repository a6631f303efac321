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


class ResetRefused(AccountsError):
    """A password cannot be chosen with these codes."""

    code = "reset_refused"
    status = HTTPStatus.FORBIDDEN


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


class SecondPersonNeeded(AccountsError):
    """One person alone may not do this: it is proposed, and another admin confirms it."""

    code = "second_person_needed"
    status = HTTPStatus.FORBIDDEN


class ProposalInvalid(AccountsError):
    """What is proposed, or the answer to it, is malformed; nothing was done."""

    code = "proposal_invalid"


class ProposalClosed(AccountsError):
    """The proposal was answered already, or has expired."""

    code = "proposal_closed"
    status = HTTPStatus.CONFLICT


class ProposalOutdated(AccountsError):
    """What a proposal would change is no more what it was; nothing was changed."""

    code = "proposal_outdated"
    status = HTTPStatus.CONFLICT


class AnswerNotAllowed(AccountsError):
    """This person may not answer this proposal."""

    code = "answer_not_allowed"
    status = HTTPStatus.FORBIDDEN


class NoSigningPowerYet(AccountsError):
    """The person's role or credential is too new to sign with."""

    code = "no_signing_power_yet"
    status = HTTPStatus.FORBIDDEN


class UnknownPerson(AccountsError):
    """There is no such person."""

    code = "unknown_person"
    status = HTTPStatus.NOT_FOUND


class RolesInvalid(AccountsError):
    """A role does not exist."""

    code = "roles_invalid"


class LastAdmin(AccountsError):
    """Nobody would be left to look after Muniment."""

    code = "last_admin"
    status = HTTPStatus.CONFLICT
