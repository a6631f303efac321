"""Reading what hostile code left in a work folder, when nothing of it runs any more."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import subprocess
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Final

from lineage.recompute.errors import RecomputeError

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Not blocking: opening a pipe that nobody writes to would wait for ever.
_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CHUNK: Final = 1024 * 1024
_DEEPEST: Final = 50


class _Refused(Exception):  # carries a sentence to where the place is known
    """Something lies there that is not read."""


def collect_tree(
    work: Path, place: PurePosixPath, destination: Path, *, at_most_bytes: int, at_most_files: int
) -> dict[str, str]:
    """Copy a folder out of a work folder, and return the SHA-256 of each file by its name.

    No link is followed, on the way there or inside, and nothing but files and folders is read:
    what is copied is plain, and nobody else can change it.

    Args:
        place: relative to the work folder.
        destination: does not exist yet.

    Raises:
        RecomputeError: ``outputs.refused``: a link, a special file, a file that changes, one that
            cannot be read, or more than may be; the message names it. ``outputs.missing``.
    """
    left = [at_most_bytes, at_most_files]
    collected: dict[str, str] = {}
    descriptor = _open_below(work, place)
    try:
        destination.mkdir(mode=0o700)
        _copy_folder(descriptor, PurePosixPath(), destination, left, collected)
    except _Refused as error:
        shutil.rmtree(destination)
        raise RecomputeError(
            f"What the training left at {place} is not read: {error}", code="outputs.refused"
        ) from error
    finally:
        os.close(descriptor)
    return collected


def read_small(work: Path, place: PurePosixPath, *, at_most_bytes: int) -> bytes:
    """Return the content of one file in a work folder.

    Raises:
        RecomputeError: as `collect_tree`.
    """
    folder = _open_below(work, place.parent)
    try:
        opened = _open_file(folder, place.name)
        try:
            content = b""
            while chunk := os.read(opened, min(_CHUNK, at_most_bytes + 1 - len(content))):
                content += chunk
        finally:
            os.close(opened)
        if len(content) > at_most_bytes:
            raise _Refused(f"it is larger than {at_most_bytes} bytes")
    except _Refused as error:
        raise RecomputeError(
            f"What was left at {place} is not read: {error}", code="outputs.refused"
        ) from error
    finally:
        os.close(folder)
    return content


def make_place(work: Path, place: PurePosixPath, *, is_folder: bool) -> None:
    """Make an empty file or folder in a work folder, for a mount; what is there stays.

    Raises:
        RecomputeError: ``outputs.refused``: the way there leads over a link or a file, so that the
            mount would stand elsewhere.
    """
    try:
        descriptor = os.open(work, _FOLDER)
        try:
            parts = place.parts if is_folder else place.parts[:-1]
            for part in parts:
                _require_plain(part)
                with suppress(FileExistsError):
                    os.mkdir(part, 0o755, dir_fd=descriptor)
                inner = os.open(part, _FOLDER, dir_fd=descriptor)
                os.close(descriptor)
                descriptor = inner
            if not is_folder:
                _require_plain(place.name)
                flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
                os.close(os.open(place.name, flags, 0o644, dir_fd=descriptor))
        finally:
            os.close(descriptor)
    except (OSError, _Refused) as error:
        raise RecomputeError(
            f"A data set cannot be put at {place}: the way there leads over a link or a file of "
            "the code.",
            code="data.place",
            leg="data",
        ) from error


def remove_folder(folder: Path) -> None:
    """Remove a folder that hostile code wrote in: closed folders, and very deep ones, too."""
    # The programs, because they take folders deeper than Python can descend.
    subprocess.run(["chmod", "-R", "u+rwX", "--", str(folder)], check=False, capture_output=True)
    subprocess.run(["rm", "-rf", "--one-file-system", "--", str(folder)], check=False)


def _open_below(work: Path, place: PurePosixPath) -> int:
    descriptor = os.open(work, _FOLDER)
    for part in place.parts:
        try:
            _require_plain(part)
            inner = os.open(part, _FOLDER, dir_fd=descriptor)
        except FileNotFoundError as error:
            raise RecomputeError(f"There is nothing at {place}.", code="outputs.missing") from error
        except (OSError, _Refused) as error:
            raise RecomputeError(
                f"What was left at {place} is not read: {part} is a link or no folder, or closed.",
                code="outputs.refused",
            ) from error
        finally:
            os.close(descriptor)
        descriptor = inner
    return descriptor


def _require_plain(part: str) -> None:
    if part in ("", ".", "..") or "/" in part:
        raise _Refused(f"{part!r} is not the name of a file")


def _copy_folder(
    source: int,
    place: PurePosixPath,
    destination: Path,
    left: list[int],
    collected: dict[str, str],
) -> None:
    if len(place.parts) > _DEEPEST:
        raise _Refused("its folders are too deep")
    try:
        with os.scandir(source) as entries:
            found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    except OSError as error:
        raise _Refused(f"{str(place)!r} cannot be read") from error
    for name, is_folder in sorted(found):
        left[1] -= 1
        if left[1] < 0:
            raise _Refused("it holds more files than may be")
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise _Refused(f"the name {name!r} is no text") from error
        target = destination / name
        if is_folder:
            try:
                inner = os.open(name, _FOLDER, dir_fd=source)
            except OSError as error:
                raise _Refused(f"{str(place / name)!r} cannot be read") from error
            try:
                target.mkdir(mode=0o700)
                _copy_folder(inner, place / name, target, left, collected)
            finally:
                os.close(inner)
        else:
            collected[str(place / name)] = _copy_file(source, name, place / name, target, left)


def _copy_file(folder: int, name: str, place: PurePosixPath, target: Path, left: list[int]) -> str:
    opened = _open_file(folder, name, place)
    digest = hashlib.sha256()
    try:
        with target.open("xb") as copy:
            while chunk := os.read(opened, _CHUNK):
                left[0] -= len(chunk)
                if left[0] < 0:
                    raise _Refused("it is larger than may be")
                digest.update(chunk)
                copy.write(chunk)
    finally:
        os.close(opened)
    return digest.hexdigest()


def _open_file(folder: int, name: str, place: PurePosixPath | None = None) -> int:
    shown = str(place or name)
    try:
        opened = os.open(name, _FILE, dir_fd=folder)
    except OSError as error:
        raise _Refused(f"{shown!r} is a link, or cannot be read") from error
    if not stat.S_ISREG(os.fstat(opened).st_mode):
        os.close(opened)
        raise _Refused(f"{shown!r} is not an ordinary file")
    return opened
