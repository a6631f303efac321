"""Asking at the server for what needs two people, with the password of whoever asks."""

from __future__ import annotations

import getpass
import sys
from datetime import datetime
from typing import Any

from django.core.management.base import CommandError

from accounts.domain.change import Change
from accounts.models import Proposal, User
from accounts.services.people import actor_of
from accounts.services.proposals import ask_for
from accounts.services.two_people import is_bootstrapping
from audits.domain.actor import Actor


def ask_from_command(change: Change, *, actor: Actor, now: datetime) -> dict[str, Any]:
    """Make a change, or propose it with the actor's password; return what is to be said of that.

    Raises:
        As `ask_for`.
    """
    password = None if is_bootstrapping() else ask_password()
    asked = ask_for(change=change, password=password, actor=actor, now=now)
    if isinstance(asked, Proposal):
        return {
            "proposal": str(asked.pk),
            "next": f"another admin confirms it: manage.py confirm_change {asked.pk} --as USERNAME",
        }
    return {}


def ask_password() -> str:
    """Ask for a password, or read it from a pipe; it is never an argument, which others can see."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    return getpass.getpass("Your own password, as the admin who does this: ")


def ask_new_password(prompt: str) -> str:
    """Ask for a new password twice, or read it from a pipe.

    Raises:
        CommandError: the two differ.
    """
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    password = getpass.getpass(prompt)
    if password != getpass.getpass("Again: "):
        raise CommandError("The two passwords differ; nothing was changed.")
    return password


def acting_admin(username: str) -> Actor:
    """Return the actor that this person is; the services ask for the role.

    Raises:
        CommandError: there is no such active person.
    """
    return actor_of(active_person(username))


def active_person(username: str) -> User:
    """Return a person by their user name.

    Raises:
        CommandError: there is no such active person.
    """
    user = User.objects.filter(username=username, is_active=True).first()
    if user is None:
        raise CommandError(f"There is nobody called {username}.")
    return user
