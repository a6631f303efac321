"""Hashing the files of a folder by every processor, safe from whoever changes it meanwhile."""

from __future__ import annotations

import hashlib
import os
import stat
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from muniment.attest.errors import DigestError
from muniment.attest.files import (
    opened_file,
    opened_folder,
    opened_root,
    require_name,
    require_regular,
    unreadable,
)

MAX_THREADS: Final = 16
# Large enough that the interpreter's lock is seldom asked for, small enough for a CPU's cache.
BUFFER_BYTES: Final = 512 * 1024
# Smaller files are read many at a time: handing each to a thread would cost more than its hash.
_BATCH_FILES: Final = 256
_BATCH_BYTES: Final = 4 * 1024 * 1024


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
                    require_regular(found.st_mode, name)
                    require_name(name)
                    walk.sizes[name] = found.st_size
                    if found.st_size < _BATCH_BYTES:
                        small[entry.name] = found.st_size
                    else:
                        walk.large.append((found.st_size, folder, entry.name))
        except OSError as error:
            raise unreadable(folder or ".", error) from error
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
        raise unreadable(name, error) from error
    if (total, before.st_mtime_ns) != (before.st_size, after.st_mtime_ns):
        raise _changed(repr(name))
    return HashedFile(sha256.hexdigest(), total, md5.hexdigest() if md5 is not None else "")


def _processors() -> int:
    try:
        count = len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS
        count = os.cpu_count() or 1
    return min(count, MAX_THREADS)


def _changed(what: str) -> DigestError:
    return DigestError(f"{what} changed while it was read", code="digest.changed")
