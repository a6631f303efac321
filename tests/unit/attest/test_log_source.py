"""A log's files read from a folder, and nothing else read from anywhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from muniment.attest.errors import TileError
from muniment.attest.log_source import FolderSource
from muniment.attest.tiles import MAX_BUNDLE_BYTES, Tile, join_entries
from tests.unit.attest.test_note import LOG
from tests.unit.verify.log_folder import write, write_log

ENTRIES = [b"entry %d" % number for number in range(600)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_log(tmp_path / "log", ENTRIES, LOG, earlier=[3])


def code_of(source: FolderSource, path: str, max_bytes: int = 100) -> str:
    with pytest.raises(TileError) as caught:
        source.read(path, max_bytes)
    assert path in caught.value.message
    return caught.value.code


def test_a_file_is_read_up_to_its_limit(folder: Path) -> None:
    source = FolderSource(folder)
    content = (folder / "tile/0/000").read_bytes()
    assert source.read("tile/0/000", len(content)) == content
    assert code_of(source, "tile/0/000", len(content) - 1) == "tile.too_large"
    assert source.checkpoint() == (folder / "checkpoint").read_bytes()


@pytest.mark.parametrize("path", ["absent", "tile/9/000", "checkpoint/x", "tile/0/000/x"])
def test_what_is_not_there_is_missing(folder: Path, path: str) -> None:
    assert code_of(FolderSource(folder), path) == "tile.missing"


@pytest.mark.parametrize(
    "path",
    ["", "/etc/hostname", "../outside", "tile/../../outside", "./checkpoint", "tile//0/000",
     "tile/0/000/", "..", ".hidden", "tile/.hidden", "a\\b", "a\0b", "a b", "é", "checkpoint\n"],
)  # fmt: skip
def test_no_path_leads_out_or_to_what_is_hidden(folder: Path, path: str) -> None:
    (folder.parent / "outside").write_bytes(b"secret")
    (folder / ".hidden").write_bytes(b"secret")
    with pytest.raises(TileError) as caught:
        FolderSource(folder).read(path, 100)
    assert caught.value.code == "tile.path"


@pytest.mark.parametrize("way", ["file", "absolute", "folder", "loop", "dangling"])
def test_no_link_leads_out(folder: Path, way: str) -> None:
    outside = folder.parent / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    targets = {
        "file": "../outside/secret",
        "absolute": str(outside / "secret"),
        "folder": "../outside",
        "loop": "link",
        "dangling": "nowhere",
    }
    (folder / "link").symlink_to(targets[way])
    path = "link/secret" if way == "folder" else "link"
    code = code_of(FolderSource(folder), path)
    assert code == {"loop": "tile.unreadable", "dangling": "tile.missing"}.get(way, "tile.path")
    if way == "folder":
        with pytest.raises(TileError):
            FolderSource(folder).names("link")


def test_a_link_inside_is_followed_and_the_folder_may_be_one(folder: Path) -> None:
    (folder / "again").symlink_to("checkpoint")
    (folder.parent / "alias").symlink_to(folder)
    source = FolderSource(folder.parent / "alias")
    assert source.read("again", 1000) == source.checkpoint()


def test_what_is_no_regular_file_is_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    source = FolderSource(folder)
    assert code_of(source, "pipe") == "tile.unreadable"
    assert code_of(source, "tile") == "tile.unreadable"


@pytest.mark.parametrize("name", ["absent", "file", "loop"])
def test_a_place_that_is_no_folder_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(TileError):
        FolderSource(tmp_path / name)


def test_names_are_sorted_without_what_is_hidden(folder: Path) -> None:
    write(folder, "checkpoints/.7.new", b"half")
    source = FolderSource(folder)
    assert source.names("checkpoints") == ["3", "600"]
    assert source.names("timestamps") == []
    with pytest.raises(TileError, match="checkpoint: not a folder"):
        source.names("checkpoint")


@pytest.mark.parametrize("level", [0, None])
def test_where_a_partial_tile_is_gone_the_begin_of_the_full_one_is_given(
    folder: Path, level: int | None
) -> None:
    source = FolderSource(folder)
    full = source.tile(Tile(level, 0))
    partial = source.tile(Tile(level, 0, 40))
    assert partial == (full[: 40 * 32] if level == 0 else join_entries(ENTRIES[:40]))
    write(folder, Tile(level, 0, 40).path, partial)
    (folder / Tile(level, 0).path).unlink()
    assert source.tile(Tile(level, 0, 40)) == partial
    with pytest.raises(TileError) as caught:
        source.tile(Tile(level, 0, 41))
    assert caught.value.code == "tile.missing"
    assert Tile(level, 0, 41).path in caught.value.message


def test_a_damaged_partial_tile_is_not_replaced_by_the_full_one(folder: Path) -> None:
    write(folder, Tile(0, 0, 40).path, b"short")
    with pytest.raises(TileError) as caught:
        FolderSource(folder).tile(Tile(0, 0, 40))
    assert caught.value.code == "tile.size"


def test_a_bundle_larger_than_any_is_refused(folder: Path) -> None:
    with (folder / "tile/entries/000").open("r+b") as stream:
        stream.truncate(MAX_BUNDLE_BYTES + 1)
    with pytest.raises(TileError) as caught:
        FolderSource(folder).tile(Tile(None, 0))
    assert caught.value.code == "tile.too_large"


def test_full_tiles_are_read_once(folder: Path) -> None:
    source = FolderSource(folder)
    proof = source.reader(600, 600).inclusion_proof(5)
    (folder / "tile/0/000").unlink()
    assert source.reader(600, 600).inclusion_proof(5) == proof
    # The right edge grows, and is read again.
    (folder / "tile/1/000.p/2").unlink()
    with pytest.raises(TileError, match=r"tile/1/000\.p/2"):
        source.reader(600, 600).inclusion_proof(5)


def test_a_smaller_tree_is_read_from_the_tiles_of_the_larger(folder: Path) -> None:
    source = FolderSource(folder)
    for size in (1, 255, 256, 257, 513, 599):
        expected = write_log(folder.parent / str(size), ENTRIES[:size], LOG)
        smaller = FolderSource(expected).reader(size, size).root_hash()
        assert source.reader(size, 600).root_hash() == smaller
