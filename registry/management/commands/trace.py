"""`manage.py trace`: what depends on an artifact, or what a version was made from."""

from __future__ import annotations

import argparse
from argparse import ArgumentParser
from collections.abc import Iterable, Mapping
from typing import Any

from audits.management.json_command import JsonCommand
from registry.errors import RegistryError
from registry.selectors.lookups import version_named
from registry.selectors.trace import ROLES, TraceFilter, explain_all, made_from, trace


class Command(JsonCommand):
    help = "Say what depends on an artifact, or what a version was made from."
    refusals = (RegistryError,)

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        actions = parser.add_subparsers(dest="what", metavar="WHAT", required=True)
        depends = actions.add_parser("depends-on", help="Say which versions were made from it.")
        depends.add_argument(
            "artifact",
            help="a digest, 7 or more digits of a commit, name==version or models:/name/version",
        )
        depends.add_argument("--role", choices=ROLES, default="", help="used in this role alone")
        depends.add_argument("--champions", action="store_true", help="champions alone")
        depends.add_argument(
            "--superseded", action="store_true", help="by records that were superseded too"
        )
        made = actions.add_parser("made-from", help="Say what a version was made from.")
        made.add_argument("model")
        made.add_argument("version", type=int)
        made.add_argument("--source", default="", help="the registry source of the model")
        for one in (depends, made):
            one.add_argument("--json", action="store_true", default=argparse.SUPPRESS)

    def perform(self, **options: Any) -> dict[str, Any]:
        if options["what"] == "made-from":
            version = version_named(options["model"], options["version"], options["source"])
            return {
                "version_uri": version.uri,
                "made_from": [
                    {
                        "role": one.role,
                        "kind": one.kind,
                        "key": one.key,
                        "name": one.name,
                        "is_own": one.is_own,
                        "into": list(one.into),
                    }
                    for one in made_from(version)
                ],
            }
        wanted = TraceFilter(options["role"], options["champions"], options["superseded"])
        traced = trace(options["artifact"], wanted)
        return {
            "artifacts": [
                {"key": node.key, "kind": traced.kinds[node.key], "name": traced.names[node.key]}
                for node in traced.nodes
            ],
            "versions": [
                {
                    "source": row.version.registered_model.source_id,
                    "model": row.version.registered_model.name,
                    "version": row.version.version,
                    "version_uri": row.version.uri,
                    "is_champion": row.is_champion,
                    "roles": list(row.roles),
                    "through": list(row.through),
                }
                for row in explain_all(traced)
            ],
        }

    def words(self, said: Mapping[str, Any]) -> Iterable[str]:
        if "made_from" in said:
            if not said["made_from"]:
                yield "No lineage record of this version names anything that it was made from."
            for one in said["made_from"]:
                into = "" if one["is_own"] else f"  (into {', '.join(one['into'])})"
                yield f"{one['role']}  {one['key']}  {one['name']}{into}".rstrip()
            return
        if not said["artifacts"]:
            yield "No lineage record names such an artifact."
        for one in said["artifacts"]:
            yield f"{one['kind']} {one['key']}  {one['name']}".rstrip()
        for row in said["versions"]:
            how = ", ".join(row["roles"]) or f"through {', '.join(row['through'])}"
            champion = "  champion" if row["is_champion"] else ""
            yield f"  {row['model']} v{row['version']}{champion}  {how}"
