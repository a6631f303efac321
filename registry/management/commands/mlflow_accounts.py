"""`manage.py mlflow_accounts`: whose the accounts are with which people sign in to MLflow."""

from __future__ import annotations

import argparse
from argparse import ArgumentParser
from collections.abc import Iterable, Mapping
from typing import Any

from django.utils import timezone

from accounts.errors import AccountsError
from accounts.management.asking import acting_admin, active_person, ask_from_command
from audits.errors import AuditsError
from audits.management.json_command import JsonCommand
from registry.errors import RegistryError
from registry.models import MlflowAccount
from registry.services.account_changes import account_mapping
from registry.services.mlflow_accounts import declare_account
from registry.services.sources import find_source


class Command(JsonCommand):
    help = (
        "List whose the accounts of MLflow are, or propose it for another admin to confirm. "
        "Whoever an account stands for has trained what it registers, and approves none of it."
    )
    refusals = (AccountsError, AuditsError, RegistryError)

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        actions = parser.add_subparsers(dest="what", metavar="WHAT", required=True)
        listed = actions.add_parser("list", help="Say whose each account is; writes nothing.")
        mapped = actions.add_parser("map", help="Propose whose an account is.")
        mapped.add_argument("account", help="as it signs in to MLflow, letter by letter")
        whose = mapped.add_mutually_exclusive_group(required=True)
        whose.add_argument("--person", help="the user name in Muniment of whose own it is")
        whose.add_argument("--service-of", help="the user name of who owns the service")
        whose.add_argument("--nobody", action="store_true", help="nobody's: unknown again")
        mapped.add_argument("--source", default="", help="the registry source")
        mapped.add_argument("--as", dest="admin", required=True, help="the admin who proposes it")
        for action in (listed, mapped):
            action.add_argument("--json", action="store_true", default=argparse.SUPPRESS)

    def perform(self, **options: Any) -> dict[str, Any]:
        if options["what"] == "list":
            rows = MlflowAccount.objects.select_related("person").order_by("source_id", "account")
            return {"accounts": [_row(one) for one in rows]}
        actor, now = acting_admin(options["admin"]), timezone.now()
        username = options["person"] or options["service_of"]
        person = active_person(username) if username else None
        account = declare_account(
            source=find_source(options["source"] or None),
            account=options["account"],
            actor=actor,
            now=now,
        )
        kind = MlflowAccount.Kind.SERVICE if options["service_of"] else MlflowAccount.Kind.PERSON
        asked = ask_from_command(account_mapping(account, person, kind), actor=actor, now=now)
        account.refresh_from_db()
        return _row(account) | asked

    def words(self, said: Mapping[str, Any]) -> Iterable[str]:
        if "accounts" not in said:
            yield from super().words(said)
            return
        if not said["accounts"]:
            yield "No account of MLflow is known."
        for row in said["accounts"]:
            yield f"{row['source']}: {row['account']} is {_whose(row)}"


def _row(account: MlflowAccount) -> dict[str, Any]:
    return {
        "source": account.source_id,
        "account": account.account,
        "person": account.person.username if account.person else None,
        "kind": account.kind,
    }


def _whose(row: Mapping[str, Any]) -> str:
    if row["person"] is None:
        return "nobody's"
    return f"a service of {row['person']}" if row["kind"] == "service" else f"{row['person']}'s own"
