"""A version whose lineage is whole, to take things away from."""

from __future__ import annotations

from typing import Any

from lineage.domain.captured import LockFile
from lineage.domain.environment import read_environment
from lineage.domain.grading import Origins
from lineage.domain.link import Link, LinkKind
from lineage.domain.rows import DatasetInput, LoggedModel, Run
from lineage.domain.snapshot import VersionSnapshot

RUN_ID = "5" * 32
MODEL_ID = f"m-{'a' * 32}"
LOCK_SHA256 = "c" * 64
TAGS = {
    "mlflow.source.git.commit": "1" * 40,
    "mlflow.source.git.repoURL": "https://git.example.org/team/loans.git",
    "muniment.git.dirty": "false",
    "muniment.dataset.sha256": "d" * 64,
    "muniment.dataset.uri": "s3://bucket/loans.csv",
    "muniment.dataset.name": "loans",
    "muniment.environment.lock_sha256": LOCK_SHA256,
    "muniment.entry_point": "train.py --variant v2",
}


def run(**changes: Any) -> Run:
    """Return a run that recorded everything, with changes."""
    whole: dict[str, Any] = {
        "run_id": RUN_ID,
        "artifact_uri": f"mlflow-artifacts:/1/{RUN_ID}/artifacts",
        "status": "FINISHED",
        "start_time": 1_795_445_659_328,
        "end_time": 1_795_445_660_008,
        "params": {"seed": "0", "C": "1.0"},
        "metrics": {"accuracy": 0.9},
        "tags": TAGS,
        "datasets": (DatasetInput(name="loans", digest="6cc41624"),),
        "model_ids": (MODEL_ID,),
    }
    return Run(**{**whole, **changes})


def lock(text: str = "numpy==2.4.6\n", sha256: str = LOCK_SHA256) -> LockFile:
    return LockFile(sha256, read_environment(text.encode()))


def origins(**changes: Any) -> Origins:
    """Return origins that nothing is wrong with, with changes."""
    return Origins(
        **{
            "run": run(),
            "link": Link(LinkKind.SHOWN),
            "lock": lock(),
            "has_requirements": True,
            **changes,
        }
    )


def without(*names: str) -> dict[str, str]:
    """Return the tags of a whole run without some."""
    return {name: value for name, value in TAGS.items() if name not in names}


def snapshot(**changes: Any) -> VersionSnapshot:
    stream = "muniment://default/models/loans@1795445595597"
    whole: dict[str, Any] = {
        "source_name": "default",
        "model_name": "loans",
        "version": 2,
        "version_uri": f"{stream}/versions/2",
        "stream": stream,
        "run_id": RUN_ID,
        "source_uri": f"models:/{MODEL_ID}",
        "creation_timestamp_ms": 1_795_445_659_977,
    }
    return VersionSnapshot(**{**whole, **changes})


def logged_model(**changes: Any) -> LoggedModel:
    whole: dict[str, Any] = {
        "model_id": MODEL_ID,
        "artifact_uri": f"mlflow-artifacts:/1/models/{MODEL_ID}/artifacts",
        "source_run_id": RUN_ID,
    }
    return LoggedModel(**{**whole, **changes})
