"""Bytes at one address: a file, or a folder of them, read as a stream and hashed on the way."""

from __future__ import annotations

import errno
import hashlib
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

from muniment.attest.errors import DigestError
from muniment.attest.files import (
    opened_beneath,
    opened_file,
    opened_folder,
    opened_root,
    require_name,
)
from muniment.attest.tree import HashedFile, list_tree
from muniment.datasets.errors import (
    DatasetChanged,
    DatasetError,
    DatasetMissing,
    DatasetRefused,
)

CHUNK_BYTES: Final = 1024 * 1024
MAX_FILES: Final = 500_000
_AT_ONCE: Final = 8


class Budget:
    """How many bytes of one data set may still be read, by all threads together."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = self._left = max_bytes
        self._lock = threading.Lock()

    def spend(self, count: int) -> None:
        """Take some.

        Raises:
            DatasetRefused: there are not so many left.
        """
        with self._lock:
            self._left -= count
            if self._left < 0:
                raise DatasetRefused(
                    f"the data set has more than the {self._max_bytes:,} bytes that are allowed",
                    code="dataset.too_large",
                )


class Source(ABC):
    """What lies at one address. Close it, or use it as a context.

    Attributes:
        address: for messages, without credentials.
    """

    address: str

    @abstractmethod
    def listing(self) -> Mapping[str, int] | None:
        """Return the files of a folder, relative POSIX name → bytes; None for a single file.

        Raises:
            DatasetMissing: there is nothing.
            DatasetError: it cannot be listed.
        """

    @abstractmethod
    def stream(self, name: str) -> AbstractContextManager[Iterator[bytes]]:
        """Open one file: of a folder by its name, the single file by the empty one."""

    @abstractmethod
    def close(self) -> None:
        """Let go of what is held open."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def read(self, name: str, max_bytes: int) -> bytes:
        """Return the whole content of one small file.

        Raises:
            DatasetRefused: it has more bytes than that.
            DatasetError: as `stream`.
        """
        content = bytearray()
        with self.stream(name) as chunks:
            for chunk in chunks:
                content += chunk
                if len(content) > max_bytes:
                    raise DatasetRefused(
                        f"{name or self.address} has more than {max_bytes:,} bytes",
                        code="dataset.too_large",
                    )
        return bytes(content)

    def take(
        self, name: str, into: Path | None, budget: Budget, *, with_md5: bool = False
    ) -> HashedFile:
        """Hash one file, and write its bytes into a new file where one is named."""
        sha256 = hashlib.sha256()
        md5 = hashlib.md5(usedforsecurity=False) if with_md5 else None
        total = 0
        with ExitStack() as stack:
            chunks = stack.enter_context(self.stream(name))
            sink = None
            if into is not None:
                sink = stack.enter_context(_new_file(into))
            for chunk in chunks:
                budget.spend(len(chunk))
                sha256.update(chunk)
                if md5 is not None:
                    md5.update(chunk)
                if sink is not None:
                    sink.write(chunk)
                total += len(chunk)
        return HashedFile(sha256.hexdigest(), total, md5.hexdigest() if md5 is not None else "")


def take_all(
    source: Source,
    wanted: Mapping[str, str],
    budget: Budget,
    *,
    into: Path | None = None,
    with_md5: bool = False,
) -> dict[str, HashedFile]:
    """Take many files at a time; return what they are called → their digests.

    Args:
        wanted: what a file is called in the data set → its name in the source. Several may be one
            file of the source.
        into: the folder that they are written to; None only hashes.

    Raises:
        DatasetRefused: a name that no folder has, more than `MAX_FILES`, or too many bytes.
        DatasetError: of the first file that cannot be had.
    """
    if len(wanted) > MAX_FILES:
        raise DatasetRefused(
            f"the data set has more than {MAX_FILES:,} files", code="dataset.too_large"
        )
    with dataset_errors():
        for name in wanted:
            require_name(name)

    def take(called: str) -> HashedFile:
        path = None if into is None else into / called
        return source.take(wanted[called], path, budget, with_md5=with_md5)

    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="muniment-data") as threads:
        try:
            return dict(zip(wanted, threads.map(take, wanted), strict=True))
        except BaseException:
            threads.shutdown(cancel_futures=True)
            raise


def _new_file(path: Path) -> BinaryIO:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("xb")
    except OSError as error:
        # Stores take names that no disk does: too long, or of a file and of a folder at once.
        if error.errno in (errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG):
            raise DatasetRefused(
                f"no file can be called {path.name[:200]!r} here: {error.strerror}",
                code="dataset.not_a_file",
            ) from error
        raise


class LocalSource(Source):
    """A file or folder on this machine; no symlink is followed from the folder that it lies in.

    Args:
        root: an absolute path that is trusted; symlinks on the way to it are its owner's own.
        name: below it, relative; empty for the root itself.
    """

    def __init__(self, root: str, name: str = "") -> None:
        """Open it.

        Raises:
            DatasetMissing: there is nothing.
            DatasetRefused: a symlink or a special file is on the way or at its end.
        """
        self.address = f"{root}/{name}" if name else root
        self._stack = ExitStack()
        self._folder: int | None = None
        with dataset_errors(), ExitStack() as stack:
            folder, _, last = name.rpartition("/")
            if not name:
                if Path(root).is_dir():
                    self._folder = stack.enter_context(opened_root(root))
                else:
                    stack.enter_context(opened_file(root))
                self._open: Callable[[], AbstractContextManager[int]] = lambda: opened_file(root)
            else:
                require_name(name)
                parent = stack.enter_context(opened_root(root))
                parent = stack.enter_context(opened_folder(parent, folder))
                try:
                    self._folder = stack.enter_context(opened_folder(parent, last))
                except DigestError as error:
                    if not isinstance(error.__cause__, NotADirectoryError):
                        raise
                    with opened_file(last, beneath=parent):
                        pass
                self._open = lambda: opened_file(last, beneath=parent)
            self._stack = stack.pop_all()

    def close(self) -> None:
        """Let go of the folder."""
        self._stack.close()

    def listing(self) -> Mapping[str, int] | None:
        """Return what `Source.listing` says."""
        if self._folder is None:
            return None
        with dataset_errors():
            return list_tree(self._folder)

    @contextmanager
    def stream(self, name: str) -> Iterator[Iterator[bytes]]:
        """Open one file, as `Source.stream`."""
        with dataset_errors():
            folder = self._folder
            with self._open() if folder is None else opened_beneath(folder, name) as descriptor:
                yield _chunks(descriptor, name or self.address)


def _chunks(descriptor: int, name: str) -> Iterator[bytes]:
    before, total = os.fstat(descriptor), 0
    while chunk := os.read(descriptor, CHUNK_BYTES):
        total += len(chunk)
        yield chunk
    if (total, before.st_mtime_ns) != (before.st_size, os.fstat(descriptor).st_mtime_ns):
        raise DatasetChanged(f"{name} changed while it was read", code="dataset.unsteady")


@contextmanager
def dataset_errors() -> Iterator[None]:
    """Say in this package's words what the hashing of files refuses."""
    try:
        yield
    except DigestError as error:
        raise _as_dataset_error(error) from error


def _as_dataset_error(error: DigestError) -> DatasetError:
    if isinstance(error.__cause__, FileNotFoundError | NotADirectoryError):
        return DatasetMissing(error.message)
    if error.code == "digest.changed":
        return DatasetChanged(error.message, code="dataset.unsteady")
    return DatasetRefused(error.message, code="dataset.not_a_file")
