"""`registry list`: every source, and how it is."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterable, Mapping
from typing import Any

from django.utils import timezone

from audits.domain.log_wording import duration_words
from registry.management.registry_command.subcommand import Subcommand
from registry.selectors.sources import source_rows
from registry.services.sources import default_source


class List(Subcommand):
    name = "list"
    help = "Show every registry source: how fresh its mirror is, what it holds, what guards it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take nothing."""

    def perform(self, **options: Any) -> dict[str, Any]:
        default_source()
        now = timezone.now()
        return {
            "sources": [
                {
                    "name": row.name,
                    "uri": row.uri,
                    "walked_at": row.walked_at.isoformat() if row.walked_at else None,
                    "mirror_age_seconds": (
                        round((now - row.walked_at).total_seconds()) if row.walked_at else None
                    ),
                    "mirror_age": duration_words(now - row.walked_at) if row.walked_at else None,
                    "failure": row.failure or None,
                    "models": row.models,
                    "versions": row.versions,
                    "versions_waiting": row.versions_waiting,
                    "on_violation": row.on_violation,
                    "gatekeeper_seen_at": (
                        row.gatekeeper_seen_at.isoformat() if row.gatekeeper_seen_at else None
                    ),
                    "modes": row.modes,
                }
                for row in source_rows()
            ]
        }

    def words(self, said: Mapping[str, Any]) -> Iterable[str]:
        for row in said["sources"]:
            yield f"{row['name']}  {row['uri']}"
            age = row["mirror_age"]
            yield f"  mirror: {f'read {age} ago' if age else 'never read'}"
            if row["failure"]:
                yield f"  last failure: {row['failure']}"
            yield (
                f"  models: {row['models']}, versions: {row['versions']}, of which "
                f"{row['versions_waiting']} wait for their lineage"
            )
            seen = row["gatekeeper_seen_at"]
            yield f"  registry store of Muniment: {f'heard at {seen}' if seen else 'never heard'}"
            yield f"  on violation: {row['on_violation']}"
            for rule in row["modes"]:
                yield f"  mode: {rule['pattern']} {rule['mode']}"
