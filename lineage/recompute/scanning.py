"""Scanning a version's files: in the sandbox, by the worker's own scanner."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from lineage.domain.placing import WORK
from lineage.recompute.inside import scan
from lineage.recompute.limits import GIB, Limits
from lineage.recompute.mounts import interpreter_mounts
from lineage.recompute.sandbox import Sandbox

SCANNER: Final = "picklescan"
SCAN_LIMITS: Final = Limits(memory_bytes=2 * GIB, wall_seconds=600.0, processes=32)
_PROGRAM, _MODEL = "scan.py", "model"
_SEVERITIES: Final = frozenset(("low", "medium", "high", "critical"))


class ScanFailed(Exception):
    """The files could not be scanned; the message says why, without anything that they hold."""


@dataclass(frozen=True, slots=True)
class FileScanner:
    """Scans files that others wrote."""

    sandbox: Sandbox
    limits: Limits = SCAN_LIMITS

    def scan(self, work: Path) -> dict[str, Any]:
        """Scan the files below ``model`` of a work folder; return the measurements.

        Raises:
            ScanFailed: it ended otherwise than by saying what it found.
            SandboxUnavailable: nothing here can hold hostile files.
        """
        files = sum(1 for path in (work / _MODEL).rglob("*") if path.is_file())
        shutil.copyfile(scan.__file__, work / _PROGRAM)
        printed: list[bytes] = []
        ended = self.sandbox.run(
            [sys.executable, "-B", "-I", str(WORK / _PROGRAM), str(WORK / _MODEL)],
            work=work,
            mounts=interpreter_mounts(Path(sys.executable)),
            environment={},
            limits=self.limits,
            on_output=printed.append,
        )
        if not ended.succeeded:
            raise ScanFailed(f"The scanner ended before it was done ({ended.why.value}).")
        found = _read(b"".join(printed))
        # The files are hostile, and so is what read them by now.
        if found is None or found["files"] != files or sum(found["formats"].values()) != files:
            raise ScanFailed("The scanner's answer cannot be relied on.")
        return {"scanner": SCANNER, "scanner_version": version(SCANNER), **found}


def _read(printed: bytes) -> dict[str, Any] | None:
    try:
        said = json.loads(printed.splitlines()[-1])
        return {
            "files": _count(said["files"]),
            "formats": {_text(name): _count(count) for name, count in said["formats"].items()},
            "findings": [_finding(one) for one in said["findings"][: scan.MOST_NAMED]],
            "unscanned": [
                {"path": _text(one["path"]), "why": _text(one["why"])}
                for one in said["unscanned"][: scan.MOST_NAMED]
            ],
        }
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _finding(one: Mapping[str, object]) -> dict[str, str]:
    severity = _text(one["severity"])
    if severity not in _SEVERITIES:
        raise ValueError(severity)
    return {"path": _text(one["path"]), "rule": _text(one["rule"]), "severity": severity}


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return "".join(one if one.isprintable() else "\ufffd" for one in value[:300])


def _count(value: object) -> int:
    if type(value) is not int or value < 0:
        raise TypeError
    return value
