"""`registry walk`: the mirror is brought to what MLflow says, now."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from lineage.errors import LineageError
from registry.errors import SourceUnusable
from registry.management.registry_command.subcommand import Subcommand, add_source_argument
from registry.models import RegistrySource
from registry.services.mirror import walk_source
from registry.services.sources import default_source, find_source


class Walk(Subcommand):
    name = "walk"
    help = "Walk every registry source now, or one, and bring the mirror to what MLflow says."

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_source_argument(parser)

    def perform(self, **options: Any) -> dict[str, Any]:
        default_source()
        sources = (
            [find_source(options["source"])]
            if options["source"]
            else list(RegistrySource.objects.order_by("name"))
        )
        changes: dict[str, int] = {}
        failures = []
        for source in sources:
            try:
                changes[source.name] = len(walk_source(source_name=source.name, clock=timezone.now))
            except (LineageError, SourceUnusable) as error:
                failures.append(f"{source.name}: {error}")
        if failures:
            walked = f" Walked: {', '.join(changes)}." if changes else ""
            raise CommandError(f"Not walked: {'; '.join(failures)}{walked}")
        return {"sources": list(changes), "changes": changes}
