"""Where the bytes of evaluation sets lie: a folder of the worker's, each file by its digest."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from django.conf import settings

from muniment.attest.digest import Digest, sha256_file
from muniment.attest.errors import DigestError
from registry.errors import EvaluationSetMissing

T = TypeVar("T")
_BLOCK_BYTES = 1024 * 1024


def keep_file(path: Path, check: Callable[[Path], T]) -> tuple[Digest, T]:
    """Copy a file into the folder, under its digest; return that, and what `check` said of it.

    The copy is checked and hashed, for the file it came from may be written to meanwhile. Nothing
    stays of one that `check` refuses by raising.
    """
    folder = _folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".coming-", dir=folder)
    copy = Path(name)
    try:
        with os.fdopen(handle, "wb") as target, path.open("rb") as source:
            while block := source.read(_BLOCK_BYTES):
                target.write(block)
        checked = check(copy)
        digest = sha256_file(copy)
        copy.chmod(0o400)
        copy.replace(folder / digest.hex)
    finally:
        copy.unlink(missing_ok=True)
    return digest, checked


def kept_file(digest: Digest) -> Path:
    """Return where the bytes of a digest lie, and see that they are those.

    Raises:
        EvaluationSetMissing: they are not on this machine, or they are others by now.
    """
    path = _folder() / digest.hex
    again = "Register the same file once more on the worker's machine."
    try:
        found = sha256_file(path)
    except DigestError as error:
        raise EvaluationSetMissing(
            f"The evaluation set's file is not where this worker keeps them. {again}"
        ) from error
    if found != digest:
        raise EvaluationSetMissing(
            f"The evaluation set's file is not the one that was registered. {again}"
        )
    return path


def _folder() -> Path:
    folder: Path = settings.EVALUATION_SETS
    return folder
