from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError
from django.utils import timezone

from accounts.errors import AccountsError
from accounts.management.asking import ask_new_password
from accounts.services.password_resets import set_password_on_server
from audits.errors import AuditsError
from audits.management.json_command import JsonCommand


class Command(JsonCommand):
    help = (
        "Set somebody's password, for when no two admins are left to reset it. The log says that "
        "it was done here, and the person signs nothing for a while."
    )
    refusals = (AccountsError, AuditsError)

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("username")

    def perform(self, **options: Any) -> dict[str, Any]:
        password = ask_new_password(f"New password of {options['username']}: ")
        try:
            person = set_password_on_server(
                username=options["username"], password=password, now=timezone.now()
            )
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        return {"username": person.username}
