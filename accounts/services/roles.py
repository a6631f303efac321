"""Giving roles and taking them away, and ending an account."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from accounts.domain.groups import MAX_NAME, is_group
from accounts.domain.proposals import ROLE, person_subject, roles_that_sign
from accounts.errors import LastAdmin, ProposalOutdated, RolesInvalid, UnknownPerson
from accounts.models import ProposalAnswer, Role, User
from accounts.services.person_facts import state_of_person
from accounts.services.two_people import (
    is_short_of_admins,
    lock_admins_and,
    require_two_people,
)
from audits.domain.actor import SETUP, Actor
from audits.domain.log import Event

GRANT = "give the role reviewer or admin, or make somebody member of a group"


@transaction.atomic
def set_roles(
    *,
    person_id: UUID,
    roles: Iterable[str],
    expected: Iterable[str] | None = None,
    second: ProposalAnswer | None = None,
    actor: Actor,
    now: datetime,
) -> User:
    """Give a person exactly these roles; the same ones again change nothing and say nothing.

    Taking roles away needs one admin, so that it can be done at once; so does giving a role that
    signs nothing. Giving one that signs needs two, or on the server whoever runs commands while
    too few admins are there to confirm anything. Signing power begins anew.

    Args:
        expected: the roles that they must have now, as somebody was shown them.
        second: the answer that confirms it, where two people are needed.

    Raises:
        RoleRequired: the actor is no admin.
        SecondPersonNeeded: a role that signs is given, and nobody confirmed it.
        RolesInvalid: a role does not exist, or a group is given to somebody who is no reviewer.
        UnknownPerson: there is no such active person.
        ProposalOutdated: their roles are not the expected ones.
        LastAdmin: nobody would be admin any more.
    """
    if actor != SETUP:
        actor.require_role("give or take roles", ROLE)
    wanted = sorted(set(roles))
    require_known(wanted)
    person, is_another = _locked(person_id)
    if not person.is_active:
        raise UnknownPerson("This person's account has ended. Nothing was changed.")
    if expected is not None and sorted(expected) != person.roles:
        raise ProposalOutdated(
            "The roles of this person changed since this was proposed, so nothing was changed. "
            "Decline it, and propose it again if it is still wanted."
        )
    if wanted == person.roles:
        return person
    before, given = person.roles, roles_that_sign(wanted).difference(person.roles)
    authority: Mapping[str, Any] = {}
    if given:
        is_theirs = second is not None and second.subject == person_subject(str(person.pk))
        is_recovering = actor == SETUP and is_short_of_admins()
        authority = (
            {"bootstrap": True}
            if is_recovering
            else require_two_people(GRANT, second if is_theirs else None)
        )
        person.signing_changed_at = now
    if ROLE in before and ROLE not in wanted:
        _require_another_admin(is_another)
    person.roles = wanted
    person.was_admin = person.was_admin or ROLE in wanted
    person.save(update_fields=["roles", "signing_changed_at", "was_admin"])
    state_of_person(
        Event.PERSON_ROLES_SET,
        person,
        {"before": {"roles": before}, "after": {"roles": wanted}},
        authority,
        actor=actor,
        now=now,
    )
    return person


def require_known(roles: Iterable[str]) -> None:
    """Pass roles and groups that a person can have together.

    Raises:
        RolesInvalid: there is no such role, or no group may be called so; or somebody would be in
            a group of reviewers and no reviewer.
    """
    groups = {role for role in roles if is_group(role)}
    if not set(roles) - groups <= set(Role.values):
        raise RolesInvalid(
            f"The roles are {', '.join(Role.values)}; a group's name is lower-case words, joined "
            f"by hyphens, of {MAX_NAME} characters at most. Nothing was changed."
        )
    if groups and Role.REVIEWER not in roles:
        raise RolesInvalid(
            "Only reviewers are in a group: give the role reviewer too, or take the group away."
            " Nothing was changed."
        )


@transaction.atomic
def deactivate_person(*, person_id: UUID, actor: Actor, now: datetime) -> User:
    """End an account at once, sessions and tokens included; one admin is enough, and twice is once.

    What the person signed stays what it was.

    Raises:
        RoleRequired: the actor is no admin.
        UnknownPerson: there is no such person.
        LastAdmin: nobody would be admin any more.
    """
    actor.require_role("deactivate a person", ROLE)
    person, is_another = _locked(person_id)
    if not person.is_active:
        return person
    if ROLE in person.roles:
        _require_another_admin(is_another)
    person.is_active = False
    person.save(update_fields=["is_active"])
    state_of_person(
        Event.PERSON_DEACTIVATED,
        person,
        {"before": {"active": True}, "after": {"active": False}},
        {},
        actor=actor,
        now=now,
    )
    return person


def _locked(person_id: UUID) -> tuple[User, bool]:
    """Lock a person; return them, and whether another is admin beside them."""
    people = lock_admins_and(person_id)
    person = people.pop(person_id, None)
    if person is None:
        raise UnknownPerson("There is no such person. Nothing was changed.")
    return person, bool(people)


def _require_another_admin(is_another: bool) -> None:
    if not is_another:
        raise LastAdmin("This is the only admin. Nobody could confirm or repair anything then.")
