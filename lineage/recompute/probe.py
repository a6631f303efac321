"""The probe set, and the data of the controls, made in the sandbox out of those recorded."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

from lineage.domain.placing import WORK
from lineage.domain.redaction import bounded
from lineage.recompute.collecting import collect_tree, read_small
from lineage.recompute.inside import rewriting, tables
from lineage.recompute.limits import Limits
from lineage.recompute.mounts import interpreter_mounts, make_readable
from lineage.recompute.sandbox import Sandbox
from lineage.recompute.signature import Signature
from muniment.datasets.reference import DatasetReference

_SUFFIXES: Final = (".csv", ".tsv", ".parquet")
# What the model did not learn from is asked first.
_ORDER_OF_ROLES: Final = ("evaluation", "validation", "training")
_MOST_TRIED: Final = 5
_LEAST_ROWS: Final = 30
# Any will do; a fixed one makes the control itself repeatable.
_SEED: Final = 1
_MAX_PROBE_BYTES: Final = 256 * 1024 * 1024
_COLUMNS, _PROGRAM, _PROBE, _TABLES = "columns.json", "program.py", "probe.json", "tables"


@dataclass(frozen=True, slots=True)
class Fetched:
    """A recorded data set, and where its checked bytes lie now: a file or a folder."""

    reference: DatasetReference
    path: Path


@dataclass(frozen=True, slots=True)
class Probe:
    """Rows that both models are asked about; frozen by the digests of the data and of itself."""

    path: Path
    sha256: str
    dataset: str

    def as_mapping(self) -> dict[str, str]:
        """Return what names it, as JSON."""
        return {"sha256": self.sha256, "dataset": self.dataset}


@dataclass(frozen=True, slots=True)
class TableReader:
    """Reads tables that others wrote: in the sandbox, with the worker's own libraries."""

    sandbox: Sandbox
    limits: Limits

    def make_probe(
        self, datasets: Sequence[Fetched], signature: Signature, work: Path
    ) -> Probe | None:
        """Return rows of the model's inputs: up to 1,000 of a table of each role.

        Of every role, because whoever trained chose what is called evaluation. None where fewer
        than 30 rows are found: so few show nothing.
        """
        if not signature.inputs:
            return None
        columns: list[dict[str, Any]] = []
        names: list[str] = []
        for role in _ORDER_OF_ROLES:
            for number, (fetched, table) in enumerate(_tables(datasets, role)[:_MOST_TRIED]):
                found = self._rows_of(table, signature, work / f"probe-{role}-{number}")
                if found is None:
                    continue
                for column, more in zip(columns, found, strict=False):
                    column["values"] += more["values"]
                columns = columns or found
                names.append(fetched.reference.name)
                break
        if not columns or len(columns[0]["values"]) < _LEAST_ROWS:
            return None
        content = json.dumps(columns, sort_keys=True).encode()
        probe = work / _PROBE
        probe.write_bytes(content)
        return Probe(probe, hashlib.sha256(content).hexdigest(), ", ".join(names))

    def _rows_of(
        self, table: Path, signature: Signature, folder: Path
    ) -> list[dict[str, Any]] | None:
        """Return the columns of a table that the model takes; None where it lacks one."""
        folder.mkdir(parents=True)
        copied = f"table{table.suffix.lower()}"
        shutil.copyfile(table, folder / copied)
        said = self._run(folder, "probe", copied, signature, str(WORK / _PROBE))
        if said is None or not said.get("rows"):
            return None
        content = read_small(folder, PurePosixPath(_PROBE), at_most_bytes=_MAX_PROBE_BYTES)
        found = json.loads(content)
        # A table is hostile, and so is what reads it by now.
        expected = [one["name"] for one in signature.inputs]
        if not isinstance(found, list) or [one.get("name") for one in found] != expected:
            return None
        return found

    def permute(
        self, datasets: Sequence[Fetched], signature: Signature, work: Path
    ) -> list[Fetched] | None:
        """Return copies in which labels went to other rows; None where no label was found."""
        if not signature.inputs:
            return None
        folder = work / "permuting"
        copied = _copy_all(datasets, folder)
        said = self._run(folder, "permute", _TABLES, signature, str(_SEED))
        if said is None or not said.get("permuted"):
            return None
        return self._collect(datasets, copied, folder, work / "permuted")

    def rewrite(self, datasets: Sequence[Fetched], work: Path) -> list[Fetched] | str:
        """Return copies that say the same in other bytes; why there are none where there are not.

        Every file of every data set: by any that stayed as it was, all could be recognised.
        """
        folder = work / "rewriting"
        for fetched in datasets:
            if fetched.reference.kind == "delta":
                return (
                    f"{fetched.reference.name} is a Delta table, whose log names its files' bytes"
                )
        copied = _copy_all(datasets, folder)
        said = self._run_program(folder, Path(rewriting.__file__), [str(WORK / _TABLES)])
        if said is None:
            return "the recorded data could not be rewritten"
        if said.get("left") or not said.get("rewritten"):
            return bounded(str(said.get("left") or "no recorded data lies anywhere"), 300)
        return self._collect(datasets, copied, folder, work / "rewritten")

    def _collect(
        self, datasets: Sequence[Fetched], copied: Sequence[PurePosixPath], folder: Path, to: Path
    ) -> list[Fetched]:
        collect_tree(
            folder,
            PurePosixPath(_TABLES),
            to,
            at_most_bytes=self.limits.work_bytes,
            at_most_files=self.limits.work_files,
        )
        make_readable(to)
        return [
            Fetched(fetched.reference, to / place.relative_to(_TABLES))
            for fetched, place in zip(datasets, copied, strict=True)
        ]

    def _run(
        self, folder: Path, duty: str, place: str, signature: Signature, last: str
    ) -> Mapping[str, Any] | None:
        (folder / _COLUMNS).write_text(json.dumps(signature.inputs), encoding="utf-8")
        arguments = [duty, str(WORK / place), str(WORK / _COLUMNS), last]
        return self._run_program(folder, Path(tables.__file__), arguments)

    def _run_program(
        self, folder: Path, program: Path, arguments: Sequence[str]
    ) -> Mapping[str, Any] | None:
        """Return what the program printed; None where it failed: the tables are not trusted."""
        shutil.copyfile(program, folder / _PROGRAM)
        printed: list[bytes] = []
        ended = self.sandbox.run(
            [sys.executable, "-B", "-I", str(WORK / _PROGRAM), *arguments],
            work=folder,
            mounts=interpreter_mounts(Path(sys.executable)),
            environment={},
            limits=self.limits,
            on_output=printed.append,
        )
        if not ended.succeeded:
            return None
        try:
            said = json.loads(b"".join(printed).splitlines()[-1])
        except (ValueError, IndexError, RecursionError):
            return None
        return said if isinstance(said, dict) else None


def _copy_all(datasets: Sequence[Fetched], folder: Path) -> list[PurePosixPath]:
    """Copy data sets below a folder, and return where in it each lies now."""
    copied = [
        PurePosixPath(_TABLES, str(number), fetched.path.name)
        for number, fetched in enumerate(datasets)
    ]
    (folder / _TABLES).mkdir(parents=True)
    for fetched, place in zip(datasets, copied, strict=True):
        (folder / place).parent.mkdir()
        if fetched.path.is_dir():
            shutil.copytree(fetched.path, folder / place, symlinks=True)
        else:
            shutil.copyfile(fetched.path, folder / place)
    return copied


def _tables(datasets: Sequence[Fetched], role: str) -> list[tuple[Fetched, Path]]:
    found = []
    for fetched in (one for one in datasets if one.reference.role == role):
        paths = sorted(fetched.path.rglob("*")) if fetched.path.is_dir() else [fetched.path]
        found += [
            (fetched, path)
            for path in paths
            if path.suffix.lower() in _SUFFIXES and path.is_file() and not path.is_symlink()
        ]
    return found
