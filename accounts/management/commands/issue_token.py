from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from accounts.errors import AccountsError
from accounts.models import User
from accounts.services.tokens import READ, issue_token
from audits.domain.actor import SETUP

DAY_SECONDS = 86_400


class Command(BaseCommand):
    help = "Issue an API token that acts for a person; the secret is printed once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--name", default="command line", help="what the token is for")
        parser.add_argument("--days", type=int, default=90, help="until it expires (default 90)")
        parser.add_argument("--json", action="store_true", help="print one JSON document")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(username=options["username"]).first()
        if user is None:
            raise CommandError(f"There is nobody called {options['username']}.")
        try:
            secret = issue_token(
                user=user,
                name=options["name"],
                scopes=[READ],
                ttl_seconds=options["days"] * DAY_SECONDS,
                actor=SETUP,
                now=timezone.now(),
            )
        except AccountsError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(json.dumps({"token": secret}) if options["json"] else secret)
