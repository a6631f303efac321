"""A log written as files, as servers export it: what tests of whole logs damage."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from muniment.attest.checkpoint import Checkpoint, sign_checkpoint
from muniment.attest.merkle import leaf_hash, root_hash
from muniment.attest.note import NoteSigner
from muniment.attest.tile_tree import Frontier
from muniment.attest.tiles import TILE_WIDTH, Tile, bundles_of, join_entries


def write_log(
    folder: Path,
    entries: Sequence[bytes],
    signer: NoteSigner,
    *,
    earlier: Iterable[int] = (),
    witnesses: Sequence[NoteSigner] = (),
) -> Path:
    """Write a whole log with a checkpoint for each of ``earlier`` beside its own."""
    size = len(entries)
    for bundle in bundles_of(size):
        start = bundle.index * TILE_WIDTH
        write(folder, bundle.path, join_entries(entries[start : start + bundle.width]))
    frontier = Frontier()
    for level, index, hashes in frontier.append(leaf_hash(entry) for entry in entries):
        write(folder, Tile(level, index).path, b"".join(hashes))
    for level, hashes in enumerate(frontier.edge):
        if hashes:
            index = (size >> (8 * level)) // TILE_WIDTH
            write(folder, Tile(level, index, len(hashes)).path, b"".join(hashes))
    for number in {*earlier, size}:
        write(folder, f"checkpoints/{number}", checkpoint(entries, signer, number))
    write(folder, "checkpoint", checkpoint(entries, signer, size, witnesses))
    return folder


def checkpoint(
    entries: Sequence[bytes],
    signer: NoteSigner,
    size: int | None = None,
    witnesses: Sequence[NoteSigner] = (),
) -> bytes:
    """Sign the tree of the first ``size`` entries, or of all."""
    hashes = [leaf_hash(entry) for entry in entries[:size]]
    head = Checkpoint(signer.name, len(hashes), root_hash(hashes))
    return sign_checkpoint(head, signer, *witnesses)


def write(folder: Path, path: str, content: bytes) -> None:
    """Write one file of the log."""
    place = folder / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)


def files_of(folder: Path) -> list[str]:
    """Name every file of the log."""
    return sorted(str(place.relative_to(folder)) for place in folder.rglob("*") if place.is_file())
