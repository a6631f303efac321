from __future__ import annotations

import argparse
from argparse import ArgumentParser
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from django.utils import timezone

from audits.domain.evaluation_set import SetColumns
from audits.errors import AuditsError
from audits.management.json_command import JsonCommand
from registry.errors import RegistryError
from registry.management.acting import acting_person
from registry.management.registry_command.subcommand import (
    add_person_argument,
    add_source_argument,
)
from registry.models import EvaluationSet
from registry.selectors.evaluation_sets import list_sets, set_named
from registry.selectors.lookups import model_named
from registry.services.evaluation_sets import bind_evaluation_set, register_evaluation_set

HELP = {
    "add": "Check a Parquet or CSV file and register it as the next version of an evaluation set.",
    "list": "Show every evaluation set, and the models that are audited with it.",
    "bind": "Say that a model is audited with a set.",
}


class Command(JsonCommand):
    help = "Look after the evaluation sets that Muniment asks models about itself."
    refusals = (AuditsError, RegistryError)

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        commands = parser.add_subparsers(dest="what", metavar="WHAT", required=True)
        for name, words in HELP.items():
            own = commands.add_parser(name, help=words, description=words)
            own.add_argument("--json", action="store_true", default=argparse.SUPPRESS)
            if name != "list":
                add_person_argument(own)
            if name == "add":
                own.add_argument("file", metavar="FILE", type=Path, help="Parquet or CSV")
                own.add_argument("--name", required=True, help="held-out-2026")
                own.add_argument("--label", required=True, help="the column with what came true")
                for role, said in (
                    ("group", "a column with people's groups, withheld from models"),
                    ("feature", "a column that models are given"),
                ):
                    own.add_argument(
                        f"--{role}", action="append", default=[], metavar="COLUMN", help=said
                    )
                own.add_argument("--row-id", metavar="COLUMN", help="a number of each row's own")
            if name == "bind":
                add_source_argument(own)
                own.add_argument("model", metavar="MODEL")
                own.add_argument("name", metavar="NAME", help="of the evaluation set")
                own.add_argument(
                    "--pin", type=int, metavar="VERSION", help="(default: the newest by now)"
                )

    def perform(self, **options: Any) -> dict[str, Any]:
        if options["what"] == "list":
            return {
                "evaluation_sets": [
                    {
                        **_stated(row.evaluation_set),
                        "models": [
                            {"name": use.registered_model.name, "audits": use.audits}
                            for use in row.uses
                        ],
                    }
                    for row in list_sets()
                ]
            }
        actor, now = acting_person(options["username"]), timezone.now()
        if options["what"] == "add":
            columns = SetColumns(
                label=options["label"],
                groups=tuple(options["group"]),
                features=tuple(options["feature"]),
                row_id=options["row_id"],
            )
            return _stated(
                register_evaluation_set(
                    path=options["file"],
                    name=options["name"],
                    columns=columns,
                    actor=actor,
                    now=now,
                )
            )
        model = model_named(options["model"], options["source"] or "")
        found = set_named(options["name"], options["pin"])
        bind_evaluation_set(registered_model=model, evaluation_set=found, actor=actor, now=now)
        return {"model": model.name, **_stated(found)}

    def words(self, said: Mapping[str, Any]) -> Iterable[str]:
        if "evaluation_sets" not in said:
            yield from super().words(said)
            return
        if not said["evaluation_sets"]:
            yield (
                "No evaluation set is registered. `manage.py evaluation_set add FILE --name NAME "
                "--label COLUMN --group COLUMN --feature COLUMN --as ADMIN` registers one."
            )
        for one in said["evaluation_sets"]:
            yield f"{one['name']} version {one['version']}: {one['rows']:,} rows, {one['digest']}"
            for use in one["models"]:
                yield f"  {use['name']}: audited {use['audits']} times with it"


def _stated(found: EvaluationSet) -> dict[str, Any]:
    return {
        "name": found.name,
        "version": found.version,
        "digest": found.digest,
        "rows": found.rows,
        "columns": found.columns,
    }
