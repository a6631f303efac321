"""`registry mode`: how closely models are watched, by pattern."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterable, Mapping
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from registry.domain.modes import Mode
from registry.management.acting import acting_person
from registry.management.registry_command.subcommand import (
    Subcommand,
    add_dry_run_argument,
    add_person_argument,
    add_source_argument,
    first_of,
)
from registry.services.modes import checked_pattern, covered_by, remove_mode, set_mode
from registry.services.sources import find_source

NOT_PREVENTED = (
    "No registry store of Muniment was heard in this MLflow lately, so changes of what is enforced "
    "are found afterwards, and not prevented: see docs/protect-mlflow.md."
)


class SetMode(Subcommand):
    name = "mode"
    help = "Say how the models that match a pattern are watched: observe, warn or enforce."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("pattern", metavar="PATTERN", help="a glob over names: 'fraud-*', '*'")
        parser.add_argument("mode", nargs="?", choices=[mode.value for mode in Mode])
        parser.add_argument("--remove", action="store_true", help="take the pattern's rule away")
        add_source_argument(parser)
        add_dry_run_argument(parser)
        add_person_argument(parser)

    def perform(self, **options: Any) -> dict[str, Any]:
        if bool(options["mode"]) == options["remove"]:
            raise CommandError("Give a mode (observe, warn or enforce), or --remove.")
        source = find_source(options["source"])
        pattern = checked_pattern(options["pattern"])
        mode = Mode(options["mode"]) if options["mode"] else None
        covered = covered_by(source=source, pattern=pattern, mode=mode)
        if not options["dry_run"]:
            actor, now = acting_person(options["username"]), timezone.now()
            if mode is None:
                remove_mode(source=source, pattern=pattern, actor=actor, now=now)
            else:
                set_mode(source=source, pattern=pattern, mode=mode.value, actor=actor, now=now)
        said: dict[str, Any] = {
            "source": source.name,
            "pattern": pattern,
            "mode": mode.value if mode else None,
            "done": not options["dry_run"],
            "models": [
                {"name": one.name, "before": one.before.value, "after": one.after.value}
                for one in covered
            ],
        }
        if mode is Mode.ENFORCE and not source.is_guarded(timezone.now()):
            said["note"] = NOT_PREVENTED
        return said

    def words(self, said: Mapping[str, Any]) -> Iterable[str]:
        rule = said["mode"] or "no rule"
        yield f"{said['pattern']}: {rule}{'' if said['done'] else ' (dry run: nothing was set)'}"
        yield f"models that it matches now: {len(said['models'])}"
        yield from first_of(
            f"  {one['name']}: {one['before']}"
            + ("" if one["before"] == one["after"] else f" → {one['after']}")
            for one in said["models"]
        )
        if "note" in said:
            yield said["note"]
