"""A new password for whoever lost theirs: two admins open the way, and neither can walk it alone.

Each of the two is shown one code, once. The person, told both, chooses a password that no admin
ever sees, and signs nothing for a while, so that what was done by stealth is noticed first.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.contrib.auth.password_validation import validate_password
from django.db import transaction

from accounts.domain.change import Change, Shown
from accounts.domain.proposals import ROLE, person_subject
from accounts.errors import ResetRefused, UnknownPerson
from accounts.models import PasswordReset, ProposalAnswer, User
from accounts.services.change_kinds import ChangeKind
from accounts.services.person_facts import state_of_person
from accounts.services.two_people import require_two_people
from audits.domain.actor import SETUP, Actor
from audits.domain.log import Event

RESET: Final = "person.reset_password"
VALID_FOR: Final = timedelta(hours=24)
MAX_WRONG: Final = 5
_WORDS: Final = "reset somebody's password"
_ALPHABET: Final = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # nothing that is read as another
_REFUSED: Final = (
    "This is not a user name with the two codes that two admins gave, or they were used, are more "
    "than a day old, or were wrong five times. Nothing was changed. Ask the admins for new ones."
)


def new_code() -> str:
    """Return a code of 100 bits in groups that can be told by telephone."""
    letters = "".join(secrets.choice(_ALPHABET) for _ in range(20))
    return "-".join(letters[place : place + 5] for place in range(0, 20, 5))


def reset_change(person: User, first_code: str) -> Change:
    """Return the change that lets a person choose a password; the log holds the code's hash."""
    return Change(
        kind=RESET,
        subject=person_subject(str(person.pk)),
        content={"person": str(person.pk), "first_sha256": _sha256(first_code)},
    )


@transaction.atomic
def open_reset(
    *,
    person_id: UUID,
    first_sha256: str,
    second: ProposalAnswer | None = None,
    actor: Actor,
    now: datetime,
) -> str:
    """Open the way to a new password for a day, instead of any that was open; return its code.

    Args:
        first_sha256: of the code that whoever proposed it was shown.
        second: the answer that confirms it, where two people are needed.

    Raises:
        RoleRequired: the actor is no admin.
        SecondPersonNeeded: nobody confirmed it.
        UnknownPerson: there is no such active person.
    """
    actor.require_role(_WORDS, ROLE)
    person = User.objects.select_for_update(no_key=True).filter(pk=person_id).first()
    if person is None or not person.is_active:
        raise UnknownPerson("There is no such person, or their account has ended.")
    is_theirs = second is not None and second.subject == person_subject(str(person.pk))
    authority = require_two_people(_WORDS, second if is_theirs else None)
    PasswordReset.objects.filter(person=person, ended_at=None).update(ended_at=now)
    code = new_code()
    PasswordReset.objects.create(
        person=person,
        first_sha256=first_sha256,
        second_sha256=_sha256(code),
        opened_at=now,
        expires_at=now + VALID_FOR,
    )
    state_of_person(Event.PERSON_RESET_OPENED, person, {}, authority, actor=actor, now=now)
    return code


def choose_password(*, username: str, codes: tuple[str, str], password: str, now: datetime) -> User:
    """Set the password of whoever knows both codes, once; every session of theirs ends.

    Raises:
        ResetRefused: something is wrong, never said what; five times, and the way is closed.
        ValidationError: the password is too weak; the codes are not used up by that.
    """
    with transaction.atomic(durable=True):
        person = (
            User.objects.select_for_update(no_key=True)
            .filter(username=username, is_active=True)
            .first()
        )
        reset = (
            PasswordReset.objects.filter(person=person, ended_at=None, expires_at__gt=now).first()
            if person
            else None
        )
        is_right = reset is not None and _are_right(reset, codes)
        if person is not None and reset is not None:
            if is_right:
                _set_password(person=person, password=password, actor=_self(person), now=now)
                reset.ended_at = now
            else:
                reset.failures += 1
                reset.ended_at = now if reset.failures >= MAX_WRONG else None
            reset.save(update_fields=["failures", "ended_at"])
    if person is None or not is_right:
        raise ResetRefused(_REFUSED)
    return person


def set_password_on_server(*, username: str, password: str, now: datetime) -> User:
    """Set anybody's password, as whoever runs commands on the server may; the log says it was so.

    Raises:
        UnknownPerson: there is no such active person.
        ValidationError: the password is too weak.
    """
    with transaction.atomic(durable=True):
        person = (
            User.objects.select_for_update(no_key=True)
            .filter(username=username, is_active=True)
            .first()
        )
        if person is None:
            raise UnknownPerson(f"There is nobody called {username}.")
        _set_password(person=person, password=password, actor=SETUP, now=now)
    return person


def _set_password(*, person: User, password: str, actor: Actor, now: datetime) -> None:
    """Set a locked person's password and state who did; signing power begins anew.

    Raises:
        ValidationError: the password is too weak.
    """
    validate_password(password, person)
    person.set_password(password)
    person.signing_changed_at = now
    person.save(update_fields=["password", "signing_changed_at"])
    PasswordReset.objects.filter(person=person, ended_at=None).update(ended_at=now)
    state_of_person(Event.PERSON_PASSWORD_SET, person, {}, {}, actor=actor, now=now)


def _self(person: User) -> Actor:
    # Whoever holds both codes; they are not signed in, so they act in no role.
    return Actor(kind="person", id=str(person.pk))


def _are_right(reset: PasswordReset, codes: tuple[str, str]) -> bool:
    # Both are looked at whatever the first came to.
    first, second = (
        hmac.compare_digest(_sha256(code), kept)
        for code, kept in zip(codes, (reset.first_sha256, reset.second_sha256), strict=True)
    )
    return first and second


def _sha256(code: str) -> str:
    plain = "".join(code.upper().replace("-", " ").split())
    return hashlib.sha256(plain.encode()).hexdigest()


def _apply(
    content: Mapping[str, Any], second: ProposalAnswer | None, actor: Actor, now: datetime
) -> str:
    code = open_reset(
        person_id=UUID(content["person"]),
        first_sha256=content["first_sha256"],
        second=second,
        actor=actor,
        now=now,
    )
    return (
        f"The second code is {code}. It is shown this once: tell it to the person, and nobody"
        " else. Whoever proposed this has the first."
    )


def _title(content: Mapping[str, Any], names: Mapping[str, str]) -> str:
    return f"Let {names.get(content['person'], content['person'])} choose a new password"


def _show(content: Mapping[str, Any]) -> Shown:
    return Shown(
        before="the password that they have",
        after="one that they choose within a day, with two codes: whoever proposed this was shown"
        " one, and whoever confirms it is shown the other. They sign nothing for a while then.",
        path=f"/people/{content['person']}/",
        warning="Ask the person, face to face or by telephone, whether they lost their password.",
    )


RESETS: Final = ChangeKind(RESET, _WORDS, _apply, _title, _show)
