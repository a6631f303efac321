"""Writing runs, models and versions into a real MLflow server, over its REST API."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx

from lineage.domain.snapshot import VersionSnapshot
from lineage.mlflow import MlflowClient
from tests.instance import INSTANCE

LOCK = b"numpy==2.4.6\nscikit-learn==1.9.1\n"
FILES = {"MLmodel": b"flavors: {}\n", "model.pkl": b"\x80\x05.", "code/train.py": b"pass\n"}


@dataclass(frozen=True, slots=True)
class Logged:
    """A run, its logged model, and the version that was registered from it."""

    run_id: str
    model_id: str
    name: str
    version: int
    run_place: str
    model_place: str


class Trainer:
    """Someone who trains and registers, with an ordinary HTTP client."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=f"{url}/api/2.0/", timeout=30, trust_env=False)

    def __enter__(self) -> Trainer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.close()

    def call(self, method: str, route: str, body: Mapping[str, object]) -> dict[str, Any]:
        answer = self._http.request(method, f"mlflow/{route}", json=dict(body))
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def put(self, place: str, name: str, content: bytes) -> None:
        answer = self._http.put(self._artifact(place, name), content=content)
        assert answer.status_code == 200, answer.text

    def is_refused(self, place: str, name: str, content: bytes) -> bool:
        return self._http.put(self._artifact(place, name), content=content).status_code == 403

    def replace_on_disk(self, place: str, name: str, content: bytes) -> None:
        """Write a file past the server, which refuses it where a version is registered."""
        (self._folder(place) / name).write_bytes(content)

    def delete_on_disk(self, place: str, name: str = "") -> None:
        """Delete a file, or the whole folder, past the server."""
        if name:
            (self._folder(place) / name).unlink()
        else:
            shutil.rmtree(self._folder(place))

    def run(self, tags: Mapping[str, str], params: Mapping[str, str]) -> tuple[str, str]:
        """Make a finished run; return its id and artifact place."""
        info = self.call(
            "POST",
            "runs/create",
            {
                "experiment_id": "0",
                "start_time": 1_795_445_659_328,
                "tags": [{"key": key, "value": value} for key, value in tags.items()],
            },
        )["run"]["info"]
        run_id = info["run_id"]
        pairs = [{"key": key, "value": value} for key, value in params.items()]
        self.call("POST", "runs/log-batch", {"run_id": run_id, "params": pairs})
        finished = {"run_id": run_id, "status": "FINISHED", "end_time": 1_795_445_660_008}
        self.call("POST", "runs/update", finished)
        return run_id, info["artifact_uri"]

    def logged_model(self, run_id: str, files: Mapping[str, bytes]) -> tuple[str, str]:
        """Log model files for a run; return the logged model's id and artifact place."""
        info = self.call(
            "POST",
            "logged-models",
            {"experiment_id": "0", "name": "model", "source_run_id": run_id},
        )["model"]["info"]
        for name, content in files.items():
            self.put(info["artifact_uri"], name, content)
        return info["model_id"], info["artifact_uri"]

    def registered(self, **fields: object) -> tuple[str, int]:
        """Register a model of a new name and one version of it; return name and number."""
        name = f"loans-{uuid4().hex[:12]}"
        self.call("POST", "registered-models/create", {"name": name})
        return name, self.version(name, **fields)

    def version(self, name: str, **fields: object) -> int:
        made = self.call("POST", "model-versions/create", {"name": name, **fields})
        return int(made["model_version"]["version"])

    def train(
        self,
        *,
        name: str | None = None,
        tags: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        files: Mapping[str, bytes] = FILES,
        lock: bytes | None = LOCK,
    ) -> Logged:
        """Do all that a careful training does, except what the caller changes.

        The version is the first of a model of a new name, or the next one of `name`.
        """
        run_id, run_place = self.run(
            careful_tags(lock or LOCK) if tags is None else tags,
            {"seed": "0", "C": "1.0"} if params is None else params,
        )
        if lock is not None:
            self.put(run_place, "environment/requirements.lock.txt", lock)
        model_id, model_place = self.logged_model(run_id, files)
        fields = {"source": f"models:/{model_id}", "model_id": model_id, "run_id": run_id}
        if name is None:
            name, version = self.registered(**fields)
        else:
            version = self.version(name, **fields)
        return Logged(run_id, model_id, name, version, run_place, model_place)

    def _folder(self, place: str) -> Path:
        artifacts = INSTANCE.stack.home.path / "mlflow" / "artifacts"
        return artifacts / place.removeprefix("mlflow-artifacts:/")

    def _artifact(self, place: str, name: str) -> str:
        path = "/".join(filter(None, (place.removeprefix("mlflow-artifacts:/"), name)))
        return f"mlflow-artifacts/artifacts/{quote(path)}"


def careful_tags(lock: bytes) -> dict[str, str]:
    return {
        "mlflow.source.git.commit": "1" * 40,
        "mlflow.source.git.repoURL": "https://git.example.org/team/loans.git",
        "muniment.git.dirty": "false",
        "muniment.dataset.sha256": "d" * 64,
        "muniment.dataset.uri": "s3://bucket/loans.csv",
        "muniment.dataset.name": "loans",
        "muniment.environment.lock_sha256": hashlib.sha256(lock).hexdigest(),
        "muniment.entry_point": "train.py",
    }


def snapshot_of(client: MlflowClient, name: str, version: int) -> VersionSnapshot:
    """Return a version as the mirror would hand it down."""
    row = client.get_model_version(name, version)
    stream = f"muniment://default/models/{name}@{row.creation_timestamp}"
    return VersionSnapshot(
        source_name="default",
        model_name=name,
        version=version,
        version_uri=f"{stream}/versions/{version}",
        stream=stream,
        run_id=row.run_id or None,
        source_uri=row.source or None,
        creation_timestamp_ms=row.creation_timestamp,
        tags=row.tags,
    )
