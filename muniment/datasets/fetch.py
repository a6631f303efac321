"""Opening a data set again where its reference says, and checking its bytes."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from muniment.attest.digest import Digest, dir_hash_of
from muniment.attest.tree import HashedFile
from muniment.datasets.delta import LOG, open_snapshot, take_snapshot
from muniment.datasets.dvc import not_pushed, object_name, resolve_at_commit, wanted_files
from muniment.datasets.errors import DatasetChanged, DatasetMissing, DatasetRefused
from muniment.datasets.location import parse_location
from muniment.datasets.opening import Opener, allowed_opener
from muniment.datasets.places import Access
from muniment.datasets.reference import DatasetReference
from muniment.datasets.sources import Budget, LocalSource, Source, take_all


def fetch_dataset(
    reference: DatasetReference, destination: Path, access: Access, *, checkout: Path | None
) -> Path:
    """Write a data set's bytes into a folder, and return the file or folder only if they are right.

    Args:
        destination: a folder, made where there is none; a file or folder of the data set's own
            name is made in it.
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


def refer_at_commit(
    checkout: Path, path: str, access: Access, *, role: str, name: str
) -> DatasetReference | None:
    """Name what DVC tracks at a commit, where nobody did so when it was used.

    Its bytes are read from the remote, so that the reference has our own digest beside DVC's.

    Args:
        checkout: the repository at the commit.
        path: in it.

    Returns:
        None where DVC does not track the path.

    Raises:
        DatasetError: as `fetch_dataset`, or as `resolve_at_commit`.
    """
    tracked = resolve_at_commit(checkout, path)
    if tracked is None:
        return None
    if not tracked.url:
        raise _no_remote()
    remote = allowed_opener(access)(tracked.url, "")
    taken = take_dvc(remote, tracked.md5, tracked.inner, Budget(access.max_bytes), None)
    return DatasetReference(
        role=role,
        name=name,
        kind="dvc",
        uri=tracked.url,
        digest=_digest_of(taken),
        size_bytes=sum(found.size_bytes for found in taken.values()),
        place=path,
        details=tracked.as_details(),
    )


def _take(
    reference: DatasetReference, access: Access, checkout: Path | None, *, into: Path | None
) -> Digest:
    opener, budget = allowed_opener(access), Budget(access.max_bytes)
    if reference.kind == "table":
        raise DatasetMissing(
            f"{reference.name} was a table in memory: it lies nowhere that it could be read from",
            code="dataset.in_memory",
        )
    if reference.kind == "dvc":
        return _take_dvc(reference, opener, checkout, budget, into)
    if not reference.uri:
        raise DatasetMissing(f"nothing says where {reference.name} lies", code="dataset.no_address")
    if reference.kind == "delta":
        return _take_delta(reference, opener, budget, into)
    with _open(reference, opener, checkout) as source:
        listing = source.listing()
        if listing is None:
            return Digest("sha256", source.take("", into, budget).sha256)
        Budget(access.max_bytes).spend(sum(listing.values()))  # before a byte is read
        if into is not None:
            into.mkdir(parents=True)
        return _digest(take_all(source, {name: name for name in listing}, budget, into=into))


def _open(reference: DatasetReference, opener: Opener, checkout: Path | None) -> Source:
    if checkout is not None and "git_path" in reference.details:
        return LocalSource(str(checkout), reference.details["git_path"])
    return opener(reference.uri, reference.details.get("version_id", ""))


def _take_dvc(
    reference: DatasetReference,
    opener: Opener,
    checkout: Path | None,
    budget: Budget,
    into: Path | None,
) -> Digest:
    md5, inner = reference.details.get("md5", ""), reference.details.get("inner", "")
    if checkout is not None:
        _require_pointer(reference, checkout)
    if not reference.uri:
        raise _no_remote()
    return _digest_of(take_dvc(opener(reference.uri, ""), md5, inner, budget, into))


def take_dvc(
    remote: Source, md5: str, inner: str, budget: Budget, into: Path | None
) -> dict[str, HashedFile]:
    """Take what a DVC remote holds by its MD5; a single file is called by the empty name.

    Raises:
        DatasetChanged: bytes do not have the MD5 that names them.
        DatasetMissing: the remote does not have them.
    """
    with remote:
        md5s = wanted_files(remote, md5, inner) or {"": md5}
        try:
            if "" in md5s:
                taken = {"": remote.take(object_name(md5s[""]), into, budget, with_md5=True)}
            else:
                if into is not None:
                    into.mkdir(parents=True)
                wanted = {name: object_name(digest) for name, digest in md5s.items()}
                taken = take_all(remote, wanted, budget, into=into, with_md5=True)
        except DatasetMissing as error:
            raise not_pushed(md5) from error
    for name, found in taken.items():
        if found.md5 != md5s[name]:
            raise DatasetChanged(
                f"DVC's remote holds other bytes than those with the MD5 {md5s[name]}: "
                f"they have {found.md5}",
                code="dataset.md5",
            )
    return taken


def _require_pointer(reference: DatasetReference, checkout: Path) -> None:
    inner = reference.details.get("inner", "")
    path = reference.details.get("path", "") + (f"/{inner}" if inner else "")
    tracked = resolve_at_commit(checkout, path)
    if tracked is None:
        raise DatasetMissing(f"at the commit, DVC does not track {path}", code="dataset.pointer")
    if (tracked.md5, tracked.inner) != (reference.details.get("md5"), inner):
        raise DatasetChanged(
            f"at the commit, {tracked.pointer} names the MD5 {tracked.md5}, and "
            f"{reference.details.get('md5')} was recorded",
            code="dataset.pointer",
        )


def _take_delta(
    reference: DatasetReference, opener: Opener, budget: Budget, into: Path | None
) -> Digest:
    version = reference.details.get("version", "")
    if not version.isascii() or not version.isdigit() or len(version) > 18:
        raise DatasetMissing("the reference names no version of the Delta table")
    log = opener(f"{reference.uri.rstrip('/')}/{LOG}", "")
    with log, open_snapshot(log, int(version)) as snapshot, opener(reference.uri, "") as table:
        if into is not None:
            into.mkdir(parents=True)
        taken = take_snapshot(table, snapshot, budget, into)
        if into is not None:
            # With its log, so that a program opens it as the table that it was.
            shutil.copytree(snapshot.log, into / LOG)
    return _digest(taken)


def _digest_of(files: Mapping[str, HashedFile]) -> Digest:
    """Return the digest of a single file, which has the empty name, or of a folder's."""
    return Digest("sha256", files[""].sha256) if "" in files else _digest(files)


def _digest(files: Mapping[str, HashedFile]) -> Digest:
    return dir_hash_of({name: found.sha256 for name, found in files.items()})


def _no_remote() -> DatasetMissing:
    return DatasetMissing(
        "the repository names no DVC remote from which anybody could fetch",
        code="dataset.no_remote",
    )


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
