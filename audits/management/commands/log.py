from __future__ import annotations

import argparse
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from audits.errors import AuditsError
from audits.management.json_command import JsonCommand
from audits.services.log_archive import export_log
from audits.services.log_restore import rebuild_tiles, restore_log
from audits.services.log_verification import verify_log
from muniment.attest.errors import AttestError


class Command(JsonCommand):
    help = "Verify, export or repair the log."
    refusals = (AuditsError, AttestError, OSError)

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        commands = parser.add_subparsers(dest="what", metavar="WHAT", required=True)
        verify = commands.add_parser(
            "verify",
            help="recompute the whole log and compare it with every checkpoint ever signed",
        )
        verify.add_argument(
            "--hashes-only",
            action="store_true",
            help="leave out the signatures of entries and the models' streams",
        )
        export = commands.add_parser(
            "export", help="write the log into a folder that any web server can serve"
        )
        export.add_argument("folder", metavar="DIR", type=Path)
        commands.add_parser("rebuild-tiles", help="derive every tile from the leaves again")
        restore = commands.add_parser(
            "restore",
            help="put back published entries that a restored database lacks, from an export",
        )
        restore.add_argument("folder", metavar="DIR", type=Path)
        for command in commands.choices.values():
            command.add_argument("--json", action="store_true", default=argparse.SUPPRESS)

    def perform(self, **options: Any) -> dict[str, Any]:
        match options["what"]:
            case "verify":
                return self._verify(hashes_only=options["hashes_only"])
            case "export":
                done = export_log(options["folder"])
                return {
                    "tree_size": done.tree_size,
                    "files_written": done.written,
                    "files_kept": done.kept,
                }
            case "rebuild-tiles":
                return {"tree_size": rebuild_tiles()}
            case _:
                restored = restore_log(options["folder"], now=timezone.now())
                return {"leaves_before": restored.had, "leaves_restored": restored.restored}

    def _verify(self, *, hashes_only: bool) -> dict[str, Any]:
        found = verify_log(now=timezone.now(), clock=timezone.now, hashes_only=hashes_only)
        if not found.holds:
            failed = [item for item in found.findings if not item["holds"]]
            raise CommandError(
                " ".join(f"{item['title']}: NO. {item['detail']}" for item in failed)
            )
        return {
            "tree_size": found.tree_size,
            "seconds": round((found.finished_at - found.started_at).total_seconds(), 1),
            **{item["id"]: item["detail"] for item in found.findings},
        }
