"""A version's own files, fetched to be compared with what a retraining makes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from lineage.artifacts import ArtifactsUnreadable
from lineage.domain.snapshot import VersionSnapshot
from lineage.errors import ArtifactMissing
from lineage.mlflow import MlflowClient
from lineage.services.collect import place_of_artifacts
from muniment.attest.digest import sha256_file


class OriginalChanged(ArtifactMissing):
    """A version's file is not the one that was recorded."""

    code = "original_changed"


def fetch_originals(
    client: MlflowClient, snapshot: VersionSnapshot, files: Mapping[str, str], folder: Path
) -> None:
    """Write the recorded files of a version below a folder, each with the bytes recorded.

    Args:
        files: name → SHA-256, of a lineage record, so that every name is safe.

    Raises:
        ArtifactMissing: one is gone, or `OriginalChanged`.
        MlflowUnavailable, MlflowRefused: MLflow does not answer, or does not let us read.
    """
    place = place_of_artifacts(client, snapshot)
    if isinstance(place, ArtifactsUnreadable):
        raise ArtifactMissing(place.reason)
    for name, sha256 in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        client.download_artifact(place, name, path)
        if sha256_file(path).hex != sha256:
            raise OriginalChanged(f"The version's file {name!r} is not the one that was recorded.")
