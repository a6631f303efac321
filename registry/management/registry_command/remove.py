"""`registry remove`: a source that was added by mistake."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.utils import timezone

from registry.management.acting import acting_person
from registry.management.registry_command.subcommand import Subcommand, add_person_argument
from registry.services.sources import find_source, remove_source


class Remove(Subcommand):
    name = "remove"
    help = "Forget a registry source of which the mirror holds no model."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("source", metavar="NAME", help="the source's name")
        add_person_argument(parser)

    def perform(self, **options: Any) -> dict[str, Any]:
        source = find_source(options["source"])
        remove_source(source=source, actor=acting_person(options["username"]), now=timezone.now())
        return {"removed": source.name}
