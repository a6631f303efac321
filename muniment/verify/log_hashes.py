"""A whole log against its root: every entry, every tile, in one pass and bounded memory.

Sources: https://c2sp.org/tlog-tiles; RFC 9162 section 2.1.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from muniment.attest.checkpoint import Checkpoint
from muniment.attest.errors import TileError
from muniment.attest.log_source import LogSource
from muniment.attest.merkle import EMPTY_ROOT, HASH_BYTES, root_hash
from muniment.attest.tile_tree import Frontier
from muniment.attest.tiles import TILE_WIDTH, Tile, bundles_of, split_entries, tile_width
from muniment.verify.errors import LogError

TakeEntries = Callable[[int, Sequence[bytes]], None]
TakeProgress = Callable[[int, int], None]


@dataclass(slots=True)
class HashedLog:
    """What was read and hashed, all of it under the checkpoint's root.

    Attributes:
        tiles: tiles of hashes that were compared.
        entry_bytes: of all entries.
        roots: of the smaller trees that were asked for, by size.
    """

    tree_size: int = 0
    bundles: int = 0
    tiles: int = 0
    entry_bytes: int = 0
    roots: dict[int, bytes] = field(default_factory=dict)


def check_hashes(
    source: LogSource,
    checkpoint: Checkpoint,
    *,
    sizes: Iterable[int] = (),
    on_entries: TakeEntries | None = None,
    on_progress: TakeProgress | None = None,
) -> HashedLog:
    """Accept a log only if its entries hash to its tiles, level by level, up to the root.

    Every bundle and tile of the tree is read once. The memory that it takes does not grow with
    the number of entries.

    Args:
        checkpoint: verified by the caller.
        sizes: of smaller trees whose roots are wanted, each from 0 to the tree's size.
        on_entries: is given the index of the first and the entries of each bundle, once they
            agree with their tile. What they are worth is known only when this returns.
        on_progress: is given how many entries of how many were read.

    Raises:
        TileError: a file that is missing, cannot be read or has another size; it is named.
        LogError: a bundle, a tile or the root does not agree with the rest; the message names
            the file, and the entry or hash in it.
    """
    pass_ = _Pass(source, checkpoint, deque(sorted(set(sizes))))
    for bundle in bundles_of(checkpoint.tree_size):
        entries = pass_.take(bundle)
        if on_entries is not None:
            on_entries(bundle.index * TILE_WIDTH, entries)
        if on_progress is not None:
            on_progress(pass_.hashed.tree_size, checkpoint.tree_size)
    pass_.finish()
    return pass_.hashed


class _Pass:
    """One walk along the entries; ``upper`` is the tree over the roots of the level-0 tiles."""

    def __init__(self, source: LogSource, checkpoint: Checkpoint, wanted: deque[int]) -> None:
        self.hashed = HashedLog()
        self._source = source
        self._checkpoint = checkpoint
        self._wanted = wanted
        self._upper = Frontier()
        self._partial: list[bytes] = []
        self._answer([])

    def take(self, bundle: Tile) -> list[bytes]:
        """Read a bundle and its tile, and return the entries if they agree."""
        content = self._source.tile(bundle)
        entries = split_entries(content, bundle.width, bundle.path)
        sha256 = hashlib.sha256
        hashes = [sha256(b"\x00" + entry).digest() for entry in entries]
        self._compare(Tile(0, bundle.index, bundle.width), hashes)
        self._answer(hashes)
        hashed = self.hashed
        hashed.tree_size += bundle.width
        hashed.bundles += 1
        hashed.entry_bytes += len(content) - 2 * bundle.width
        if bundle.width < TILE_WIDTH:
            self._partial = hashes
            return entries
        for level, index, full in self._upper.append([root_hash(hashes)]):
            self._compare(Tile(level + 1, index), full)
        self._answer([])
        return entries

    def finish(self) -> None:
        """Compare what is left at the right edge, and the root."""
        for level, hashes in enumerate(self._upper.edge, 1):
            if hashes:
                index = (self.hashed.tree_size >> (8 * level)) // TILE_WIDTH
                self._compare(Tile(level, index, len(hashes)), hashes)
        root = self._root(self.hashed.tree_size, self._partial)
        if root != self._checkpoint.root_hash:
            raise LogError(
                "checkpoint: the entries and the tiles agree with each other, but the root hash "
                "that is signed is another one",
                code="log.root",
            )

    def _root(self, tree_size: int, last: Sequence[bytes]) -> bytes:
        if tree_size == 0:
            return EMPTY_ROOT
        return Frontier(tree_size, [last, *self._upper.edge]).root_hash()

    def _answer(self, hashes: Sequence[bytes]) -> None:
        """Give the roots that are wanted of trees that end among these leaves."""
        start = self.hashed.tree_size
        while self._wanted and self._wanted[0] - start <= len(hashes):
            offset = self._wanted[0] - start
            if offset == TILE_WIDTH:
                return  # once the tile's own root stands in the tree above
            size = self._wanted.popleft()
            self.hashed.roots[size] = self._root(size, hashes[:offset])

    def _compare(self, tile: Tile, computed: Sequence[bytes]) -> None:
        content = self._source.tile(tile)
        self.hashed.tiles += 1
        if content == b"".join(computed):
            return
        place = next(
            place
            for place, value in enumerate(computed)
            if content[place * HASH_BYTES : (place + 1) * HASH_BYTES] != value
        )
        number = tile.index * TILE_WIDTH + place
        if tile.level:
            below = Tile(tile.level - 1, number)
            raise LogError(
                f"{tile.path}: hash {place} is not the root of {below.path}, which agrees with "
                "the entries",
                code="log.tile",
            )
        bundle = Tile(None, tile.index, tile.width)
        if self._is_tree_of(tile, content):
            raise LogError(
                f"{bundle.path}: entry {number} is not the one in the tree: {tile.path} and the "
                "tree above it have another hash",
                code="log.entry",
            )
        if self._is_tree_of(tile, b"".join(computed)):
            raise LogError(
                f"{tile.path}: hash {place} is not that of entry {number}, which the tree above "
                f"has as it stands in {bundle.path}",
                code="log.tile",
            )
        raise LogError(f"{tile.path} and {bundle.path} differ at entry {number}", code="log.entry")

    def _is_tree_of(self, tile: Tile, content: bytes) -> bool:
        """Say whether this content of a level-0 tile is what the tree above it rests on."""
        hashes = [
            content[place : place + HASH_BYTES] for place in range(0, len(content), HASH_BYTES)
        ]
        tree_size = self._checkpoint.tree_size
        try:
            if tile.width < TILE_WIDTH:
                return self._root(tree_size, hashes) == self._checkpoint.root_hash
            above = Tile(
                1, tile.index // TILE_WIDTH, tile_width(1, tile.index // TILE_WIDTH, tree_size)
            )
            place = tile.index % TILE_WIDTH * HASH_BYTES
            known = self._source.tile(above)[place : place + HASH_BYTES]
        except TileError:
            return False
        return known == root_hash(hashes)
