"""Where the artifacts guard opens, and what it does not know."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def server_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """What `mlflow server` sets in the processes that it starts."""
    for name in ("MUNIMENT_GOVERNED_MODELS", "MUNIMENT_GOVERNED_ALIASES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("_MLFLOW_SERVER_ARTIFACT_DESTINATION", f"muniment+file://{tmp_path}/here")
    clear_guard()
    yield monkeypatch
    clear_guard()


def clear_guard() -> None:
    """Forget what was read from the environment; a server reads it once."""
    from muniment.mlflow.artifacts import _open_guard

    _open_guard.cache_clear()


def open_repository(uri: str) -> Any:
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    return get_artifact_repository(uri)


def assert_does_not_open(uri: str, why: str) -> None:
    from mlflow.exceptions import MlflowException

    with pytest.raises(MlflowException, match=why) as caught:
        open_repository(uri)
    assert caught.value.error_code == "PERMISSION_DENIED"


def test_guard_opens_only_where_it_can_ask_a_registry(
    server_environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    here = f"muniment+file://{tmp_path}/here"
    assert open_repository(f"{here}/0/traces").muniment_root == ("0", "traces")
    assert_does_not_open(f"muniment+file://{tmp_path}/there", "not below the server's")
    server_environment.setenv("_MLFLOW_SERVER_ARTIFACTS_ONLY", "true")
    clear_guard()
    assert_does_not_open(here, "--artifacts-only has no registry")
    server_environment.delenv("_MLFLOW_SERVER_ARTIFACTS_ONLY")
    server_environment.setenv("MUNIMENT_GOVERNED_ALIASES", "champ*")
    assert_does_not_open(here, "MUNIMENT_GOVERNED_ALIASES holds 'champ\\*'")
    server_environment.delenv("_MLFLOW_SERVER_ARTIFACT_DESTINATION")
    assert_does_not_open(here, "for --artifacts-destination of an MLflow server")


@pytest.mark.parametrize("kind", ["local", "s3"])
def test_every_method_of_mlflows_repositories_is_classified(kind: str) -> None:
    from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository
    from mlflow.store.artifact.s3_artifact_repo import S3ArtifactRepository

    from muniment.mlflow.artifacts import FOLDER, HARMLESS, ONE_FILE
    from muniment.mlflow.methods import public_methods

    repository = {"local": LocalArtifactRepository, "s3": S3ArtifactRepository}[kind]
    methods = public_methods(repository)
    known = [*HARMLESS, *ONE_FILE, *FOLDER, "create_presigned_upload_url"]
    assert len(known) == len(set(known))
    assert set(methods) <= set(known)
    for name, file_name in ONE_FILE.items():
        if name in methods:
            assert {"artifact_path", file_name} <= set(inspect.signature(methods[name]).parameters)


def test_writing_method_of_a_newer_mlflow_is_refused(
    server_environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from mlflow.exceptions import MlflowException
    from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository

    from muniment.mlflow.artifacts import ArtifactsGuard, guarded_class

    class Newer(LocalArtifactRepository):  # type: ignore[misc]
        def move_artifact(self, artifact_path: str, new_path: str) -> None:
            raise AssertionError("it was let through")

    guard = ArtifactsGuard(destination=None, files=None, messenger=None)  # type: ignore[arg-type]
    repository = guarded_class(Newer, guard)(str(tmp_path))
    with pytest.raises(MlflowException, match="move_artifact is refused") as caught:
        repository.move_artifact("a", "b")
    assert caught.value.error_code == "PERMISSION_DENIED"
