"""Opening a data set again where its reference says, and checking its bytes."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from muniment.attest.digest import Digest, dir_hash_of
from muniment.attest.tree import HashedFile
from muniment.datasets.errors import DatasetChanged, DatasetMissing, DatasetRefused
from muniment.datasets.location import parse_location
from muniment.datasets.opening import open_allowed
from muniment.datasets.places import Access
from muniment.datasets.reference import DatasetReference
from muniment.datasets.sources import Budget, LocalSource, Source, take_all


def fetch_dataset(
    reference: DatasetReference, destination: Path, access: Access, *, checkout: Path | None
) -> Path:
    """Write a data set's bytes into a folder, and return the file or folder only if they are right.

    Args:
        destination: an existing folder; a file or folder of the data set's own name is made in it.
        access: what may be opened.
        checkout: the repository at the commit that trained, where there is one.

    Raises:
        DatasetChanged: the bytes are not those of the reference. Nothing is left behind.
        DatasetMissing: there is nothing where it points.
        DatasetRefused: it lies where nobody allowed, is too large, or is no plain file or folder;
            or something of its name is in the destination.
        DatasetUnreachable: whoever holds it did not answer.
    """
    path = destination / _file_name(reference)
    if path.exists():
        raise DatasetRefused(f"{path} is there already", code="dataset.exists")
    try:
        found = _take(reference, access, checkout, into=path)
        if found != reference.digest:
            raise DatasetChanged(
                f"{reference.name}: the data set has the digest {found}, and {reference.digest} "
                "was recorded: its bytes were changed since"
            )
    except BaseException:
        _remove(path)
        raise
    return path


def digest_dataset(
    reference: DatasetReference, access: Access, *, checkout: Path | None = None
) -> Digest:
    """Hash a data set where it lies and keep nothing; the caller compares with what was recorded.

    Raises:
        As `fetch_dataset`, without DatasetChanged for another digest.
    """
    return _take(reference, access, checkout, into=None)


def _take(
    reference: DatasetReference, access: Access, checkout: Path | None, *, into: Path | None
) -> Digest:
    budget = Budget(access.max_bytes)
    with _open(reference, access, checkout) as source:
        listing = source.listing()
        if listing is None:
            return Digest("sha256", source.take("", into, budget).sha256)
        Budget(access.max_bytes).spend(sum(listing.values()))  # before a byte is read
        if into is not None:
            into.mkdir()
        return _digest(take_all(source, {name: name for name in listing}, budget, into=into))


def _open(reference: DatasetReference, access: Access, checkout: Path | None) -> Source:
    if reference.kind == "table":
        raise DatasetMissing(
            f"{reference.name} was a table in memory: it lies nowhere that it could be read from",
            code="dataset.in_memory",
        )
    if checkout is not None and "git_path" in reference.details:
        return LocalSource(str(checkout), reference.details["git_path"])
    if not reference.uri:
        raise DatasetMissing(f"nothing says where {reference.name} lies", code="dataset.no_address")
    return open_allowed(reference.uri, access)


def _digest(files: Mapping[str, HashedFile]) -> Digest:
    return dir_hash_of({name: found.sha256 for name, found in files.items()})


def _file_name(reference: DatasetReference) -> str:
    name = Path(reference.place).name
    if not name and reference.uri:
        name = parse_location(reference.uri).name
    # It becomes a file's name: of what a run says, only what cannot be anything else.
    return name if name not in ("", ".", "..") and "/" not in name and "\0" not in name else "data"


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
