"""People: the list, adding one, and one person's roles and account."""

from __future__ import annotations

import secrets
from typing import Any, cast
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from accounts.domain.groups import PREFIX, group_role, is_group
from accounts.domain.proposals import ROLE, roles_that_sign
from accounts.errors import LastAdmin, ReauthenticationFailed, RolesInvalid, UnknownPerson
from accounts.models import Proposal, Role, User
from accounts.selectors import list_people
from accounts.services.people import actor_of, add_person
from accounts.services.people_changes import needs_two_people, role_change
from accounts.services.proposals import ask_for
from accounts.services.roles import deactivate_person, set_roles
from accounts.services.signing_power import signing_power_from
from accounts.services.two_people import is_bootstrapping
from audits.domain.actor import Actor

WAITS = "It is proposed. Another admin confirms it here."


@require_safe
def people(request: HttpRequest) -> HttpResponse:
    """List everybody, with their roles and from when they sign."""
    return _list(request)


@never_cache
@require_POST
def add(request: HttpRequest) -> HttpResponse:
    """Add a person with a password that is made up and shown once, on the answer alone."""
    actor, form = _admin(request, "add a person"), request.POST
    password = secrets.token_urlsafe(15)
    roles = set(form.getlist("role"))
    try:
        person = add_person(
            username=form.get("username", "").strip(),
            printed_name=form.get("printed_name", "").strip(),
            email=form.get("email", "").strip(),
            password=password,
            roles=roles if is_bootstrapping() else roles - roles_that_sign(roles),
            actor=actor,
            now=timezone.now(),
        )
    except ValidationError as error:
        return _list(request, {"add_error": " ".join(error.messages)}, status=400)
    told = {"added": person, "password": password, "left_out": roles - set(person.roles)}
    return _list(request, told)


@require_safe
def person(request: HttpRequest, person_id: UUID) -> HttpResponse:
    """Show one person, and what an admin may change."""
    return person_page(request, get_object_or_404(User, pk=person_id))


@sensitive_post_parameters("password")
@require_POST
def change_roles(request: HttpRequest, person_id: UUID) -> HttpResponse:
    """Take roles away or give them; one that signs is proposed."""
    actor, now = _admin(request, "give or take roles"), timezone.now()
    found = get_object_or_404(User, pk=person_id)
    groups = request.POST.get("groups", "").replace(",", " ").split()
    wanted = [*request.POST.getlist("role"), *map(group_role, groups)]
    try:
        if needs_two_people(found, wanted):
            asked = ask_for(
                change=role_change(found, wanted),
                password=request.POST.get("password", ""),
                actor=actor,
                now=now,
            )
            if isinstance(asked, Proposal):
                messages.success(request, WAITS)
                return redirect("accounts:proposal", asked.pk)
        else:
            set_roles(person_id=found.pk, roles=wanted, actor=actor, now=now)
    except (LastAdmin, ReauthenticationFailed, RolesInvalid, UnknownPerson) as error:
        return person_page(request, found, {"roles_error": str(error)}, status=int(error.status))
    messages.success(request, f"The roles of {found.printed_name} are changed.")
    return redirect("accounts:person", found.pk)


@require_POST
def deactivate(request: HttpRequest, person_id: UUID) -> HttpResponse:
    """End an account at once."""
    actor = _admin(request, "deactivate a person")
    found = get_object_or_404(User, pk=person_id)
    try:
        deactivate_person(person_id=found.pk, actor=actor, now=timezone.now())
    except LastAdmin as error:
        return person_page(request, found, {"end_error": str(error)}, status=int(error.status))
    messages.success(request, f"The account of {found.printed_name} has ended.")
    return redirect("accounts:people")


def _admin(request: HttpRequest, operation: str) -> Actor:
    actor = actor_of(cast(User, request.user))
    actor.require_role(operation, ROLE)
    return actor


def _list(
    request: HttpRequest, told: dict[str, Any] | None = None, *, status: int = 200
) -> HttpResponse:
    now = timezone.now()
    rows = []
    for one in list_people():
        begins = signing_power_from(one)
        rows.append((one, begins if begins and begins > now else None))
    context = {
        "rows": rows,
        "is_admin": ROLE in cast(User, request.user).roles,
        "roles": Role.values,
        "takes_two": not is_bootstrapping(),
    }
    return render(request, "accounts/people.html", context | (told or {}), status=status)


def person_page(
    request: HttpRequest, found: User, told: dict[str, Any] | None = None, *, status: int = 200
) -> HttpResponse:
    """Show one person, and what came of what an admin tried to change."""
    begins = signing_power_from(found)
    context = {
        "person": found,
        "credentials": found.credentials.order_by("enrolled_at"),
        "signs_from": begins if begins and begins > timezone.now() else None,
        "is_admin": ROLE in cast(User, request.user).roles,
        "roles": [
            (role, role in found.roles, bool(roles_that_sign([role]))) for role in Role.values
        ],
        "groups": " ".join(role.removeprefix(PREFIX) for role in found.roles if is_group(role)),
        "takes_two": not is_bootstrapping(),
    }
    return render(request, "accounts/person.html", context | (told or {}), status=status)
