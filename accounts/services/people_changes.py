"""Giving roles that sign, and enrolling credentials, as changes that need two people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from accounts.domain.change import Change, Shown
from accounts.domain.groups import role_text
from accounts.domain.proposals import person_subject, roles_that_sign
from accounts.errors import ProposalOutdated, RolesInvalid
from accounts.models import Credential, ProposalAnswer, User
from accounts.services.change_kinds import ChangeKind, offer_kinds
from accounts.services.credentials import ENROLL, confirm_credential
from accounts.services.password_resets import RESETS
from accounts.services.roles import GRANT, require_known, set_roles
from audits.domain.actor import Actor

SET_ROLES = "person.set_roles"
_CREDENTIALS = {"passkey": "a passkey", "totp": "one-time codes"}


def needs_two_people(person: User, roles: Iterable[str]) -> bool:
    """Say whether giving somebody exactly these roles gives one that signs."""
    return bool(roles_that_sign(roles).difference(person.roles))


def role_change(person: User, roles: Iterable[str]) -> Change:
    """Return the change that gives a person exactly these roles.

    Raises:
        RolesInvalid: they cannot be given, or they are what the person has.
    """
    wanted = sorted(set(roles))
    require_known(wanted)
    if wanted == person.roles:
        raise RolesInvalid("These are the roles that this person has. Nothing was proposed.")
    return Change(
        kind=SET_ROLES,
        subject=person_subject(str(person.pk)),
        content={"person": str(person.pk), "before": person.roles, "after": wanted},
    )


def _apply(
    content: Mapping[str, Any], second: ProposalAnswer | None, actor: Actor, now: datetime
) -> str:
    person = set_roles(
        person_id=UUID(content["person"]),
        roles=content["after"],
        expected=content["before"],
        second=second,
        actor=actor,
        now=now,
    )
    return f"{person.printed_name} now has the roles {_text(person.roles)}."


def _title(content: Mapping[str, Any], names: Mapping[str, str]) -> str:
    name = names.get(content["person"], content["person"])
    return f"Give {name} the roles {_text(content['after'])}"


def _text(roles: Iterable[str]) -> str:
    return ", ".join(map(role_text, roles))


def _show(content: Mapping[str, Any]) -> Shown:
    return Shown(
        before="\n".join(map(role_text, content["before"])) or "no role",
        after="\n".join(map(role_text, content["after"])),
        warning="A reviewer signs promotions, and an admin confirms changes such as this one.",
    )


def _confirm_credential(
    content: Mapping[str, Any], second: ProposalAnswer | None, actor: Actor, now: datetime
) -> str:
    if second is None:  # pragma: no cover - while one person is enough none is proposed
        raise ProposalOutdated("This credential was confirmed already.")
    confirm_credential(
        credential_id=UUID(content["credential"]), second=second, actor=actor, now=now
    )
    return "The credential is confirmed."


def _credential_title(content: Mapping[str, Any], names: Mapping[str, str]) -> str:
    name = names.get(content["person"], content["person"])
    return f"Let {name} sign with {_CREDENTIALS[content['kind']]}"


def _show_credential(content: Mapping[str, Any]) -> Shown:
    found = Credential.objects.filter(pk=content["credential"]).first()
    return Shown(
        before="not confirmed: signs nothing",
        after=f"confirmed: {_CREDENTIALS[content['kind']]}"
        + (f" called {found.label!r}" if found else ", which was removed since"),
        warning="Ask the person, face to face or by telephone, whether they enrolled it.",
    )


def offer_people_changes() -> None:
    """Make the changes about people known."""
    offer_kinds(
        RESETS,
        ChangeKind(SET_ROLES, GRANT, _apply, _title, _show),
        ChangeKind(
            ENROLL,
            "enrol a credential",
            _confirm_credential,
            _credential_title,
            _show_credential,
            by_oneself=True,
        ),
    )
