"""Naming what a training reads, so that the same bytes can be found and checked again."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from muniment.attest.digest import Digest, dir_hash_of
from muniment.attest.files import opened_file
from muniment.attest.tree import HashedFile, hash_open_file, hash_tree
from muniment.datasets.delta import LOG, open_snapshot, take_snapshot
from muniment.datasets.dvc import (
    MAX_LISTING_BYTES,
    Tracked,
    listing_md5,
    object_name,
    read_listing,
    resolve_at_commit,
)
from muniment.datasets.errors import DatasetError, DatasetMissing, DatasetRefused
from muniment.datasets.git import is_committed, repository_of
from muniment.datasets.location import parse_location, without_credentials
from muniment.datasets.opening import open_here
from muniment.datasets.reference import (
    IN_MEMORY,
    IN_STORE,
    NO_VERSION,
    ON_DISK,
    ROLES,
    DatasetReference,
)
from muniment.datasets.sources import Budget, LocalSource, dataset_errors, take_all
from muniment.datasets.stores import StoreSource
from muniment.datasets.tables import table_digest

NEWEST_READ: Final = "{no_version} The newest one was read, which was {version}."
_UNLIMITED: Final = 2**63


@dataclass(frozen=True, slots=True)
class _Found:
    """What of a reference depends on what lies there."""

    kind: str
    uri: str
    digest: Digest
    size_bytes: int
    weak_reason: str
    details: Mapping[str, str] = field(default_factory=dict)


def refer(
    what: object,
    *,
    role: str = "training",
    name: str = "",
    version: int | None = None,
    repository: Path | None = None,
) -> DatasetReference:
    """Hash what a training reads, wherever it lies, and return how it can be found again.

    Args:
        what: a path; an address that fsspec opens; a Delta table's folder or address; a pandas or
            Arrow table in memory.
        role: ``training``, ``validation`` or ``evaluation``.
        name: what people call it; without one the last part of its path.
        version: of a Delta table.
        repository: the top folder of the git repository; without one it is looked for.

    Raises:
        DatasetError: it cannot be read, or is no data set.
    """
    if role not in ROLES:
        raise DatasetRefused(f"the role is one of {', '.join(ROLES)}", code="dataset.role")
    place = ""
    if not isinstance(what, str | os.PathLike):
        digest, size_bytes = table_digest(what)
        found, called = _Found("table", "", digest, size_bytes, IN_MEMORY), "table"
    elif "://" in os.fspath(what) and not os.fspath(what).startswith("file://"):
        uri = os.fspath(what)
        found, called = _refer_remote(uri, version), without_credentials(uri)
    else:
        path = _local_path(os.fspath(what))
        top = repository or repository_of(path)
        called = str(path)
        place = _relative(path, top) or str(path)
        found = _refer_local(path, top, version)
    if version is not None and found.kind != "delta":
        raise DatasetRefused(
            f"{called} is no Delta table, so it has no version {version}", code="dataset.version"
        )
    return DatasetReference(
        role=role,
        name=(name or called.rstrip("/").rpartition("/")[2] or called)[:200],
        kind=found.kind,
        uri=found.uri,
        digest=found.digest,
        size_bytes=found.size_bytes,
        weak_reason=found.weak_reason,
        place=place,
        details=dict(found.details),
    )


def _local_path(given: str) -> Path:
    if given.startswith("file://"):
        given = parse_location(given).path
    return Path(os.path.abspath(given))  # noqa: PTH100 - resolve() would follow symlinks


def _relative(path: Path, top: Path | None) -> str:
    """Return a path as it stands in the repository; empty for the repository and elsewhere."""
    # The repository is named by where it really lies; the path itself may be a symlink in it.
    for candidate in (path, path.parent.resolve() / path.name):
        if top is not None and candidate != top and candidate.is_relative_to(top):
            return candidate.relative_to(top).as_posix()
    return ""


def _refer_local(path: Path, top: Path | None, version: int | None) -> _Found:
    real = path.resolve()
    uri = real.as_uri()
    if (real / LOG).is_dir():
        return _refer_delta(str(real), uri, version)
    # By its own name, also where that is a symlink, as into DVC's cache.
    inside = _relative(path, top)
    tracked = resolve_at_commit(top, inside) if top is not None and inside else None
    with dataset_errors():
        if real.is_dir():
            files = hash_tree(real, with_md5=tracked is not None)
            digest, kind = dir_hash_of({one: had.sha256 for one, had in files.items()}), "folder"
        else:
            with opened_file(real) as descriptor:
                file = hash_open_file(descriptor, str(real), with_md5=tracked is not None)
            files, digest, kind = {"": file}, Digest("sha256", file.sha256), "file"
    size_bytes = sum(had.size_bytes for had in files.values())
    if tracked is not None and top is not None:
        reason = _dvc_fault(top, tracked, files)
        if reason is None:
            return _refer_dvc(top, tracked, digest, size_bytes)
        return _Found(kind, uri, digest, size_bytes, reason)
    if top is not None and inside:
        names = [inside if not one else f"{inside}/{one}" for one in files]
        if is_committed(top, names, inside):
            return _Found(kind, uri, digest, size_bytes, "", {"git_path": inside})
    return _Found(kind, uri, digest, size_bytes, ON_DISK)


def _refer_dvc(top: Path, tracked: Tracked, digest: Digest, size_bytes: int) -> _Found:
    reasons = []
    if not is_committed(top, [tracked.pointer], tracked.pointer):
        reasons.append(f"{tracked.pointer}, by which DVC tracks it, is not committed as it is.")
    if not tracked.url:
        reasons.append("The repository names no DVC remote from which anybody else could fetch it.")
    return _Found("dvc", tracked.url, digest, size_bytes, " ".join(reasons), tracked.as_details())


def _dvc_fault(top: Path, tracked: Tracked, files: Mapping[str, HashedFile]) -> str | None:
    """Say how the bytes differ from what DVC tracks; None where they are the same."""
    if tracked.inner:
        expected = _listed(top, tracked)
        if expected is None:
            return (
                f"{tracked.pointer} tracks the folder that it lies in, and DVC's cache does not "
                "hold that folder's listing: nothing says whether these are its bytes."
            )
        same = {name: had.md5 for name, had in files.items()} == expected
    elif "" in files:
        same = files[""].md5 == tracked.md5
    else:
        same = listing_md5(files) == tracked.md5
    if same:
        return None
    return f"DVC tracks it, and its bytes are not those that {tracked.pointer} names."


def _listed(top: Path, tracked: Tracked) -> dict[str, str] | None:
    """Return name → MD5 of what lies at the inner path, by the cache's listing of the folder."""
    try:
        with LocalSource(str(top / ".dvc" / "cache")) as cache:
            listing = read_listing(
                cache.read(object_name(tracked.md5), MAX_LISTING_BYTES), tracked.md5
            )
    except DatasetError:
        return None
    if tracked.inner in listing:
        return {"": listing[tracked.inner]}
    prefix = f"{tracked.inner}/"
    return {
        name.removeprefix(prefix): md5 for name, md5 in listing.items() if name.startswith(prefix)
    }


def _refer_remote(uri: str, version: int | None) -> _Found:
    shown = without_credentials(uri)
    with open_here(uri) as source:
        if version is not None or _is_delta(uri):
            return _refer_delta(uri, shown, version)
        listing = source.listing()
        if listing is not None:
            files = take_all(source, {one: one for one in listing}, Budget(_UNLIMITED))
            digest = dir_hash_of({one: had.sha256 for one, had in files.items()})
            size_bytes = sum(had.size_bytes for had in files.values())
            return _Found("object", shown, digest, size_bytes, IN_STORE)
        version_id = source.version_id() if isinstance(source, StoreSource) else ""
        if isinstance(source, StoreSource):
            # What is hashed is what is named, whatever is written meanwhile.
            source = source.at_version(version_id)
        file = source.take("", None, Budget(_UNLIMITED))
    details = {"version_id": version_id} if version_id else {}
    reason = "" if version_id else IN_STORE
    return _Found("object", shown, Digest("sha256", file.sha256), file.size_bytes, reason, details)


def _is_delta(uri: str) -> bool:
    if uri.startswith(("http://", "https://")):
        return False
    try:
        with open_here(f"{uri.rstrip('/')}/{LOG}") as log:
            return log.listing() is not None
    except DatasetMissing:
        return False


def _refer_delta(address: str, uri: str, version: int | None) -> _Found:
    log = open_here(f"{address.rstrip('/')}/{LOG}")
    with log, open_snapshot(log, version) as snapshot, open_here(address) as table:
        files = take_snapshot(table, snapshot, Budget(_UNLIMITED), None)
    return _Found(
        kind="delta",
        uri=uri,
        digest=dir_hash_of({one: had.sha256 for one, had in files.items()}),
        size_bytes=sum(had.size_bytes for had in files.values()),
        weak_reason=""
        if version is not None
        else NEWEST_READ.format(no_version=NO_VERSION, version=snapshot.version),
        details={"version": str(snapshot.version)},
    )
