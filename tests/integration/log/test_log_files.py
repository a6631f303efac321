"""The log served as files: what C2SP tlog-tiles asks of a server, and who may read what."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django.fixtures import Settings

from audits.models import LogEntry, LogLeaf
from audits.services.sequencer import sequence_pending
from audits.services.signing import keyring
from muniment.attest.checkpoint import verify_checkpoint
from muniment.attest.merkle import leaf_hash
from muniment.attest.proof import TlogProof
from muniment.attest.tile_tree import TileReader
from muniment.attest.tiles import Tile, bundles_of, split_entries, tiles_of
from tests.integration.log.writing import NOW, append_many, write_log

SIZE = 600


@pytest.fixture(autouse=True)
def log(empty_log: None) -> None:
    write_log(SIZE)


@pytest.fixture
def stranger() -> Client:
    return Client()


@pytest.fixture
def reader() -> Client:
    person = get_user_model()(username="reader", printed_name="Rita Reader", joined_at=NOW)
    person.save()
    client = Client()
    client.force_login(person, "django.contrib.auth.backends.ModelBackend")
    return client


def get(client: Client, tile: Tile) -> bytes:
    answer = client.get(f"/log/{tile.path}")
    assert answer.status_code == 200, (tile.path, answer.content)
    assert answer["Content-Type"] == "application/octet-stream"
    return bytes(answer.content)


def test_a_stranger_verifies_the_tree_with_what_is_served(stranger: Client) -> None:
    note = stranger.get("/log/checkpoint").content
    checkpoint = verify_checkpoint(note, keyring().log.vkey)
    assert checkpoint.tree_size == SIZE
    reader = TileReader(lambda tile: get(stranger, tile), SIZE)
    assert reader.root_hash() == checkpoint.root_hash
    for tile in tiles_of(SIZE):
        assert len(get(stranger, tile)) == tile.width * 32


def test_bundles_hold_the_exact_bytes_of_every_entry(reader: Client) -> None:
    entries = [
        entry
        for tile in bundles_of(SIZE)
        for entry in split_entries(get(reader, tile), tile.width, tile.path)
    ]
    rows = LogEntry.objects.order_by("leaf__leaf_index").values_list("envelope", flat=True)
    assert entries == [bytes(row) for row in rows]


def test_full_tiles_are_cacheable_for_ever_and_partial_ones_for_a_while(
    stranger: Client, reader: Client
) -> None:
    def cache(client: Client, path: str) -> str:
        return str(client.get(f"/log/{path}")["Cache-Control"])

    assert cache(stranger, "tile/0/000") == "public, max-age=31536000, immutable"
    assert cache(stranger, f"tile/0/002.p/{SIZE - 512}") == "public, max-age=60"
    # What only some may read is for no shared cache.
    assert cache(reader, "tile/entries/000") == "private, max-age=31536000, immutable"
    assert cache(stranger, "checkpoint") == "no-store"


def test_older_partial_tiles_stay_available(stranger: Client) -> None:
    whole = get(stranger, Tile(0, 1))
    for width in (1, 17, 255):
        assert get(stranger, Tile(0, 1, width)) == whole[: width * 32]


def test_a_tile_beyond_the_checkpoint_is_not_there(reader: Client) -> None:
    for path in (
        "tile/0/002",  # not full yet
        f"tile/0/002.p/{SIZE - 512 + 1}",
        "tile/0/003.p/1",
        "tile/1/000.p/3",
        "tile/2/000.p/1",
        "tile/63/000",
        "tile/0/x999/x999/x999/x999/999",
        "tile/entries/003.p/1",
    ):
        answer = reader.get(f"/log/{path}")
        assert answer.status_code == 404, path
        assert answer["Content-Type"].startswith("application/problem+json")


def test_a_path_that_names_no_tile_is_refused(reader: Client) -> None:
    for path in (
        "tile/0/0",
        "tile/00/000",
        "tile/64/000",
        "tile/0/1000",
        "tile/0/x000/001",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/../0/000",
        "tile/entries/000.p/-1",
        "tile/0/\u0660\u0660\u0661",
        "tile/0/000%00",
        "tile/",
    ):
        assert reader.get(f"/log/{path}").status_code in (400, 404), path


def test_leaves_that_no_checkpoint_covers_are_not_handed_out(stranger: Client) -> None:
    """The sequencer commits leaves and tiles a moment before it signs over them."""
    append_many(range(40))
    file = Path(settings.PUBLISHED_CHECKPOINT_FILE)
    blocker = file.with_name(f"{file.name}.new")
    blocker.mkdir()
    try:
        with pytest.raises(IsADirectoryError):
            sequence_pending(now=NOW)
    finally:
        blocker.rmdir()
    assert LogLeaf.objects.count() == SIZE + 40
    assert stranger.get(f"/log/tile/0/002.p/{SIZE - 512}").status_code == 200
    assert stranger.get(f"/log/tile/0/002.p/{SIZE - 512 + 1}").status_code == 404
    sequence_pending(now=NOW)
    assert stranger.get(f"/log/tile/0/002.p/{SIZE - 512 + 40}").status_code == 200


def test_entries_are_for_whom_the_setting_says(
    stranger: Client, reader: Client, settings: Settings
) -> None:
    refused = stranger.get("/log/tile/entries/000")
    assert refused.status_code == 401
    assert b"envelope" not in refused.content
    assert reader.get("/log/tile/entries/000").status_code == 200
    assert stranger.get("/log/tile/0/000").status_code == 200
    settings.LOG_ENTRIES_ARE_PUBLIC = True
    shown = stranger.get("/log/tile/entries/000")
    assert shown.status_code == 200
    assert shown["Cache-Control"].startswith("public")


def test_bundles_are_compressed_for_whom_asks(reader: Client) -> None:
    plain = reader.get("/log/tile/entries/000")
    packed = reader.get("/log/tile/entries/000", headers={"Accept-Encoding": "gzip"})
    assert packed["Content-Encoding"] == "gzip"
    assert len(packed.content) < len(plain.content) / 2


def test_a_proof_is_served_for_every_leaf(stranger: Client) -> None:
    for leaf_index in (0, 255, 256, 511, 512, SIZE - 1):
        answer = stranger.get(f"/log/proof/{leaf_index}")
        assert answer.status_code == 200
        proof = TlogProof.parse(answer.content)
        entry = LogEntry.objects.get(leaf__leaf_index=leaf_index)
        assert proof.leaf_index == leaf_index
        assert proof.verify(bytes(entry.envelope), keyring().log.vkey).tree_size == SIZE
        assert leaf_hash(bytes(entry.envelope)) == bytes(entry.leaf.leaf_hash)


def test_there_is_no_proof_beyond_the_checkpoint(stranger: Client) -> None:
    assert stranger.get(f"/log/proof/{SIZE}").status_code == 404
    assert stranger.get("/log/proof/99999999999999999999999").status_code == 404
    assert stranger.get("/log/proof/-1").status_code == 404


def test_a_proof_costs_single_rows_only(stranger: Client) -> None:
    with CaptureQueriesContext(connection) as captured:
        stranger.get("/log/proof/3")
    # The checkpoint, and the tiles of this tree: two of level 0, one of level 1.
    assert len(captured) <= 4
