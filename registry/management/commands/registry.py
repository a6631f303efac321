from __future__ import annotations

import argparse
from argparse import ArgumentParser
from collections.abc import Iterable, Mapping
from typing import Any

from accounts.errors import AccountsError
from audits.errors import AuditsError
from audits.management.json_command import JsonCommand
from lineage.errors import LineageError
from registry.errors import RegistryError
from registry.management.registry_command import SUBCOMMANDS, Subcommand


class Command(JsonCommand):
    help = "Look after the MLflow registries that Muniment stands beside."
    refusals = (AccountsError, AuditsError, RegistryError, LineageError)
    _chosen: Subcommand

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        commands = parser.add_subparsers(dest="what", metavar="WHAT", required=True)
        for subcommand in SUBCOMMANDS:
            own = commands.add_parser(
                subcommand.name, help=subcommand.help, description=subcommand.help
            )
            subcommand.add_arguments(own)
            own.add_argument("--json", action="store_true", default=argparse.SUPPRESS)

    def perform(self, **options: Any) -> dict[str, Any]:
        self._chosen = next(one for one in SUBCOMMANDS if one.name == options["what"])
        return self._chosen.perform(**options)

    def words(self, said: Mapping[str, Any]) -> Iterable[str]:
        return self._chosen.words(said)
