"""Hashing every byte of a version's files, through the MLflow server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from lineage.domain.artifact_names import UnsafeName, require_name
from lineage.errors import ArtifactMissing, ArtifactRefused, MlflowRefused, MlflowUnavailable
from lineage.mlflow import MlflowClient
from muniment.attest.digest import Digest, dir_hash_of

MAX_FILES: Final = 10_000
MAX_FOLDERS: Final = 2_000
MAX_DEPTH: Final = 20
MAX_TOTAL_BYTES: Final = 64 * 1024**3

Fault = Literal["missing", "refused", "too_large", "unreadable"]


@dataclass(frozen=True, slots=True)
class ArtifactTree:
    """Every file of a version.

    Attributes:
        files: relative POSIX name → SHA-256 in lower-case hex; never empty.
        total_bytes: of all files.
        dir_hash: the in-toto ``dirHash`` of the folder.
    """

    files: Mapping[str, str]
    total_bytes: int
    dir_hash: Digest


@dataclass(frozen=True, slots=True)
class ArtifactsUnreadable:
    """Why there is no tree, in one sentence. A tree of only some of the files is never made.

    ``missing``: MLflow has no file there. ``refused``: a place or a name that is not asked for.
    ``too_large``: more than is hashed. ``unreadable``: MLflow lists it and cannot give it.
    """

    fault: Fault
    reason: str


class _TooLarge(ArtifactRefused):
    """More folders, files or bytes than are hashed."""


def hash_artifacts(client: MlflowClient, artifact_uri: str) -> ArtifactTree | ArtifactsUnreadable:
    """Hash every file below an artifact folder of the MLflow server.

    Raises:
        MlflowUnavailable: MLflow did not answer: nothing can be said, and it should be tried again.
        MlflowRefused: MLflow does not let us read artifacts at all.
    """
    files: dict[str, str] = {}
    total = 0
    try:
        for name in _walk(client, artifact_uri):
            if len(files) >= MAX_FILES:
                raise _TooLarge(f"There are more than {MAX_FILES:,} files.")
            files[name], size = _hash(client, artifact_uri, name, MAX_TOTAL_BYTES - total)
            total += size
    except _TooLarge as error:
        return ArtifactsUnreadable("too_large", str(error))
    except ArtifactRefused as error:
        return ArtifactsUnreadable("refused", str(error))
    except _Unreadable as error:
        return ArtifactsUnreadable("unreadable", str(error))
    except ArtifactMissing as error:
        return ArtifactsUnreadable("missing", str(error))
    if not files:
        return ArtifactsUnreadable(
            "missing", "MLflow has no file where the version's artifacts should be."
        )
    return ArtifactTree(files, total, dir_hash_of(files))


class _Unreadable(ArtifactMissing):
    """MLflow lists it and cannot give it."""


def _walk(client: MlflowClient, artifact_uri: str) -> Iterator[str]:
    """Yield the relative name of every file, each name safe."""
    pending, asked = [""], 0
    while pending:
        folder = pending.pop()
        asked += 1
        if asked > MAX_FOLDERS or folder.count("/") >= MAX_DEPTH:
            raise _TooLarge(f"There are more than {MAX_FOLDERS:,} folders, or too deep ones.")
        for entry in client.list_artifacts(artifact_uri, folder):
            try:
                name = require_name(entry.name)
            except UnsafeName as error:
                raise ArtifactRefused(f"Not read: {error}.") from error
            path = f"{folder}/{name}" if folder else name
            if entry.is_folder:
                pending.append(path)
            else:
                yield path


def _hash(client: MlflowClient, artifact_uri: str, name: str, budget: int) -> tuple[str, int]:
    try:
        return client.hash_artifact(artifact_uri, name, max_bytes=max(budget, 0))
    except MlflowUnavailable as error:
        if error.status is None or error.status >= 502:
            raise
        # The server fails on this one file. Where it still answers, it is the file.
        client.list_artifacts(artifact_uri)
        raise _Unreadable(f"MLflow lists the artifact {name!r} and cannot read it.") from error
    except MlflowRefused as error:
        raise _Unreadable(f"MLflow does not give the artifact {name!r}: {error}") from error
