"""Collecting what a lineage file says, from a real MLflow server; whoever trained wrote it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lineage.errors import CaptureUnfinished
from lineage.mlflow import MlflowClient
from lineage.services.collect import collect_lineage
from muniment.attest.digest import Digest
from muniment.datasets import Access, AllowedPlace, DatasetReference
from muniment.lineage_file import (
    CAPTURE_TAG,
    LINEAGE_PATH,
    LINEAGE_SHA256_TAG,
    LOCK_PATH,
    CapturedEnvironment,
    Code,
    Command,
    LineageFile,
    Package,
    read_mapping,
)
from tests.integration.lineage.test_collect import ROW, collected, grades
from tests.integration.lineage.trainer import FILES, LOCK, Logged, Trainer, snapshot_of

FILE = LineageFile(
    captured_at="2026-11-25T10:00:00Z",
    kit="0.1.0",
    mode="run",
    code=Code("1" * 40, "https://git.example.org/team/loans.git", is_dirty=False),
    command=Command(("python", "train.py", "--seed", "7")),
    seeds={"seed": "7"},
    environment=CapturedEnvironment(
        "3.11.7",
        "cpython",
        "linux-x86_64",
        hashlib.sha256(LOCK).hexdigest(),
        packages=(Package("numpy", "2.4.6"), Package("scikit-learn", "1.9.1")),
    ),
    datasets=(
        DatasetReference(
            "training",
            "loans",
            "object",
            "s3://bucket/loans.csv",
            Digest("sha256", "d" * 64),
            12,
            details={"version_id": "v1"},
        ),
    ),
)
WHOLE = {
    "code": "recorded",
    "data": "recorded",
    "environment": "verified",
    "configuration": "recorded",
}


def recorded(
    trainer: Trainer, content: bytes, *, sha256: str = "", lock: bytes | None = LOCK
) -> Logged:
    """Train, and record as the kit does, except what the caller changes."""
    tags = {LINEAGE_SHA256_TAG: sha256 or hashlib.sha256(content).hexdigest(), CAPTURE_TAG: "x"}
    logged = trainer.train(tags=tags, params={"C": "1.0"}, lock=None)
    trainer.put(logged.run_place, LINEAGE_PATH, content)
    if lock is not None:
        trainer.put(logged.run_place, LOCK_PATH, lock)
    return logged


def test_file_alone_makes_a_whole_record(client: MlflowClient, trainer: Trainer) -> None:
    found = collected(client, recorded(trainer, FILE.to_bytes()).name)
    assert grades(found) == WHOLE
    assert read_mapping(found.facts["capture"]) == FILE
    assert found.facts["commit"] == "1" * 40
    assert found.facts["seed"] == "7"
    assert found.facts["packages"] == {"numpy": "2.4.6", "scikit-learn": "1.9.1"}


def test_other_bytes_than_the_tag_names_are_not_believed(
    client: MlflowClient, trainer: Trainer
) -> None:
    better = replace(FILE, code=replace(FILE.code, commit="2" * 40))
    logged = recorded(trainer, better.to_bytes(), sha256=hashlib.sha256(b"x").hexdigest())
    found = collected(client, logged.name)
    assert set(grades(found).values()) <= {"weak", "missing"}
    assert found.facts["commit"] is None
    assert found.facts["capture"] is None
    assert all("not the one that was recorded" in leg.reason for leg in found.legs)


def test_file_that_is_gone_is_said_to_be(client: MlflowClient, trainer: Trainer) -> None:
    logged = recorded(trainer, FILE.to_bytes())
    trainer.delete_on_disk(logged.run_place, LINEAGE_PATH)
    found = collected(client, logged.name)
    assert set(grades(found).values()) <= {"weak", "missing"}
    assert all("cannot be read" in leg.reason for leg in found.legs)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\x00",
        b"[" * 200_000,
        b'{"format": 1e999}',
        json.dumps({**FILE.as_mapping(), "datasets": [{}]}).encode(),
        json.dumps({**FILE.as_mapping(), "mode": "run\x00"}).encode(),
        json.dumps({**FILE.as_mapping(), "mode": "\ud800"}).encode(),
    ],
    ids=["empty", "no-text", "deep", "number", "dataset", "nul", "surrogate"],
)
def test_malformed_file_is_graded_with_the_reason(
    content: bytes, client: MlflowClient, trainer: Trainer
) -> None:
    found = collected(client, recorded(trainer, content).name)
    assert set(grades(found).values()) <= {"weak", "missing"}
    assert all("malformed" in leg.reason for leg in found.legs)


@pytest.mark.parametrize("lock", [b"numpy==2.4.5\n", None], ids=["changed", "gone"])
def test_lock_that_is_not_the_recorded_one_is_weak(
    lock: bytes | None, client: MlflowClient, trainer: Trainer
) -> None:
    found = collected(client, recorded(trainer, FILE.to_bytes(), lock=lock).name)
    assert grades(found) == {**WHOLE, "environment": "weak"}


def test_packages_that_the_lock_does_not_name_are_not_believed(
    client: MlflowClient, trainer: Trainer
) -> None:
    other = replace(
        FILE, environment=replace(FILE.environment, packages=(Package("numpy", "9.9"),))
    )
    found = collected(client, recorded(trainer, other.to_bytes()).name)
    assert grades(found) == {**WHOLE, "environment": "weak"}


def test_places_that_nobody_allowed_are_not_opened(
    client: MlflowClient, trainer: Trainer, tmp_path: Path
) -> None:
    secret, allowed = tmp_path / "secret", tmp_path / "data"
    secret.write_text("s3cr3t")
    allowed.mkdir()
    (allowed / "link").symlink_to(secret)
    digest = Digest("sha256", hashlib.sha256(b"s3cr3t").hexdigest())
    for number, place in enumerate((secret, allowed / "link", allowed / ".." / "secret")):
        stolen = replace(FILE.datasets[0], kind="file", uri=f"file://{place}", digest=digest)
        file = replace(FILE, datasets=(replace(stolen, name=str(number), weak_reason="It can."),))
        logged = recorded(trainer, file.to_bytes())
        found = collected(client, logged.name, access=Access((AllowedPlace(prefix=str(allowed)),)))
        assert grades(found)["data"] == "weak"


def test_list_without_end_is_read_a_few_times_only(
    client: MlflowClient, trainer: Trainer, tmp_path: Path
) -> None:
    data = tmp_path / "loans.csv"
    data.write_text("1")
    digest = Digest("sha256", hashlib.sha256(b"1").hexdigest())
    many = tuple(
        replace(FILE.datasets[0], kind="file", name=str(number), uri=data.as_uri(), digest=digest)
        for number in range(1_000)
    )
    found = collected(
        client,
        recorded(trainer, replace(FILE, datasets=many).to_bytes()).name,
        access=Access((AllowedPlace(prefix=str(tmp_path)),)),
    )
    assert grades(found)["data"] == "verified"
    names = [item["name"] for item in found.facts["dependencies"]]
    assert names == ["code", "data: 1000 data sets", "environment lock"]


def test_training_that_still_runs_is_waited_for(client: MlflowClient, trainer: Trainer) -> None:
    """A version is registered in the middle of it; its lineage file comes at the end."""
    info = trainer.call(
        "POST",
        "runs/create",
        {
            "experiment_id": "0",
            "start_time": int(datetime.now(UTC).timestamp() * 1000),
            "tags": [{"key": CAPTURE_TAG, "value": "x"}],
        },
    )["run"]["info"]
    run_id, place = info["run_id"], info["artifact_uri"]
    model_id, _ = trainer.logged_model(run_id, FILES)
    name, _ = trainer.registered(source=f"models:/{model_id}", model_id=model_id, run_id=run_id)
    snapshot = snapshot_of(client, name, 1)
    now = datetime.now(UTC)

    def grades_at(moment: datetime) -> dict[str, str]:
        found = collect_lineage(client, snapshot, row=ROW, now=moment)
        return {leg.name: leg.grade.value for leg in found.legs}

    with pytest.raises(CaptureUnfinished, match=run_id):
        grades_at(now + timedelta(hours=40))
    # Whoever records was killed: what is there is graded.
    assert grades_at(now + timedelta(hours=49))["code"] == "missing"
    ended = int(now.timestamp() * 1000)
    trainer.call("POST", "runs/update", {"run_id": run_id, "status": "FINISHED", "end_time": ended})
    with pytest.raises(CaptureUnfinished):
        grades_at(now + timedelta(minutes=4))
    assert grades_at(now + timedelta(minutes=6))["code"] == "missing"
    trainer.put(place, LINEAGE_PATH, FILE.to_bytes())
    trainer.put(place, LOCK_PATH, LOCK)
    digest = hashlib.sha256(FILE.to_bytes()).hexdigest()
    trainer.call(
        "POST", "runs/set-tag", {"run_id": run_id, "key": LINEAGE_SHA256_TAG, "value": digest}
    )
    assert grades_at(now)["code"] == "recorded"
