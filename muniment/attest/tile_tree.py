"""A tree kept as tiles: its hashes and proofs, and how it grows.

Sources: https://c2sp.org/tlog-tiles; RFC 9162 section 2.1.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence

from muniment.attest.errors import TileError
from muniment.attest.merkle import (
    EMPTY_ROOT,
    HASH_BYTES,
    consistency_path,
    inclusion_path,
    node_hash,
    parents,
    root_hash,
    split_point,
)
from muniment.attest.tiles import TILE_WIDTH, Tile, split_hashes, tile_width


class TileCache:
    """Full tiles that were read before, the last used ones up to a number of them."""

    def __init__(self, most: int = 1024) -> None:
        self._most = most
        self._kept: OrderedDict[tuple[int, int], bytes] = OrderedDict()

    def get(self, level: int, index: int) -> bytes | None:
        """Return a full tile's content, or None."""
        content = self._kept.get((level, index))
        if content is not None:
            self._kept.move_to_end((level, index))
        return content

    def keep(self, level: int, index: int, content: bytes) -> None:
        """Remember a full tile; its content never changes."""
        self._kept[level, index] = content
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)


class TileReader:
    """The hashes of a tree of one size, read tile by tile as they are asked for.

    What is read is not verified here: a proof or root that is computed from it is, against a
    signed checkpoint.

    Args:
        read: gives a tile's content; a full one may be given for a partial one, of which it is
            the longer form. Raises TileError where there is none.
        tree_size: of the tree that is looked at.
        cache: of full tiles, shared between readers of one log.
    """

    def __init__(
        self, read: Callable[[Tile], bytes], tree_size: int, cache: TileCache | None = None
    ) -> None:
        if tree_size < 0:
            raise TileError(f"no tree has {tree_size} leaves", code="tile.tree_size")
        self._read = read
        self._tree_size = tree_size
        self._cache = cache if cache is not None else TileCache()
        self._levels: dict[tuple[int, int], list[list[bytes]]] = {}

    def root_hash(self) -> bytes:
        """Return the root of the tree."""
        if self._tree_size == 0:
            return EMPTY_ROOT
        return self.subtree_hash(0, self._tree_size)

    def leaf_hash(self, leaf_index: int) -> bytes:
        """Return the hash of one leaf."""
        return self.subtree_hash(leaf_index, leaf_index + 1)

    def inclusion_proof(self, leaf_index: int) -> list[bytes]:
        """Return the audit path of a leaf, as ``merkle.inclusion_proof``.

        Raises:
            ProofError: no such leaf in this tree.
            TileError: a tile that cannot be read.
        """
        return inclusion_path(leaf_index, self._tree_size, self.subtree_hash)

    def consistency_proof(self, old_size: int) -> list[bytes]:
        """Return the proof that an older tree is a prefix, as ``merkle.consistency_proof``.

        Raises:
            ProofError: the older tree is larger.
            TileError: a tile that cannot be read.
        """
        return consistency_path(old_size, self._tree_size, self.subtree_hash)

    def subtree_hash(self, start: int, end: int) -> bytes:
        """Return the hash over the leaves from ``start`` to before ``end``.

        ``start`` is a multiple of the largest power of two that is at least their number, as it
        is for every node of a tree.
        """
        size = end - start
        if size & (size - 1) == 0:
            return self._node(size.bit_length() - 1, start >> (size.bit_length() - 1))
        middle = start + split_point(size)
        return node_hash(self.subtree_hash(start, middle), self.subtree_hash(middle, end))

    def _node(self, height: int, place: int) -> bytes:
        """Return the root of a complete subtree of 2^height leaves."""
        level, step = divmod(height, 8)
        index, offset = divmod(place << step, TILE_WIDTH)
        return self._tile_levels(level, index)[step][offset >> step]

    def _tile_levels(self, level: int, index: int) -> list[list[bytes]]:
        """Return a tile's hashes, then what they hash to, level by level; odd ends left out."""
        known = self._levels.get((level, index))
        if known is not None:
            return known
        width = tile_width(level, index, self._tree_size)
        if width == 0:
            raise TileError(
                f"a tree of {self._tree_size} has no tile {level}/{index}", code="tile.missing"
            )
        tile = Tile(level, index, width)
        content = self._cache.get(level, index)
        if content is None:
            content = self._read(tile)
            if len(content) == TILE_WIDTH * HASH_BYTES:
                self._cache.keep(level, index, content)
        levels = [split_hashes(content[: width * HASH_BYTES], width, tile.path)]
        while len(levels[-1]) > 1:
            levels.append(parents(levels[-1][: len(levels[-1]) & ~1]))
        self._levels[level, index] = levels
        return levels


class Frontier:
    """The right edge of a growing tree: all that is needed to extend it and to know its root.

    Attributes:
        tree_size: number of leaves so far.
        edge: by level, the hashes of that level's last tile; fewer than 256, and none where the
            level ends with a full tile.
    """

    def __init__(self, tree_size: int = 0, edge: Sequence[Sequence[bytes]] = ()) -> None:
        self.tree_size = tree_size
        self.edge = [list(hashes) for hashes in edge]
        for level, hashes in enumerate(self.edge):
            if len(hashes) != (tree_size >> (8 * level)) % TILE_WIDTH:
                raise TileError(
                    f"the last tile of level {level} does not have the width that a tree of "
                    f"{tree_size} gives it",
                    code="tile.frontier",
                )
        if tree_size >> (8 * len(self.edge)):
            raise TileError("the right edge lacks its upper levels", code="tile.frontier")

    def append(self, leaf_hashes: Iterable[bytes]) -> Iterator[tuple[int, int, list[bytes]]]:
        """Add leaves; yield each tile that became full: level, index, its 256 hashes.

        The leaves are added as the iterator is advanced: exhaust it.
        """
        for leaf in leaf_hashes:
            self.tree_size += 1
            yield from self._add(0, leaf)

    def root_hash(self) -> bytes:
        """Return the root of the tree so far."""
        root: bytes | None = None
        for hashes in self.edge:
            if not hashes:
                continue
            # What is to the right of a level's last tile is smaller than its subtrees, and is the
            # odd node at their end.
            root = root_hash(hashes if root is None else [*hashes, root])
        return EMPTY_ROOT if root is None else root

    def _add(self, level: int, value: bytes) -> Iterator[tuple[int, int, list[bytes]]]:
        if level == len(self.edge):
            self.edge.append([])
        hashes = self.edge[level]
        hashes.append(value)
        if len(hashes) == TILE_WIDTH:
            yield level, (self.tree_size >> (8 * (level + 1))) - 1, hashes
            self.edge[level] = []
            yield from self._add(level + 1, root_hash(hashes))
