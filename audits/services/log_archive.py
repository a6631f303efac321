"""The log as a folder: written for any web server to serve, and read back after a loss."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from audits.log_tree import entry_bundle, read_tile
from audits.models import LogCheckpoint, LogTimestamp
from audits.selectors import latest_checkpoint
from muniment.attest.merkle import HASH_BYTES
from muniment.attest.tiles import TILE_WIDTH, Tile, bundles_of, tiles_of


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export wrote; `kept` are files that an earlier export had written already."""

    tree_size: int
    written: int
    kept: int


def export_log(folder: Path) -> Exported:
    """Write the log into `folder` as C2SP tlog-tiles lays it out, with every checkpoint beside it.

    A later export into the same folder adds what is new: full tiles and bundles never change. The
    newest checkpoint is written last, so that whoever reads the folder meanwhile finds a whole log.

    Raises:
        OSError: the folder cannot be written.
        TileError: a tile is missing in the database.
    """
    folder.mkdir(parents=True, exist_ok=True)
    newest = latest_checkpoint()
    if newest is None:
        return Exported(0, 0, 0)
    written = kept = 0
    read = read_tile()
    for tile in _all_of(newest.tree_size):
        file = folder / tile.path
        if tile.width == TILE_WIDTH and file.exists():
            kept += 1
            continue
        is_bundle = tile.level is None
        _write(file, entry_bundle(tile) if is_bundle else read(tile)[: tile.width * HASH_BYTES])
        written += 1
    for name, content in _beside(newest.tree_size):
        if (folder / name).exists():
            kept += 1
            continue
        _write(folder / name, content)
        written += 1
    _write(folder / "checkpoint", bytes(newest.note))
    return Exported(newest.tree_size, written + 1, kept)


def _all_of(tree_size: int) -> Iterator[Tile]:
    yield from bundles_of(tree_size)
    yield from tiles_of(tree_size)


def _beside(tree_size: int) -> Iterator[tuple[str, bytes]]:
    signed = LogCheckpoint.objects.filter(tree_size__lte=tree_size).order_by("tree_size")
    for size, note in signed.values_list("tree_size", "note").iterator(chunk_size=1000):
        yield f"checkpoints/{size}", bytes(note)
    stamps = LogTimestamp.objects.filter(checkpoint_id__lte=tree_size).order_by("stamped_at")
    for stamp in stamps.iterator(chunk_size=1000):
        yield f"timestamps/{stamp.checkpoint_id}/{stamp.pk}.tst", bytes(stamp.token)


def _write(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}.new")
    with temporary.open("wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    temporary.replace(file)
