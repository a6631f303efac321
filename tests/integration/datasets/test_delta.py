"""Delta Lake, with the real library: versions, time travel, and logs that lie."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from muniment.attest.digest import dir_hash_of, sha256_file
from muniment.datasets import (
    Access,
    AllowedPlace,
    DatasetChanged,
    DatasetMissing,
    DatasetRefused,
    digest_dataset,
    fetch_dataset,
    refer,
)
from muniment.datasets.delta import LOG, MEANING, open_snapshot
from muniment.datasets.opening import open_here
from tests.integration.datasets.references import fetched, pointing

ROWS = pa.table({"loan": [1, 2, 3], "state": ["MA", "NH", "New York"]})


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Three versions: written, appended to, overwritten; then a checkpoint and a fourth."""
    path = tmp_path / "place" / "loans"
    write_deltalake(path, ROWS, partition_by=["state"])
    write_deltalake(path, ROWS, mode="append")
    write_deltalake(path, ROWS.slice(1), mode="overwrite")
    DeltaTable(path).create_checkpoint()
    write_deltalake(path, ROWS, mode="append")
    return path


@pytest.fixture
def access(table: Path) -> Access:
    return Access((AllowedPlace(str(table.parent)),))


def rewrite_log(table: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change each action of the first commit, and forget all later ones."""
    log = table / "_delta_log"
    first = log / f"{0:020}.json"
    actions = [json.loads(line) for line in first.read_text().splitlines()]
    for action in actions:
        change(action)
    shutil.rmtree(log)
    log.mkdir()
    first.write_text("\n".join(json.dumps(action) for action in actions))


@pytest.mark.parametrize("version", range(4))
def test_each_version_has_its_own_files_and_is_opened_again_as_it_was(
    table: Path, access: Access, tmp_path: Path, version: int
) -> None:
    reference = refer(table, version=version)
    assert reference.is_pinned
    assert (reference.kind, reference.details["version"]) == ("delta", str(version))
    files = [Path(uri) for uri in DeltaTable(table, version).file_uris()]
    with open_here(str(table / LOG)) as log, open_snapshot(log, version) as snapshot:
        meaning = hashlib.sha256(snapshot.meaning).hexdigest()
    assert reference.digest == dir_hash_of(
        {str(path.relative_to(table)): sha256_file(path).hex for path in files} | {MEANING: meaning}
    )
    assert reference.size_bytes == sum(path.stat().st_size for path in files)
    path = fetched(reference, tmp_path / "to", access)
    then = DeltaTable(path, version=version).to_pyarrow_table().sort_by("loan")
    assert then == DeltaTable(table, version).to_pyarrow_table().sort_by("loan")
    assert DeltaTable(path).version() == version


def test_time_travel_gives_the_same_after_later_writes(table: Path, access: Access) -> None:
    reference = refer(table, version=1)
    write_deltalake(table, ROWS.slice(2), mode="overwrite")
    DeltaTable(table).optimize.compact()
    assert digest_dataset(reference, access) == reference.digest
    assert refer(table, version=1) == reference


def test_a_table_without_a_version_is_weak_and_says_which_was_read(table: Path) -> None:
    reference = refer(table)
    assert not reference.is_pinned
    assert "without a version" in reference.weak_reason
    assert reference.details["version"] == "3"
    assert reference.digest == refer(table, version=3).digest


def test_a_changed_file_of_the_snapshot_is_found(
    table: Path, access: Access, tmp_path: Path
) -> None:
    reference = refer(table, version=0)
    changed = Path(DeltaTable(table, version=0).file_uris()[0])
    content = bytearray(changed.read_bytes())
    content[len(content) // 2] ^= 1
    changed.write_bytes(content)
    with pytest.raises(DatasetChanged, match="its bytes were changed since"):
        fetch_dataset(reference, tmp_path, access, checkout=None)
    assert not (tmp_path / "loans").exists()


def test_a_log_that_gives_the_same_files_other_rows_is_found(table: Path, access: Access) -> None:
    reference = refer(table, version=0)

    def swap(action: dict[str, Any]) -> None:
        values = action.get("add", {}).get("partitionValues")
        if values:
            values["state"] = {"MA": "NH", "NH": "MA"}.get(values["state"], values["state"])

    rewrite_log(table, swap)
    assert DeltaTable(table).to_pyarrow_table().num_rows == 3  # a table like any other
    assert digest_dataset(reference, access) != reference.digest
    with pytest.raises(DatasetChanged):
        fetch_dataset(reference, table.parent / "to", access, checkout=None)


def test_a_deletion_vector_that_the_log_does_not_announce_is_refused(
    table: Path, access: Access
) -> None:
    reference = refer(table, version=0)

    def hide(action: dict[str, Any]) -> None:
        if "add" in action:
            action["add"]["deletionVector"] = {"storageType": "i", "cardinality": 1}

    rewrite_log(table, hide)
    with pytest.raises(DatasetRefused, match="deletionVectors"):
        digest_dataset(reference, access)


def test_a_file_taken_out_of_the_log_is_found(table: Path, access: Access) -> None:
    reference = refer(table, version=0)
    kept = [f"{number}" for number in range(2)]

    def change(action: dict[str, Any]) -> None:
        if "add" in action and not kept:
            action["commitInfo"] = action.pop("add")
        elif "add" in action:
            kept.pop()

    rewrite_log(table, change)
    assert digest_dataset(reference, access) != reference.digest


def test_a_vacuumed_version_and_one_that_never_was_are_missing(table: Path, access: Access) -> None:
    reference = refer(table, version=0)
    DeltaTable(table).vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    with pytest.raises(DatasetMissing, match="vacuum") as missing:
        digest_dataset(reference, access)
    assert missing.value.code == "dataset.delta_vacuumed"
    for version in ("9", "", "-1", "1e3", "9" * 40, "\u0663"):
        with pytest.raises(DatasetMissing):
            digest_dataset(pointing(reference, reference.uri, version=version), access)
    with pytest.raises(DatasetMissing, match="version 77"):
        refer(table, version=77)


@pytest.mark.parametrize(
    "path",
    ["../outside/secret", "%2e%2e/outside/secret", "/etc/passwd", "file:///etc/passwd",
     "s3://bucket/x", "a//b", "new%0Aline", "_delta_log/../../outside/secret"],
)  # fmt: skip
def test_a_log_that_points_out_of_the_table_is_refused(
    table: Path, access: Access, tmp_path: Path, path: str
) -> None:
    outside = table.parent / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    reference = refer(table, version=0)

    def change(action: dict[str, Any]) -> None:
        if "add" in action:
            action["add"]["path"] = path

    rewrite_log(table, change)
    for attempt in (
        lambda: digest_dataset(reference, access),
        lambda: fetch_dataset(reference, tmp_path, access, checkout=None),
        lambda: refer(table, version=0),
    ):
        with pytest.raises(DatasetRefused):
            attempt()
    assert not (tmp_path / "loans").exists()


def test_a_symlink_in_the_table_is_refused(table: Path, access: Access, tmp_path: Path) -> None:
    reference = refer(table, version=0)
    file = Path(DeltaTable(table, version=0).file_uris()[0])
    file.rename(tmp_path / "moved")
    file.symlink_to(tmp_path / "moved")
    with pytest.raises(DatasetRefused, match="symlink refused"):
        digest_dataset(reference, access)


def test_deletion_vectors_are_refused(table: Path, access: Access) -> None:
    reference = refer(table, version=0)

    def change(action: dict[str, Any]) -> None:
        if "protocol" in action:
            action["protocol"] = {
                "minReaderVersion": 3,
                "minWriterVersion": 7,
                "readerFeatures": ["deletionVectors"],
                "writerFeatures": ["deletionVectors"],
            }

    rewrite_log(table, change)
    with pytest.raises(DatasetRefused, match="deletionVectors") as refused:
        digest_dataset(reference, access)
    assert refused.value.code == "dataset.delta_feature"


@pytest.mark.parametrize("content", ["", "{", '{"add": 1}', "[]\n" * 3, "\0" * 100])
def test_a_log_of_rubbish_is_an_error_with_a_name(
    table: Path, access: Access, content: str
) -> None:
    reference = refer(table, version=0)
    shutil.rmtree(table / "_delta_log")
    (table / "_delta_log").mkdir()
    (table / "_delta_log" / f"{0:020}.json").write_text(content)
    with pytest.raises((DatasetRefused, DatasetMissing)) as refused:
        digest_dataset(reference, access)
    assert "clone3" not in refused.value.message


def test_a_table_elsewhere_is_refused(table: Path, tmp_path: Path) -> None:
    reference = refer(table, version=0)
    with pytest.raises(DatasetRefused, match="no place that an admin allowed"):
        digest_dataset(reference, Access((AllowedPlace(str(table / "state=MA")),)))
    with pytest.raises(DatasetRefused):
        refer(tmp_path, version=3)
