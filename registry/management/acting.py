"""Who a command acts for."""

from __future__ import annotations

from django.core.management.base import CommandError

from accounts.models import User
from accounts.services.people import actor_of
from audits.domain.actor import Actor


def acting_person(username: str) -> Actor:
    """Return the actor that this person is; a command runs on somebody's account.

    Raises:
        CommandError: there is no such active person.
    """
    user = User.objects.filter(username=username, is_active=True).first()
    if user is None:
        raise CommandError(f"There is nobody called {username}.")
    return actor_of(user)
