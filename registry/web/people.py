"""The signed-in person, as pages and services need them."""

from __future__ import annotations

from typing import cast

from django.http import HttpRequest

from accounts.models import User
from accounts.services.people import actor_of
from audits.domain.actor import Actor


def person_of(request: HttpRequest) -> User:
    """Return who is signed in; every page of ours asks for that first (LoginRequired)."""
    return cast(User, request.user)


def actor_from(request: HttpRequest) -> Actor:
    """Return the actor on whose account a form was sent."""
    return actor_of(person_of(request))
