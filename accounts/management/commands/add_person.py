from __future__ import annotations

import getpass
import json
import secrets
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from accounts.models import Role
from accounts.services.people import add_person
from audits.domain.actor import SETUP


class Command(BaseCommand):
    help = "Add a person. The password is asked for, read from a pipe, or made up and printed once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--printed-name", required=True, help="as signatures show it")
        parser.add_argument("--role", action="append", required=True, choices=list(Role.values))
        parser.add_argument(
            "--random-password", action="store_true", help="make one up and print it once"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON document")

    def handle(self, *args: Any, **options: Any) -> None:
        password = secrets.token_urlsafe(15) if options["random_password"] else _ask()
        try:
            person = add_person(
                username=options["username"],
                printed_name=options["printed_name"],
                password=password,
                roles=options["role"],
                actor=SETUP,
                now=timezone.now(),
            )
        except ValidationError as error:
            raise CommandError("; ".join(error.messages)) from error
        shown = {"username": person.username, "id": str(person.pk), "roles": person.roles}
        if options["random_password"]:
            shown["password"] = password
        if options["json"]:
            self.stdout.write(json.dumps(shown))
        else:
            for name, value in shown.items():
                self.stdout.write(f"{name}: {value}")


def _ask() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    password = getpass.getpass("Password: ")
    if password != getpass.getpass("Again: "):
        raise CommandError("The two passwords differ; nobody was added.")
    return password
