from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from accounts.errors import AccountsError
from accounts.models import User
from accounts.services.tokens import READ, SCOPES, issue_token
from audits.domain.actor import SETUP
from audits.management.json_command import JsonCommand

DAY_SECONDS = 86_400


class Command(JsonCommand):
    help = "Issue an API token that acts for a person; the secret is printed once."
    refusals = (AccountsError,)

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("username")
        parser.add_argument("--name", default="command line", help="what the token is for")
        parser.add_argument(
            "--scope",
            action="append",
            choices=SCOPES,
            help=f"what it may be used for; may be repeated (default {READ})",
        )
        parser.add_argument("--days", type=int, default=90, help="until it expires (default 90)")

    def perform(self, **options: Any) -> dict[str, Any]:
        user = User.objects.filter(username=options["username"]).first()
        if user is None:
            raise CommandError(f"There is nobody called {options['username']}.")
        secret = issue_token(
            user=user,
            name=options["name"],
            scopes=options["scope"] or [READ],
            ttl_seconds=options["days"] * DAY_SECONDS,
            actor=SETUP,
            now=timezone.now(),
        )
        return {"token": secret}
