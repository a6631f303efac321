"""Delta Lake tables: the files of one version, as the table's log names them.

The log is read by the ``deltalake`` library out of a copy of its own, never by way of the table's
address: what a hostile log points to is opened no otherwise than every other file.
"""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

from muniment.attest.digest import canonical_json
from muniment.attest.files import require_name
from muniment.attest.tree import HashedFile
from muniment.datasets.errors import DatasetMissing, DatasetRefused
from muniment.datasets.sources import Budget, Source, dataset_errors, take_all

LOG: Final = "_delta_log"
MEANING: Final = f"{LOG}/meaning.json"
_DELETION_VECTOR: Final = re.compile(rb'"deletionVector"\s*:\s*\{')
MAX_LOG_BYTES: Final = 4 * 1024**3
# What changes the rows of a file without changing the file.
_UNREAD_FEATURES: Final = frozenset({"deletionVectors"})
_ENTRY: Final = re.compile(r"(\d{20})\.(json|checkpoint(\.\d{10}\.\d{10})?\.parquet)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One version of a table.

    Attributes:
        files: names relative to the table's folder, as the disk or store spells them.
        meaning: what the log says of the rows beside the files' bytes, as canonical JSON: schema,
            partition columns, settings, and each file's partition values.
        log: a folder with the part of the table's log that says so; gone with the context.
    """

    version: int
    files: tuple[str, ...]
    meaning: bytes
    log: Path


@contextmanager
def open_snapshot(log: Source, version: int | None) -> Iterator[Snapshot]:
    """Read a version of a table from its log.

    Args:
        log: the folder ``_delta_log`` of the table.
        version: None is the newest.

    Raises:
        DatasetMissing: there is no such version, or its log was cleaned up.
        DatasetRefused: the log is malformed, names files outside the table, or says what is not
            read here (deletion vectors).
        DatasetError: the log cannot be read.
    """
    listing = log.listing() or {}
    entries = {name: int(found[1]) for name in listing if (found := _ENTRY.fullmatch(name))}
    if not entries:
        raise DatasetMissing("there is no Delta table: its folder _delta_log names no version")
    if version is None:
        version = max(entries.values())
    wanted = {name: name for name, number in entries.items() if number <= version}
    with tempfile.TemporaryDirectory(prefix="muniment-delta-") as folder:
        copy = Path(folder) / LOG
        copy.mkdir()
        take_all(log, wanted, Budget(MAX_LOG_BYTES), into=copy)
        _refuse_deletion_vectors(copy)
        files, meaning = _read(folder, version)
        yield Snapshot(version, files, meaning, copy)


def take_snapshot(
    table: Source, snapshot: Snapshot, budget: Budget, into: Path | None
) -> dict[str, HashedFile]:
    """Take the files of a version, and beside them what its log says of their rows.

    That has the name `MEANING`, so that no rewritten log gives other rows under the same digest.

    Raises:
        DatasetMissing: one is gone, as after a vacuum.
        DatasetError: as `take_all`.
    """
    try:
        taken = take_all(table, {name: name for name in snapshot.files}, budget, into=into)
        meaning = hashlib.sha256(snapshot.meaning).hexdigest()
        return {**taken, MEANING: HashedFile(meaning, 0)}
    except DatasetMissing as error:
        raise DatasetMissing(
            f"version {snapshot.version} of the Delta table is no longer whole, as after a "
            f"vacuum: {error.message}",
            code="dataset.delta_vacuumed",
        ) from error


def _read(folder: str, version: int) -> tuple[tuple[str, ...], bytes]:
    table = _open_table(folder, version)
    features = set(table.protocol().reader_features or ()) & _UNREAD_FEATURES
    if features:
        raise _unread(", ".join(sorted(features)))
    actions = table.get_add_actions(flatten=True)
    columns = [name for name in actions.schema.names if name.startswith("partition.")]
    partitions = [actions.column(name).to_pylist() for name in columns]
    paths = [unquote(path) for path in actions.column("path").to_pylist()]
    with dataset_errors():
        for name in paths:
            require_name(name)
    values = {
        path: dict(zip(columns, map(str, row), strict=True))
        for path, *row in zip(paths, *partitions, strict=True)
    }
    metadata = table.metadata()
    meaning = {
        "schema": json.loads(table.schema().to_json()),
        "partition_columns": list(metadata.partition_columns),
        "configuration": dict(metadata.configuration),
        "partition_values": values,
    }
    return tuple(sorted(paths)), canonical_json(meaning)


def _refuse_deletion_vectors(log: Path) -> None:
    """Refuse them also where the log does not announce them."""
    for entry in sorted(log.glob("*.json")):
        if _DELETION_VECTOR.search(entry.read_bytes()):
            raise _unread("deletionVectors")


def _unread(features: str) -> DatasetRefused:
    return DatasetRefused(
        f"the Delta table uses {features}: its rows are not those of its files alone",
        code="dataset.delta_feature",
    )


def _open_table(folder: str, version: int) -> Any:
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError

    try:
        return DeltaTable(folder, version=version)
    except DeltaError as error:
        words = str(error).splitlines()[0][:300]
        if "LogSegment" in words or "version" in words.lower():
            raise DatasetMissing(
                f"the Delta table's log does not lead to version {version}: {words}",
                code="dataset.delta_version",
            ) from error
        raise DatasetRefused(
            f"the Delta table's log cannot be read: {words}", code="dataset.delta_log"
        ) from error
