"""Where a log's files are read from: what every source does, and a folder.

Source: https://c2sp.org/tlog-tiles. What is read is trusted for nothing.
"""

from __future__ import annotations

import os
import re
import stat
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import IO, Final

from muniment.attest.errors import TileError
from muniment.attest.limits import MAX_NOTE_BYTES
from muniment.attest.merkle import HASH_BYTES
from muniment.attest.tile_tree import TileCache, TileReader
from muniment.attest.tiles import (
    MAX_BUNDLE_BYTES,
    TILE_WIDTH,
    Tile,
    join_entries,
    split_entries,
    tile_width,
)

CHECKPOINT_PATH: Final = "checkpoint"
MAX_LISTED: Final = 10_000_000
MISSING: Final = "tile.missing"
_PATH = re.compile(r"(?!\.)[A-Za-z0-9._-]+(/(?!\.)[A-Za-z0-9._-]+)*")


class LogSource(ABC):
    """The files of one log, by their path below its prefix.

    Attributes:
        name: as it was given, for people.
    """

    name: str

    def __init__(self, name: str) -> None:
        self.name = name
        self._cache = TileCache()

    @abstractmethod
    def read(self, path: str, max_bytes: int) -> bytes:
        """Return a file's content.

        Raises:
            TileError: no such file (code ``tile.missing``), one that cannot be read, or one of
                more than ``max_bytes``; the message starts with the path.
        """

    def checkpoint(self) -> bytes:
        """Return the newest signed checkpoint, not verified.

        Raises:
            TileError: as ``read``.
        """
        return self.read(CHECKPOINT_PATH, MAX_NOTE_BYTES)

    def tile(self, tile: Tile) -> bytes:
        """Return a tile's or bundle's content: exactly ``tile.width`` hashes or entries.

        Where a partial one is gone, the beginning of the full one that took its place is given.

        Raises:
            TileError: as ``read``, or a content of another size.
        """
        try:
            return self._sized(tile)
        except TileError as error:
            if error.code != MISSING or tile.width == TILE_WIDTH:
                raise
        full = Tile(tile.level, tile.index)
        try:
            content = self._sized(full)
        except TileError as error:
            if error.code != MISSING:
                raise
            raise TileError(
                f"{tile.path}: there is no such file, nor the full {full.path}", code=MISSING
            ) from error
        if tile.level is not None:
            return content[: tile.width * HASH_BYTES]
        return join_entries(split_entries(content, TILE_WIDTH, full.path)[: tile.width])

    def reader(self, tree_size: int, log_size: int) -> TileReader:
        """Return the hashes of the tree of the first ``tree_size`` leaves.

        Full tiles that were read once are kept for every reader of this source.

        Args:
            log_size: of the log's checkpoint, not less than ``tree_size``: its right edge is what
                the log still has tiles of.
        """

        def read(tile: Tile) -> bytes:
            level, index = tile.level or 0, tile.index
            return self.tile(Tile(level, index, tile_width(level, index, log_size)))

        return TileReader(read, tree_size, self._cache)

    def _sized(self, tile: Tile) -> bytes:
        if tile.level is None:
            return self.read(tile.path, MAX_BUNDLE_BYTES)
        size = tile.width * HASH_BYTES
        content = self.read(tile.path, size)
        if len(content) != size:
            raise TileError(
                f"{tile.path}: {len(content)} bytes, a tile of width {tile.width} has {size}",
                code="tile.size",
            )
        return content


class FolderSource(LogSource):
    """A log as a folder of files.

    Nothing outside the folder is read: not by a path, and not through a symbolic link.
    """

    def __init__(self, path: str | Path) -> None:
        """Open a folder.

        Raises:
            TileError: it is none.
        """
        super().__init__(str(path))
        try:
            self._root = Path(path).resolve(strict=True)
        except (OSError, RuntimeError, ValueError) as error:
            raise TileError(f"{path}: not a folder that can be read", code=MISSING) from error
        if not self._root.is_dir():
            raise TileError(f"{path}: not a folder", code=MISSING)
        self._folders: dict[str, Path] = {}

    def read(self, path: str, max_bytes: int) -> bytes:
        """Return a file's content, as ``LogSource.read``."""
        require_path(path)
        folder, _, name = path.rpartition("/")
        try:
            place = f"{self._folder(folder, path)}/{name}"
            if Path(place).is_symlink():
                place = str(self._place_of(path, path))
            # A pipe must not hold us up, and a link put here this moment is not followed.
            descriptor = os.open(place, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
            with open(descriptor, "rb", buffering=0) as stream:  # noqa: PTH123 - a descriptor
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise TileError(f"{path}: not a regular file", code="tile.unreadable")
                content = _read_all(stream, max_bytes)
        except OSError as error:
            raise _unreadable(path, error) from error
        if len(content) > max_bytes:
            raise too_large(path, max_bytes)
        return content

    def names(self, path: str) -> list[str]:
        """Return the names in a folder of the log, sorted; none where there is no such folder.

        Hidden files, which writers use for what is not finished, are left out.

        Raises:
            TileError: it cannot be read, or holds more than 10 million names.
        """
        require_path(path)
        try:
            place = self._place_of(path, path)
        except TileError as error:
            if error.code == MISSING:
                return []
            raise
        found: list[str] = []
        try:
            with os.scandir(place) as entries:
                for entry in entries:
                    if not entry.name.startswith("."):
                        found.append(entry.name)
                    if len(found) > MAX_LISTED:
                        raise TileError(
                            f"{path}: more than {MAX_LISTED} names", code="tile.too_large"
                        )
        except NotADirectoryError as error:
            raise TileError(f"{path}: not a folder", code="tile.unreadable") from error
        except OSError as error:
            raise _unreadable(path, error) from error
        return sorted(found)

    def _folder(self, path: str, shown: str) -> Path:
        # Resolving a path costs as much as hashing what lies there, and folders are few.
        found = self._folders.get(path)
        if found is None:
            found = self._folders[path] = self._place_of(path, shown) if path else self._root
        return found

    def _place_of(self, path: str, shown: str) -> Path:
        try:
            place = (self._root / path).resolve(strict=True)
        except (OSError, RuntimeError) as error:
            raise _unreadable(shown, error) from error
        if not place.is_relative_to(self._root):
            raise TileError(f"{shown}: a link that leads out of the folder", code="tile.path")
        return place


def require_path(path: str) -> None:
    """Accept only what may be the path of a log's file: no way up, nothing hidden.

    Raises:
        TileError: anything else.
    """
    # No name of the format is hidden, and none has another character.
    if _PATH.fullmatch(path) is None:
        raise TileError(f"{path[:200]!r} is not the path of a log's file", code="tile.path")


def _read_all(stream: IO[bytes], max_bytes: int) -> bytes:
    parts: list[bytes] = []
    left = max_bytes + 1
    read: Callable[[int], bytes] = stream.read
    while left > 0 and (chunk := read(min(left, 1 << 20))):
        parts.append(chunk)
        left -= len(chunk)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _unreadable(path: str, error: Exception) -> TileError:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return TileError(f"{path}: there is no such file", code=MISSING)
    reason = getattr(error, "strerror", None) or "a loop of links"
    return TileError(f"{path}: cannot be read: {reason}", code="tile.unreadable")


def too_large(path: str, max_bytes: int) -> TileError:
    """Return the refusal of a file that is larger than it may be."""
    return TileError(f"{path}: more than {max_bytes} bytes", code="tile.too_large")
