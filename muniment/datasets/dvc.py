"""Data that DVC tracks: what a repository's own files say of a path, and where its bytes lie.

The files are read, DVC itself is not needed: ``.dvc`` and ``dvc.lock`` of DVC 3, and its layout of
remotes. Source: https://dvc.org/doc/user-guide/project-structure.
"""

from __future__ import annotations

import configparser
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from muniment.attest.files import require_name
from muniment.attest.tree import HashedFile
from muniment.datasets.errors import DatasetChanged, DatasetMissing, DatasetRefused
from muniment.datasets.location import parse_location
from muniment.datasets.sources import LocalSource, Source, dataset_errors

MAX_POINTER_BYTES: Final = 16 * 1024 * 1024
MAX_LISTING_BYTES: Final = 64 * 1024 * 1024
_MD5: Final = re.compile(r"[0-9a-f]{32}(\.dir)?", re.ASCII)
_REMOTE: Final = re.compile(r"""'?remote\s+"(.*)"'?""")


@dataclass(frozen=True, slots=True)
class Tracked:
    """What DVC says of a path.

    Attributes:
        path: that it tracks, relative to the repository.
        inner: what was asked for, below `path`; empty where that is `path` itself.
        md5: of the file, or of a folder's listing, which ends in ``.dir``.
        pointer: the file that says so, relative to the repository.
        remote: the name of the remote that holds it; empty where none is named.
        url: where that remote lies; empty where none is named.
    """

    path: str
    inner: str
    md5: str
    pointer: str
    remote: str
    url: str

    def as_details(self) -> dict[str, str]:
        """Return what a reference keeps of it."""
        inner = {"inner": self.inner} if self.inner else {}
        return {"path": self.path, "md5": self.md5, "remote": self.remote, **inner}


def resolve_at_commit(checkout: Path, path: str) -> Tracked | None:
    """Say what the DVC files of a checkout name for a path; None where they do not track it.

    Args:
        checkout: the repository at the commit; whoever trained wrote every file in it.
        path: relative to it, POSIX.

    Raises:
        DatasetRefused: a DVC file is malformed, or of a kind that is not read: hashes of DVC 2, and
            remotes with versions of their own.
    """
    with dataset_errors():
        require_name(path)
    if not (checkout / ".dvc").is_dir():
        return None
    with LocalSource(str(checkout)) as repository:
        for pointer, out, base in _outs_near(repository, checkout, path):
            named = out.get("path")
            if not isinstance(named, str):
                raise DatasetRefused(f"{pointer} names no path", code="dataset.dvc_file")
            tracked = os.path.normpath(f"{base}/{named}".lstrip("/"))
            if path != tracked and not path.startswith(f"{tracked}/"):
                continue
            md5 = _md5_of(out, pointer)
            remote, url = _remote(repository, checkout, out.get("remote"))
            inner = path[len(tracked) + 1 :]
            return Tracked(tracked, inner, md5, pointer, remote, url)
    return None


def object_name(md5: str) -> str:
    """Return where a remote, or the cache, holds the bytes of an MD5.

    Raises:
        DatasetRefused: it is none.
    """
    if _MD5.fullmatch(md5) is None:
        raise DatasetRefused(f"{md5[:80]!r} is no MD5 of DVC's", code="dataset.dvc_file")
    return f"files/md5/{md5[:2]}/{md5[2:]}"


def read_listing(content: bytes, md5: str) -> dict[str, str]:
    """Read the listing of a folder: relative name → MD5 of the file.

    Raises:
        DatasetChanged: its bytes do not have the MD5 that names them.
        DatasetRefused: it is malformed.
    """
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if md5 != f"{found}.dir":
        raise DatasetChanged(
            f"DVC's listing has the MD5 {found}, and is named {md5}", code="dataset.md5"
        )
    try:
        rows = json.loads(content)
        listing = {row["relpath"]: row["md5"] for row in rows}
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise DatasetRefused("DVC's listing is malformed", code="dataset.dvc_file") from error
    for name, digest in listing.items():
        if not isinstance(name, str) or not isinstance(digest, str) or digest.endswith(".dir"):
            raise DatasetRefused("DVC's listing is malformed", code="dataset.dvc_file")
        object_name(digest)
    return listing


def listing_md5(files: Mapping[str, HashedFile]) -> str:
    """Return the MD5 by which DVC names a folder of these files."""
    rows = [{"md5": files[name].md5, "relpath": name} for name in sorted(files)]
    content = json.dumps(rows, sort_keys=True).encode()
    return f"{hashlib.md5(content, usedforsecurity=False).hexdigest()}.dir"


def wanted_files(remote: Source, md5: str, inner: str) -> dict[str, str] | None:
    """Return the files of a tracked folder, or of what lies in it: name → MD5; None for one file.

    Raises:
        DatasetMissing: the remote has no listing, or nothing of that name is in it.
        DatasetError: as `read_listing`, or the remote cannot be read.
    """
    if not md5.endswith(".dir"):
        if inner:
            raise DatasetMissing(f"DVC tracks a single file, with no {inner} in it")
        return None
    try:
        content = remote.read(object_name(md5), MAX_LISTING_BYTES)
    except DatasetMissing as error:
        raise not_pushed(md5) from error
    listing = read_listing(content, md5)
    if not inner:
        return listing
    if inner in listing:
        return {"": listing[inner]}
    below = {
        name[len(inner) + 1 :]: digest
        for name, digest in listing.items()
        if name.startswith(f"{inner}/")
    }
    if not below:
        raise DatasetMissing(f"DVC's listing names nothing called {inner}")
    return below


def not_pushed(md5: str) -> DatasetMissing:
    """Return the error for bytes that a remote does not have."""
    return DatasetMissing(
        f"DVC's remote does not hold the bytes with the MD5 {md5}: `dvc push` puts them there",
        code="dataset.not_pushed",
    )


def _outs_near(
    repository: LocalSource, checkout: Path, path: str
) -> Iterator[tuple[str, Mapping[str, Any], str]]:
    """Yield the pointer, the output and the folder it is relative to, of all that may track it."""
    parts = path.split("/")
    for depth in range(len(parts) - 1, -1, -1):
        folder = "/".join(parts[:depth])
        # Names only: what is read is read by way of the repository, which follows no link.
        within = checkout / folder
        for name in sorted(one.name for one in within.iterdir()) if within.is_dir() else ():
            pointer = f"{folder}/{name}" if folder else name
            if name == "dvc.lock":
                yield from _lock_outs(repository, pointer, folder)
            elif name.endswith(".dvc") and name != ".dvc" and (checkout / pointer).is_file():
                said = _yaml(repository, pointer)
                for out in _list(said.get("outs"), pointer):
                    yield pointer, out, _joined(folder, said.get("wdir"))


def _lock_outs(
    repository: LocalSource, pointer: str, folder: str
) -> Iterator[tuple[str, Mapping[str, Any], str]]:
    stages = _yaml(repository, pointer).get("stages")
    try:
        # Only there it stands from which folder a stage's paths are counted.
        written = _yaml(repository, f"{folder}/dvc.yaml".lstrip("/")).get("stages")
    except DatasetMissing:
        written = None
    for name, stage in (stages if isinstance(stages, dict) else {}).items():
        if not isinstance(stage, dict):
            raise _malformed(pointer)
        own = written.get(name) if isinstance(written, dict) else None
        wdir = own.get("wdir") if isinstance(own, dict) else None
        for out in _list(stage.get("outs"), pointer):
            yield pointer, out, _joined(folder, wdir)


def _joined(folder: str, wdir: object) -> str:
    return f"{folder}/{wdir}" if isinstance(wdir, str) else folder


def _md5_of(out: Mapping[str, Any], pointer: str) -> str:
    md5 = out.get("md5")
    if not isinstance(md5, str) or _MD5.fullmatch(md5) is None:
        raise DatasetRefused(
            f"{pointer} names no MD5 that is looked for: remotes with versions of their own are "
            "not read",
            code="dataset.dvc_file",
        )
    if out.get("hash") != "md5":
        raise DatasetRefused(
            f"{pointer} was written by DVC 2, whose MD5 leaves out line endings: "
            "`dvc cache migrate --dvc-files` writes it anew",
            code="dataset.dvc_file",
        )
    return md5


def _remote(repository: LocalSource, checkout: Path, named: object) -> tuple[str, str]:
    """Return the name and the address of the remote; both are empty where there is none."""
    urls: dict[str, str] = {}
    default = ""
    for file in (".dvc/config", ".dvc/config.local"):
        try:
            text = repository.read(file, MAX_POINTER_BYTES).decode()
            config = configparser.ConfigParser(interpolation=None, strict=False)
            config.read_string(text)
        except DatasetMissing:
            continue
        except (UnicodeDecodeError, configparser.Error) as error:
            raise _malformed(file) from error
        default = config.get("core", "remote", fallback=default)
        for section in config.sections():
            found = _REMOTE.fullmatch(section)
            if found and config.has_option(section, "url"):
                urls[found[1]] = config.get(section, "url")
    name = named if isinstance(named, str) else default
    return (name, _address(urls[name], checkout)) if name in urls else ("", "")


def _address(url: str, checkout: Path) -> str:
    if url.startswith("azure://"):
        url = f"az://{url.removeprefix('azure://')}"
    if "://" not in url:
        # Relative to the folder of the configuration.
        url = os.path.normpath(checkout.absolute() / ".dvc" / url)
    try:
        return str(parse_location(url))
    except DatasetRefused:
        return ""  # by ssh, say: nobody else could open it


def _yaml(repository: LocalSource, name: str) -> Mapping[str, Any]:
    import yaml

    content = repository.read(name, MAX_POINTER_BYTES)
    try:
        said = yaml.load(content, getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise _malformed(name) from error
    if not isinstance(said, dict):
        raise _malformed(name)
    return said


def _list(value: object, pointer: str) -> list[Mapping[str, Any]]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise _malformed(pointer)
    return value


def _malformed(name: str) -> DatasetRefused:
    return DatasetRefused(f"{name} is no file that DVC writes", code="dataset.dvc_file")
