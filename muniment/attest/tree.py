"""Hashing the files of a folder, with every processor, and safe from whoever changes it meanwhile.

Every folder below the root and every file is opened by its parent's descriptor and without
following a link, and looked at after it is open: what is swapped for a symlink between the walk
and the reading is refused, as it would have been before.
"""

from __future__ import annotations

import hashlib
import os
import stat
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from muniment.attest.errors import DigestError

MAX_THREADS: Final = 16
# Large enough that the interpreter's lock is seldom asked for, small enough for a CPU's cache.
BUFFER_BYTES: Final = 512 * 1024
# Smaller files are read many at a time: handing each to a thread would cost more than its hash.
_BATCH_FILES: Final = 256
_BATCH_BYTES: Final = 4 * 1024 * 1024

_ESCAPED_BY_SHA256SUM: Final = {"\n": "a newline", "\r": "a carriage return", "\\": "a backslash"}
# Not blocking: opening a named pipe would wait for whoever writes into it.
_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class HashedFile:
    """The digests of one file's bytes, in lower-case hex; ``md5`` is empty where nobody asked."""

    sha256: str
    size_bytes: int
    md5: str = ""


def hash_tree(
    root: str | os.PathLike[str] | int, *, with_md5: bool = False
) -> dict[str, HashedFile]:
    """Hash every file below a folder; return relative POSIX name → its digests.

    Files are read by as many threads as this process has processors, the largest first, with
    half a megabyte of memory each. The root itself may be a symlink.

    Args:
        root: its path, or the descriptor of the open folder.

    Raises:
        DigestError: not a folder; a symlink, a special file or a name that ``require_name``
            refuses is in it; something cannot be read, or changed, appeared or vanished while it
            was read. The message names it.
    """
    with opened_root(root) as folder:
        walk = _walk(folder)
        hashed = _hash_all(folder, walk, with_md5=with_md5)
        for name, modified_at in walk.folders.items():
            with opened_folder(folder, name) as descriptor:
                if os.fstat(descriptor).st_mtime_ns != modified_at:
                    raise _changed(f"the folder {name or '.'!r}")
    return hashed


def list_tree(root: int) -> dict[str, int]:
    """Return the files below an open folder, relative POSIX name → bytes.

    Raises:
        DigestError: as `hash_tree`.
    """
    return _walk(root).sizes


def hash_open_file(descriptor: int, name: str, *, with_md5: bool = False) -> HashedFile:
    """Hash an open file from where it stands to its end.

    Args:
        name: of the file, for the message.

    Raises:
        DigestError: no regular file; it cannot be read, or it changed while it was.
    """
    return _hash_open(descriptor, name, memoryview(bytearray(BUFFER_BYTES)), with_md5)


@contextmanager
def opened_file(path: str | os.PathLike[str], *, beneath: int | None = None) -> Iterator[int]:
    """Open one regular file for reading without following a link; give its descriptor.

    Args:
        path: absolute or of the working folder; with `beneath` one name in that folder.
        beneath: the descriptor of a folder.

    Raises:
        DigestError: a symlink, a folder or a special file, or it cannot be opened.
    """
    try:
        descriptor = os.open(path, _FILE, dir_fd=beneath)
    except OSError as error:
        # A symlink and a socket cannot be opened so: say what it is rather than that it failed.
        _require_regular(_mode_of(path, beneath), path)
        raise _unreadable(path, error) from error
    try:
        _require_regular(os.fstat(descriptor).st_mode, path)
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def opened_beneath(root: int, name: str) -> Iterator[int]:
    """Open one regular file below an open folder, following a link nowhere on the way.

    Args:
        name: relative, POSIX.

    Raises:
        DigestError: a name that ``require_name`` refuses, or as `opened_file`, of any part of it.
    """
    require_name(name)
    folder, _, last = name.rpartition("/")
    with opened_folder(root, folder) as parent, opened_file(last, beneath=parent) as descriptor:
        yield descriptor


def require_name(name: str) -> None:
    """Refuse the name of a file that no walk gives, or that ``sha256sum`` misreads.

    Raises:
        DigestError: empty, absolute, with ``.`` or ``..`` parts or NUL; a newline, carriage
            return or backslash in it; a dash at its start.
    """
    for character, label in _ESCAPED_BY_SHA256SUM.items():
        if character in name:
            raise DigestError(f"{label} in the file name {name!r}", code="digest.name")
    if name.startswith("-"):
        # sha256sum would take it for an option, or a lone dash for its standard input.
        raise DigestError(f"a dash begins the file name {name!r}", code="digest.name")
    if "\0" in name or any(part in ("", ".", "..") for part in name.split("/")):
        raise DigestError(f"not a relative file name: {name!r}", code="digest.name")


@dataclass(slots=True)
class _Walk:
    """What lies below a root: its folders with their times, and its files by size."""

    folders: dict[str, int] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    large: list[tuple[int, str, str]] = field(default_factory=list)  # size, folder, name
    batches: list[tuple[str, list[str]]] = field(default_factory=list)

    def take(self, folder: str, small: Mapping[str, int]) -> None:
        batch: list[str] = []
        held = 0
        for name, size in small.items():
            batch.append(name)
            held += size
            if len(batch) == _BATCH_FILES or held >= _BATCH_BYTES:
                self.batches.append((folder, batch))
                batch, held = [], 0
        if batch:
            self.batches.append((folder, batch))

    def work(self) -> deque[tuple[str, list[str]]]:
        """Return folder and names in it, the largest files first, so that no thread ends late."""
        largest = sorted(self.large, key=lambda one: one[0], reverse=True)
        return deque([*((folder, [name]) for _, folder, name in largest), *self.batches])


def _walk(root: int) -> _Walk:
    walk = _Walk()
    pending = [""]
    while pending:
        folder = pending.pop()
        small: dict[str, int] = {}
        try:
            with opened_folder(root, folder) as descriptor, os.scandir(descriptor) as entries:
                walk.folders[folder] = os.fstat(descriptor).st_mtime_ns
                for entry in entries:
                    name = f"{folder}/{entry.name}" if folder else entry.name
                    found = entry.stat(follow_symlinks=False)
                    if stat.S_ISDIR(found.st_mode):
                        pending.append(name)
                        continue
                    _require_regular(found.st_mode, name)
                    require_name(name)
                    walk.sizes[name] = found.st_size
                    if found.st_size < _BATCH_BYTES:
                        small[entry.name] = found.st_size
                    else:
                        walk.large.append((found.st_size, folder, entry.name))
        except OSError as error:
            raise _unreadable(folder or ".", error) from error
        walk.take(folder, small)
    return walk


def _hash_all(root: int, walk: _Walk, *, with_md5: bool) -> dict[str, HashedFile]:
    work = walk.work()
    hashed: dict[str, HashedFile] = {}
    faults: list[BaseException] = []

    def hash_some() -> None:
        buffer = memoryview(bytearray(BUFFER_BYTES))
        try:
            while not faults:
                try:
                    folder, names = work.popleft()
                except IndexError:
                    return
                with opened_folder(root, folder) as parent:
                    for name in names:
                        with opened_file(name, beneath=parent) as descriptor:
                            whole = f"{folder}/{name}" if folder else name
                            hashed[whole] = _hash_open(descriptor, whole, buffer, with_md5)
        except BaseException as fault:  # noqa: BLE001 - raised again below, by whoever asked
            faults.append(fault)

    threads = [
        threading.Thread(target=hash_some, name="muniment-hash")
        for _ in range(min(_processors(), len(work)) - 1)
    ]
    for thread in threads:
        thread.start()
    hash_some()
    for thread in threads:
        thread.join()
    if faults:
        raise faults[0]
    return hashed


def _hash_open(descriptor: int, name: str, buffer: memoryview, with_md5: bool) -> HashedFile:
    sha256 = hashlib.sha256()
    md5 = hashlib.md5(usedforsecurity=False) if with_md5 else None
    total = 0
    try:
        before = os.fstat(descriptor)
        if before.st_size > BUFFER_BYTES and hasattr(os, "posix_fadvise"):  # not on macOS
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_SEQUENTIAL)
        while count := os.readv(descriptor, [buffer]):
            sha256.update(buffer[:count])
            if md5 is not None:
                md5.update(buffer[:count])
            total += count
        after = os.fstat(descriptor)
    except OSError as error:
        raise _unreadable(name, error) from error
    if (total, before.st_mtime_ns) != (before.st_size, after.st_mtime_ns):
        raise _changed(repr(name))
    return HashedFile(sha256.hexdigest(), total, md5.hexdigest() if md5 is not None else "")


@contextmanager
def opened_root(root: str | os.PathLike[str] | int) -> Iterator[int]:
    """Open a folder, which may be a symlink to one; a descriptor stays whoever's it is.

    Raises:
        DigestError: not a folder, or it cannot be opened.
    """
    if isinstance(root, int):
        yield root
        return
    try:
        descriptor = os.open(root, _FOLDER)
    except NotADirectoryError as error:
        raise DigestError(
            f"not a folder: {os.fspath(root)!r}", code="digest.not_a_folder"
        ) from error
    except OSError as error:
        raise _unreadable(root, error) from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def opened_folder(root: int, name: str) -> Iterator[int]:
    """Open a folder below an open one, following no link; the root itself without a name.

    Raises:
        DigestError: a symlink is on the way, or it cannot be opened.
    """
    descriptor = root
    try:
        for part in name.split("/") if name else ():
            try:
                inner = os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=descriptor)
            except OSError as error:
                mode = _mode_of(part, descriptor)
                if mode is not None and stat.S_ISLNK(mode):
                    _require_regular(mode, name)
                raise _unreadable(name, error) from error
            if descriptor != root:
                os.close(descriptor)
            descriptor = inner
        yield descriptor
    finally:
        if descriptor != root:
            os.close(descriptor)


def _mode_of(path: str | os.PathLike[str], beneath: int | None) -> int | None:
    try:
        return os.stat(path, dir_fd=beneath, follow_symlinks=False).st_mode
    except OSError:
        return None


def _require_regular(mode: int | None, name: str | os.PathLike[str]) -> None:
    if mode is None or stat.S_ISREG(mode):
        return
    if stat.S_ISLNK(mode):
        kind = "symlink refused"
    elif stat.S_ISDIR(mode):
        kind = "a folder, not a file"
    else:
        kind = "special file refused"
    raise DigestError(f"{kind}: {os.fspath(name)!r}", code="digest.not_a_file")


def _processors() -> int:
    try:
        count = len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS
        count = os.cpu_count() or 1
    return min(count, MAX_THREADS)


def _unreadable(name: str | os.PathLike[str], error: OSError) -> DigestError:
    return DigestError(
        f"cannot read {os.fspath(name)!r}: {error.strerror}", code="digest.unreadable"
    )


def _changed(what: str) -> DigestError:
    return DigestError(f"{what} changed while it was read", code="digest.changed")
