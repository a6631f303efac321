from __future__ import annotations

import secrets
from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError
from django.utils import timezone

from accounts.domain.proposals import roles_that_sign
from accounts.errors import AccountsError
from accounts.management.asking import acting_admin, ask_from_command, ask_new_password
from accounts.models import Role
from accounts.services.people import add_person
from accounts.services.people_changes import role_change
from accounts.services.two_people import is_bootstrapping, is_short_of_admins
from audits.domain.actor import SETUP
from audits.errors import AuditsError
from audits.management.json_command import JsonCommand


class Command(JsonCommand):
    help = (
        "Add a person. The password is asked for, read from a pipe, or made up and printed once. "
        "Once there are two admins, a role that signs is proposed by one for another to confirm."
    )
    refusals = (AccountsError, AuditsError)

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("username")
        parser.add_argument("--printed-name", required=True, help="as signatures show it")
        parser.add_argument("--role", action="append", required=True, choices=list(Role.values))
        parser.add_argument("--email", default="", help="where notices go")
        parser.add_argument(
            "--random-password", action="store_true", help="make one up and print it once"
        )
        parser.add_argument(
            "--as",
            dest="admin",
            help="the admin who proposes the roles that sign, where it takes two",
        )

    def perform(self, **options: Any) -> dict[str, Any]:
        wanted = set(options["role"])
        takes_two = bool(roles_that_sign(wanted)) and not (
            is_bootstrapping() or is_short_of_admins()
        )
        if takes_two and not options["admin"]:
            raise CommandError(
                "It takes two admins to make somebody reviewer or admin. Say with --as USERNAME "
                "which of them proposes it; nobody was added."
            )
        actor = acting_admin(options["admin"]) if takes_two else SETUP
        password = (
            secrets.token_urlsafe(15)
            if options["random_password"]
            else ask_new_password("Password: ")
        )
        try:
            person = add_person(
                username=options["username"],
                printed_name=options["printed_name"],
                password=password,
                roles=wanted - roles_that_sign(wanted) if takes_two else wanted,
                email=options["email"],
                actor=actor,
                now=timezone.now(),
            )
        except ValidationError as error:
            raise CommandError(_in_words(error)) from error
        shown = {"username": person.username, "id": str(person.pk), "roles": person.roles}
        if takes_two:
            shown |= ask_from_command(role_change(person, wanted), actor=actor, now=timezone.now())
        return shown | ({"password": password} if options["random_password"] else {})


def _in_words(error: ValidationError) -> str:
    if not hasattr(error, "error_dict"):
        return " ".join(error.messages)
    return " ".join(
        f"{name.replace('_', ' ')}: {message}"
        for name, messages in error.message_dict.items()
        for message in messages
    )
