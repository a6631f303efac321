"""Opening files and folders without following a link, and the names that a folder's digest takes.

Everything is opened by its parent's descriptor, and looked at after it is open: what is swapped
for a symlink in between is refused, as it would have been before.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from muniment.attest.errors import DigestError

_ESCAPED_BY_SHA256SUM: Final = {"\n": "a newline", "\r": "a carriage return", "\\": "a backslash"}
# Not blocking: opening a named pipe would wait for whoever writes into it.
_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


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
        require_regular(_mode_of(path, beneath), path)
        raise unreadable(path, error) from error
    try:
        require_regular(os.fstat(descriptor).st_mode, path)
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
        raise unreadable(root, error) from error
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
                    require_regular(mode, name)
                raise unreadable(name, error) from error
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


def require_regular(mode: int | None, name: str | os.PathLike[str]) -> None:
    """Pass a regular file, and what has no mode.

    Raises:
        DigestError: a symlink, a folder or a special file.
    """
    if mode is None or stat.S_ISREG(mode):
        return
    if stat.S_ISLNK(mode):
        kind = "symlink refused"
    elif stat.S_ISDIR(mode):
        kind = "a folder, not a file"
    else:
        kind = "special file refused"
    raise DigestError(f"{kind}: {os.fspath(name)!r}", code="digest.not_a_file")


def unreadable(name: str | os.PathLike[str], error: OSError) -> DigestError:
    """Return the error for what cannot be read."""
    return DigestError(
        f"cannot read {os.fspath(name)!r}: {error.strerror}", code="digest.unreadable"
    )
