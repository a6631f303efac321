"""The data sets of a training: hashed before it starts, looked at again when it has ended."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from muniment.attest.digest import Digest, dir_hash_of
from muniment.attest.errors import AttestError
from muniment.capture.tracking import LoggedDataset
from muniment.datasets import DatasetChanged, refer
from muniment.datasets.opening import open_here
from muniment.datasets.reference import (
    CHANGED_MEANWHILE,
    HASHED_AFTER,
    ROLES,
    DatasetReference,
)
from muniment.datasets.sources import Budget, take_all
from muniment.lineage_file import Fault

# MLflow's words for what a data set was for.
_CONTEXTS: Final = {"train": "training", "eval": "evaluation", "test": "evaluation"}
_MAX_STATS: Final = 100_000


@dataclass(frozen=True, slots=True)
class WatchedDataset:
    """A data set and how its files looked when they had been hashed."""

    reference: DatasetReference
    path: Path | None
    look: tuple[tuple[str, int, int], ...] = ()


def parse_data_option(text: str) -> tuple[str, str]:
    """Read ``ROLE=PATH_OR_URI``; without a role it is training data.

    A Delta table's version follows as ``#version=3``.

    Raises:
        ValueError: nothing is named, or the role is none.
    """
    role, equals, what = text.partition("=")
    if not equals or "/" in role:
        role, what = "training", text
    if role not in ROLES:
        raise ValueError(f"the role of a data set is one of {', '.join(ROLES)}, not {role!r}")
    if not what:
        raise ValueError(f"no data set is named after {role}=")
    return role, what


def watch_datasets(
    wanted: Sequence[tuple[str, str]], *, folder: Path, root: Path | None
) -> tuple[list[WatchedDataset], list[Fault]]:
    """Hash data sets, and return them with what could not be hashed."""
    found: list[WatchedDataset] = []
    faults = []
    for role, what in wanted:
        what, version = _version_in(what)
        path = local_path(what, folder)
        try:
            look = _look(path)
            reference = refer(
                what if path is None else path, role=role, version=version, repository=root
            )
        # Libraries of stores raise what they like, and the training is not ours to stop.
        except Exception as error:  # noqa: BLE001
            unread = f"The data set {_shown(what)} is not recorded: {_reason(error)}"
            faults.append(Fault(unread, "data"))
            continue
        if _look(path) != look:
            reference = weakened(reference, CHANGED_MEANWHILE)
        found.append(WatchedDataset(reference, path, look))
    return found, faults


def look_again(watched: Sequence[WatchedDataset]) -> tuple[DatasetReference, ...]:
    """Return the references; of files that changed meanwhile the reference is weak."""
    return tuple(
        weakened(one.reference, CHANGED_MEANWHILE) if _look(one.path) != one.look else one.reference
        for one in watched
    )


def logged_datasets(
    logged: Sequence[LoggedDataset],
    known: Sequence[DatasetReference],
    *,
    folder: Path,
    root: Path | None,
) -> tuple[list[DatasetReference], list[Fault]]:
    """Hash what a run logged with `mlflow.log_input` and that nobody named before.

    Returns:
        the references, and what could not be hashed.
    """
    places = {_place_of(one.uri, folder) for one in known}
    wanted: dict[str, tuple[str, str]] = {}
    for one in logged:
        uri = _uri_of(one)
        if not uri or _place_of(uri, folder) in places:
            continue
        role = _CONTEXTS.get(one.context, one.context)
        wanted[_place_of(uri, folder)] = (role if role in ROLES else "training", uri)
    watched, faults = watch_datasets(list(wanted.values()), folder=folder, root=root)
    found = [one.reference for one in watched]
    return [one if one.is_pinned else weakened(one, HASHED_AFTER) for one in found], faults


def copy_here(what: str, reference: DatasetReference, destination: Path) -> Path:
    """Copy what lies elsewhere into a folder, and return the path of the copy.

    Raises:
        DatasetError: it cannot be read, or its bytes are not those of the reference any more.
    """
    path = destination / reference.name
    budget = Budget(2**63)
    with open_here(what) as source:
        listing = source.listing()
        if listing is None:
            digest = Digest("sha256", source.take("", path, budget).sha256)
        else:
            path.mkdir()
            taken = take_all(source, {name: name for name in listing}, budget, into=path)
            digest = dir_hash_of({name: one.sha256 for name, one in taken.items()})
    if digest != reference.digest:
        raise DatasetChanged(f"{reference.uri} changed while it was read")
    return path


def not_yet(
    more: Sequence[DatasetReference], known: Sequence[DatasetReference]
) -> tuple[DatasetReference, ...]:
    """Return those that are not known under the same role and address."""
    taken = {(one.role, one.uri or one.name) for one in known}
    return tuple(one for one in more if (one.role, one.uri or one.name) not in taken)


def named_apart(datasets: Sequence[DatasetReference]) -> tuple[DatasetReference, ...]:
    """Give data sets of one role different names."""
    taken: set[tuple[str, str]] = set()
    found = []
    for one in datasets:
        name, number = one.name, 2
        while (one.role, name) in taken:
            name, number = f"{one.name[:190]} ({number})", number + 1
        taken.add((one.role, name))
        found.append(replace(one, name=name))
    return tuple(found)


def weakened(reference: DatasetReference, reason: str) -> DatasetReference:
    """Return a reference with one more reason why it does not pin what was read."""
    if reason in reference.weak_reason:
        return reference
    return replace(reference, weak_reason=f"{reason} {reference.weak_reason}".strip()[:600])


def _version_in(what: str) -> tuple[str, int | None]:
    """Take ``#version=3`` off the name of a Delta table."""
    named = re.fullmatch(r"(.+)#version=([0-9]{1,18})", what, re.ASCII)
    return (what, None) if named is None else (named[1], int(named[2]))


def local_path(what: str, folder: Path) -> Path | None:
    """Return the path that a data set's name means; None for another kind of place."""
    if what.startswith("file:"):
        return Path(unquote(urlsplit(what).path))
    return None if "://" in what else Path(os.path.normpath(folder / what))


def _place_of(uri: str, folder: Path) -> str:
    path = local_path(uri, folder)
    return uri if path is None else str(path.resolve())


def _uri_of(logged: LoggedDataset) -> str:
    try:
        source: Any = json.loads(logged.source)
    except ValueError:
        return ""
    if not isinstance(source, dict):
        return ""
    uri = source.get("uri") or source.get("path") or source.get("url")
    return uri if isinstance(uri, str) else ""


def _look(path: Path | None) -> tuple[tuple[str, int, int], ...]:
    if path is None:
        return ()
    return tuple((name, status.st_size, status.st_mtime_ns) for name, status in _statuses(path))


def _statuses(path: Path) -> Iterator[tuple[str, os.stat_result]]:
    try:
        yield "", path.stat()
        if path.is_dir():
            for count, found in enumerate(sorted(path.rglob("*"))):
                if count >= _MAX_STATS:
                    return
                yield str(found), found.lstat()
    except OSError:
        return


def _shown(what: str) -> str:
    scheme, separator, rest = what.partition("://")
    if not separator:
        return what
    host, slash, path = rest.partition("?")[0].partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"


def _reason(error: Exception) -> str:
    if isinstance(error, ImportError):
        return f"{error.name} is not installed (pip install 'muniment[capture]')."
    message = error.message if isinstance(error, AttestError) else str(error)
    return f"{message.rstrip('.')}."
