from __future__ import annotations

import argparse
from argparse import ArgumentParser
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from audits.errors import AuditsError
from audits.management.json_command import JsonCommand
from lineage.errors import LineageError
from lineage.models import AllowedPlace
from lineage.services.places import allow_place, remove_place, stated_place
from registry.errors import RegistryError
from registry.management.acting import acting_person
from registry.management.registry_command.subcommand import (
    add_person_argument,
    add_source_argument,
)
from registry.services.sources import find_source

HELP = {
    "add": "Allow a place, or change what is said of one: what is not given is taken back.",
    "list": "Show every place that is allowed.",
    "remove": "Allow a place no more.",
}


class Command(JsonCommand):
    help = "Look after the places from which the data and code that runs name may be opened."
    refusals = (AuditsError, RegistryError, LineageError)

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        commands = parser.add_subparsers(dest="what", metavar="WHAT", required=True)
        for name, words in HELP.items():
            own = commands.add_parser(name, help=words, description=words)
            own.add_argument("--json", action="store_true", default=argparse.SUPPRESS)
            add_source_argument(own)
            if name == "list":
                continue
            own.add_argument("prefix", metavar="PREFIX", help="/srv/data, s3://bucket/loans, …")
            own.add_argument(
                "--kind", choices=AllowedPlace.Kind.values, default="data", help="default: data"
            )
            add_person_argument(own)
            if name == "add":
                own.add_argument(
                    "--immutable",
                    action="store_true",
                    help="promise that nothing is overwritten there: references to it are pinned",
                )
                for option, meta, said in (
                    ("--option", "NAME=VALUE", "of the store: endpoint_url, region_name, …"),
                    (
                        "--credential",
                        "NAME=VARIABLE",
                        "the environment variable that holds it: key=RISK_S3_KEY",
                    ),
                ):
                    own.add_argument(option, metavar=meta, action="append", default=[], help=said)

    def perform(self, **options: Any) -> dict[str, Any]:
        source = find_source(options["source"])
        if options["what"] == "list":
            rows = AllowedPlace.objects.order_by("source_name", "kind", "prefix")
            if options["source"]:
                rows = rows.filter(source_name=source.name)
            return {"places": [{"source": row.source_name, **stated_place(row)} for row in rows]}
        actor, now = acting_person(options["username"]), timezone.now()
        if options["what"] == "remove":
            remove_place(
                source_name=source.name,
                kind=options["kind"],
                prefix=options["prefix"],
                actor=actor,
                now=now,
            )
            return {"source": source.name, "removed": options["prefix"]}
        place = allow_place(
            place=AllowedPlace(
                source_name=source.name,
                kind=options["kind"],
                prefix=options["prefix"],
                is_immutable=options["immutable"],
                options=_pairs(options["option"]),
                credentials=_pairs(options["credential"]),
            ),
            actor=actor,
            now=now,
        )
        return {"source": source.name, **stated_place(place)}

    def words(self, said: Mapping[str, Any]) -> Iterable[str]:
        if "places" not in said:
            yield from super().words(said)
            return
        if not said["places"]:
            yield (
                "No place is allowed: data and code that runs name are not opened. "
                "`manage.py places add PREFIX --as ADMIN` allows one."
            )
        for place in said["places"]:
            yield f"{place['source']}  {place['kind']}  {place['prefix']}"
            if place["is_immutable"]:
                yield "  nothing is overwritten there"
            for name, value in (*place["options"].items(), *place["credentials"].items()):
                yield f"  {name}: {value}"


def _pairs(given: Sequence[str]) -> dict[str, str]:
    pairs = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not equals or not name or not value:
            raise CommandError(f"{name[:80]!r}: give a name, an equals sign and a value.")
        pairs[name] = value
    return pairs
