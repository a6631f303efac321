"""Data that a run only logged with `mlflow.log_input`, where DVC tracks it at the run's commit."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from lineage.domain.captured import DIRTY_TAG, commit_of, remote_of
from lineage.domain.redaction import bounded
from lineage.domain.rows import DatasetInput, Run
from lineage.recompute.checkout import check_out
from lineage.recompute.errors import RecomputeError
from muniment.datasets import Access, DatasetError, DatasetReference, refer_at_commit

CONTEXT_TAG: Final = "mlflow.data.context"
UNKNOWN_STATE: Final = (
    "Nothing says that the files were as committed, by which DVC's own files are read."
)
_ROLES: Final = {
    **dict.fromkeys(("train", "training", ""), "training"),
    **dict.fromkeys(("val", "valid", "validation"), "validation"),
    **dict.fromkeys(("eval", "evaluation", "test", "testing"), "evaluation"),
}
MAX_LOGGED: Final = 20


def find_logged(
    run: Run, *, access: Access, remotes: Sequence[str]
) -> tuple[DatasetReference, ...]:
    """Return the data sets that a run logged by a path which DVC tracks at its commit.

    The commit is fetched to see that, and the bytes are read from DVC's remote: both only from
    places that an admin allowed. What cannot be had is left out, which says nothing of it.
    """
    commit, remote = commit_of(run), remote_of(run)
    wanted = [(one, path) for one in run.datasets[:MAX_LOGGED] if (path := _path_of(one))]
    if not wanted or commit is None or remote is None or not access.places or not remotes:
        return ()
    weak = "" if run.tags.get(DIRTY_TAG) == "false" else UNKNOWN_STATE
    found: dict[tuple[str, str], DatasetReference] = {}
    with TemporaryDirectory(prefix="muniment-logged-") as folder:
        checkout = Path(folder) / "checkout"
        try:
            check_out(remote, commit, checkout, allowed=remotes)
        except RecomputeError:
            return ()
        for logged, path in wanted:
            reference = _refer(logged, path, checkout, access, weak)
            if reference is not None:
                found.setdefault((reference.role, reference.name), reference)
    return tuple(found.values())


def _refer(
    logged: DatasetInput, path: str, checkout: Path, access: Access, weak_reason: str
) -> DatasetReference | None:
    role = _ROLES.get(logged.tags.get(CONTEXT_TAG, "").lower(), "training")
    for candidate in _in_repository(path):
        name = bounded(logged.name or candidate, 200)
        try:
            found = refer_at_commit(checkout, candidate, access, role=role, name=name)
        except DatasetError:
            return None
        if found is not None:
            return replace(found, weak_reason=weak_reason)
    return None


def _path_of(logged: DatasetInput) -> str:
    """Return the path that MLflow's source names; empty where it names no path."""
    try:
        source: Any = json.loads(logged.source)
    except ValueError:
        return ""
    named = next(
        (
            source[key]
            for key in ("uri", "path", "url")
            if isinstance(source, dict) and isinstance(source.get(key), str)
        ),
        "",
    )
    for scheme in ("dvc://", "file://"):
        if named.startswith(scheme):
            return unquote(urlsplit(named).path if scheme == "file://" else named[len(scheme) :])
    return "" if "://" in named else named


def _in_repository(path: str) -> Iterator[str]:
    """Yield what a path may be called in the repository, the longest first.

    An absolute path says nothing of where the repository began on the machine that trained.
    """
    parts = [part for part in PurePosixPath(path).parts if part not in ("/", ".")]
    if ".." in parts or not parts or len(parts) > 50:
        return
    for start in range(len(parts)) if path.startswith("/") else (0,):
        yield "/".join(parts[start:])
