"""The log exported as a folder: static, whole, and readable without us."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from audits.models import LogCheckpoint, LogEntry
from audits.services.log_archive import export_log
from audits.services.signing import keyring
from muniment.attest.checkpoint import verify_checkpoint
from muniment.attest.tile_tree import TileReader
from muniment.attest.tiles import bundles_of, split_entries
from tests import naive_log
from tests.integration.log.writing import append_many, sequence_all, write_log

SIZE = 530


@pytest.fixture(autouse=True)
def log(empty_log: None) -> None:
    write_log(SIZE)


def test_an_export_is_the_whole_log(tmp_path: Path) -> None:
    done = export_log(tmp_path)
    assert (done.tree_size, done.kept) == (SIZE, 0)
    checkpoint = verify_checkpoint((tmp_path / "checkpoint").read_bytes(), keyring().log.vkey)
    reader = TileReader(lambda tile: (tmp_path / tile.path).read_bytes(), SIZE)
    assert reader.root_hash() == checkpoint.root_hash
    entries = [
        entry
        for tile in bundles_of(SIZE)
        for entry in split_entries((tmp_path / tile.path).read_bytes(), tile.width, tile.path)
    ]
    stored = LogEntry.objects.order_by("leaf__leaf_index").values_list("envelope", flat=True)
    assert entries == [bytes(row) for row in stored]
    for signed in LogCheckpoint.objects.all():
        note = (tmp_path / "checkpoints" / str(signed.tree_size)).read_bytes()
        assert note == bytes(signed.note)
    files = sum(path.is_file() for path in tmp_path.rglob("*"))
    assert files == done.written


def test_a_later_export_adds_what_is_new(tmp_path: Path) -> None:
    export_log(tmp_path)
    full = tmp_path / "tile" / "0" / "000"
    before = full.stat().st_mtime_ns
    append_many(range(300))
    sequence_all()
    again = export_log(tmp_path)
    assert again.tree_size == SIZE + 300
    assert again.kept > 3
    assert full.stat().st_mtime_ns == before
    head = verify_checkpoint((tmp_path / "checkpoint").read_bytes(), keyring().log.vkey)
    reader = TileReader(lambda tile: (tmp_path / tile.path).read_bytes(), again.tree_size)
    assert reader.root_hash() == head.root_hash


def test_nothing_is_left_half_written(tmp_path: Path) -> None:
    export_log(tmp_path)
    assert not list(tmp_path.rglob("*.new"))


def verify(source: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "muniment", "verify", str(source)]
    return subprocess.run(
        [*command, "--vkey", keyring().log.vkey], capture_output=True, text=True, check=False
    )


def test_verifiers_that_share_no_code_accept_it(tmp_path: Path) -> None:
    export_log(tmp_path)
    assert naive_log.verify_log(tmp_path, keyring().log.vkey) == SIZE
    ours = verify(tmp_path)
    assert ours.returncode == 0, ours.stdout
    assert f"{SIZE}" in ours.stdout


def test_the_served_log_is_verified_over_http(live_url: str, settings: Settings) -> None:
    refused = verify(f"{live_url}/log/")
    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr
    settings.LOG_ENTRIES_ARE_PUBLIC = True
    accepted = verify(f"{live_url}/log/")
    assert accepted.returncode == 0, accepted.stdout
