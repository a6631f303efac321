from __future__ import annotations

import getpass
import secrets
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError
from django.utils import timezone

from accounts.models import Role
from accounts.services.people import add_person
from audits.domain.actor import SETUP
from audits.management.json_command import JsonCommand


class Command(JsonCommand):
    help = "Add a person. The password is asked for, read from a pipe, or made up and printed once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("username")
        parser.add_argument("--printed-name", required=True, help="as signatures show it")
        parser.add_argument("--role", action="append", required=True, choices=list(Role.values))
        parser.add_argument("--email", default="", help="where notices go")
        parser.add_argument(
            "--random-password", action="store_true", help="make one up and print it once"
        )

    def perform(self, **options: Any) -> dict[str, Any]:
        password = secrets.token_urlsafe(15) if options["random_password"] else _ask()
        try:
            person = add_person(
                username=options["username"],
                printed_name=options["printed_name"],
                password=password,
                roles=options["role"],
                email=options["email"],
                actor=SETUP,
                now=timezone.now(),
            )
        except ValidationError as error:
            raise CommandError(_in_words(error)) from error
        shown = {"username": person.username, "id": str(person.pk), "roles": person.roles}
        return shown | ({"password": password} if options["random_password"] else {})


def _in_words(error: ValidationError) -> str:
    if not hasattr(error, "error_dict"):
        return " ".join(error.messages)
    return " ".join(
        f"{name.replace('_', ' ')}: {message}"
        for name, messages in error.message_dict.items()
        for message in messages
    )


def _ask() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    password = getpass.getpass("Password: ")
    if password != getpass.getpass("Again: "):
        raise CommandError("The two passwords differ; nobody was added.")
    return password
