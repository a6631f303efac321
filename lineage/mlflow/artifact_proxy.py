"""Artifacts, through the MLflow server's own proxy: listed, hashed as they stream, downloaded."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeVar

from lineage.domain.artifact_names import UnsafeName, proxy_path, quote_path, require_path
from lineage.domain.rows import ArtifactEntry
from lineage.errors import ArtifactMissing, ArtifactRefused, MlflowMissing, MlflowRefused
from lineage.mlflow import parsing
from lineage.mlflow.transport import Transport

T = TypeVar("T")

MAX_ARTIFACT_BYTES: Final = 64 * 1024**3


class ArtifactProxy:
    """The artifact routes of one MLflow server. Nothing is read from anywhere else."""

    def __init__(self, transport: Transport, pace: Callable[[int], None] | None = None) -> None:
        self._transport = transport
        self._pace = pace

    def list_artifacts(self, artifact_uri: str, folder: str = "") -> tuple[ArtifactEntry, ...]:
        """Return what a folder of artifacts holds, not deeper; names are not trusted yet.

        A folder that does not exist is empty: MLflow does not tell the two apart.

        Raises:
            ArtifactRefused: the place is not one that this server serves, or its name is unsafe.
        """
        names = self._proxy_path(artifact_uri, folder)
        answer = self._transport.get_json(
            "/mlflow-artifacts/artifacts", {"path": "/".join(names)} if names else {}
        )
        return parsing.artifact_entries(answer)

    def hash_artifact(
        self, artifact_uri: str, path: str, *, max_bytes: int = MAX_ARTIFACT_BYTES
    ) -> tuple[str, int]:
        """Return an artifact's SHA-256 in lower-case hex, and its bytes counted; memory is flat.

        Raises:
            ArtifactMissing: it is not there; ArtifactRefused: a name or size we do not read.
        """

        def consume(chunks: Iterator[bytes]) -> tuple[str, int]:
            digest, size = hashlib.sha256(), 0
            for chunk in chunks:
                digest.update(chunk)
                size += len(chunk)
            return digest.hexdigest(), size

        return self._read(artifact_uri, path, consume, max_bytes)

    def read_artifact(self, artifact_uri: str, path: str, *, max_bytes: int) -> bytes:
        """Return an artifact's bytes.

        Raises:
            As `hash_artifact`.
        """
        return self._read(artifact_uri, path, b"".join, max_bytes)

    def download_artifact(
        self,
        artifact_uri: str,
        path: str,
        destination: Path,
        *,
        max_bytes: int = MAX_ARTIFACT_BYTES,
    ) -> None:
        """Write an artifact's bytes to a file, replacing it.

        Raises:
            As `hash_artifact`; the file may then hold a part.
        """

        def consume(chunks: Iterator[bytes]) -> None:
            with destination.open("wb") as file:
                for chunk in chunks:
                    file.write(chunk)

        self._read(artifact_uri, path, consume, max_bytes)

    def _proxy_path(self, artifact_uri: str, path: str) -> tuple[str, ...]:
        try:
            folder = proxy_path(artifact_uri, server_hosts=self._transport.hosts)
            return (*folder, *require_path(path)) if path else folder
        except UnsafeName as error:
            raise ArtifactRefused(f"Not read: {error}.") from error

    def _read(
        self,
        artifact_uri: str,
        path: str,
        consume: Callable[[Iterator[bytes]], T],
        max_bytes: int,
    ) -> T:
        names = self._proxy_path(artifact_uri, path)
        route = f"/mlflow-artifacts/artifacts/{quote_path(names)}"
        try:
            return self._transport.read(
                route, lambda chunks: consume(self._paced(chunks)), max_bytes=max_bytes
            )
        except MlflowMissing as error:
            raise ArtifactMissing(f"The artifact {path!r} is not there.") from error
        except ArtifactRefused as error:
            raise ArtifactRefused(f"The artifact {path!r} is not read. {error}") from error
        except MlflowRefused as error:
            if error.status == 400:
                raise ArtifactRefused(f"MLflow does not give the artifact {path!r}.") from error
            raise

    def _paced(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            if self._pace is not None:
                self._pace(len(chunk))
            yield chunk
