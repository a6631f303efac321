"""The log as files: tiles of hashes and bundles of entries, by name and by content.

Source: https://c2sp.org/tlog-tiles, tiles of height 8 (256 hashes).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Self

from muniment.attest.errors import TileError
from muniment.attest.merkle import HASH_BYTES

TILE_WIDTH: Final = 256
MAX_LEVEL: Final = 63
MAX_ENTRY_BYTES: Final = 65_535
# Of the largest bundle: 256 entries of 65,535 bytes, each with its length.
MAX_BUNDLE_BYTES: Final = TILE_WIDTH * (MAX_ENTRY_BYTES + 2)
_PATH = re.compile(
    r"tile/(?P<level>entries|0|[1-9][0-9]?)/(?P<index>(x[0-9]{3}/){0,6}[0-9]{3})"
    r"(\.p/(?P<width>[1-9][0-9]{0,2}))?"
)


@dataclass(frozen=True, slots=True)
class Tile:
    """The name of a tile or an entry bundle.

    Law: ``Tile.parse(tile.path) == tile``.

    Attributes:
        level: from 0 to 63; None for a bundle of entries.
        index: from 0.
        width: number of hashes or entries, 1 to 256; fewer than 256 in a partial one.
    """

    level: int | None
    index: int
    width: int = TILE_WIDTH

    def __post_init__(self) -> None:
        is_level = self.level is None or 0 <= self.level <= MAX_LEVEL
        if not (is_level and self.index >= 0 and 1 <= self.width <= TILE_WIDTH):
            raise TileError(
                f"no tile has level {self.level}, index {self.index} and width {self.width}",
                code="tile.path",
            )

    @property
    def path(self) -> str:
        """The path below the log's prefix."""
        groups = [f"{self.index % 1000:03}"]
        rest = self.index // 1000
        while rest:
            groups.append(f"x{rest % 1000:03}")
            rest //= 1000
        level = "entries" if self.level is None else str(self.level)
        partial = f".p/{self.width}" if self.width < TILE_WIDTH else ""
        return f"tile/{level}/{'/'.join(reversed(groups))}{partial}"

    @classmethod
    def parse(cls, path: str) -> Self:
        """Read a path.

        Raises:
            TileError: anything that ``path`` does not write.
        """
        match = _PATH.fullmatch(path)
        if match is None:
            raise TileError(f"{path[:80]!r} is not the path of a tile", code="tile.path")
        level = None if match["level"] == "entries" else int(match["level"])
        index = int(match["index"].replace("/", "").replace("x", ""))
        tile = cls(level, index, int(match["width"] or TILE_WIDTH))
        if tile.path != path:
            raise TileError(f"{path[:80]!r} is not the path of a tile", code="tile.path")
        return tile


def tile_width(level: int, index: int, tree_size: int) -> int:
    """Return how many hashes a tile has in a tree of that size; 0 where it has no such tile."""
    whole = tree_size >> (8 * level)
    return max(0, min(TILE_WIDTH, whole - index * TILE_WIDTH))


def tiles_of(tree_size: int) -> Iterator[Tile]:
    """Name every tile of a tree, by level, then by index; bundles of entries are not named."""
    level = 0
    while tree_size >> (8 * level):
        whole = tree_size >> (8 * level)
        for index in range((whole + TILE_WIDTH - 1) // TILE_WIDTH):
            yield Tile(level, index, tile_width(level, index, tree_size))
        level += 1


def bundles_of(tree_size: int) -> Iterator[Tile]:
    """Name every bundle of entries of a tree, in order."""
    for index in range((tree_size + TILE_WIDTH - 1) // TILE_WIDTH):
        yield Tile(None, index, tile_width(0, index, tree_size))


def split_hashes(content: bytes, width: int, name: str) -> list[bytes]:
    """Take a tile apart.

    Raises:
        TileError: not exactly ``width`` hashes of 32 bytes.
    """
    if len(content) != width * HASH_BYTES:
        raise TileError(
            f"{name} has {len(content)} bytes, a tile of width {width} has {width * HASH_BYTES}",
            code="tile.size",
        )
    return [content[place : place + HASH_BYTES] for place in range(0, len(content), HASH_BYTES)]


def join_entries(entries: Iterable[bytes]) -> bytes:
    """Put a bundle together: each entry behind its length, two bytes, big-endian.

    Raises:
        TileError: an entry of more than 65,535 bytes.
    """
    parts: list[bytes] = []
    for entry in entries:
        if len(entry) > MAX_ENTRY_BYTES:
            raise TileError(
                f"an entry has {len(entry)} bytes, at most {MAX_ENTRY_BYTES} fit",
                code="tile.entry_size",
            )
        parts += (len(entry).to_bytes(2), entry)
    return b"".join(parts)


def split_entries(content: bytes, width: int, name: str) -> list[bytes]:
    """Take a bundle apart.

    Raises:
        TileError: not exactly ``width`` entries, or bytes before or after the last one's end.
    """
    entries = []
    place, end = 0, len(content)
    length_of = struct.Struct(">H").unpack_from
    while place + 2 <= end:
        start = place + 2
        place = start + length_of(content, place)[0]
        entries.append(content[start:place])
    if place != end or len(entries) != width:
        raise TileError(
            f"{name} is not {width} whole entries, each behind its length", code="tile.bundle"
        )
    return entries
