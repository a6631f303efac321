"""Collecting lineage from a real MLflow server: whole, and with each thing missing in turn."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lineage.artifacts import ArtifactsUnreadable, ArtifactTree, hash_artifacts
from lineage.domain.leg import Grade, Leg
from lineage.errors import MlflowUnavailable
from lineage.mlflow import MlflowClient
from lineage.services.collect import CollectedLineage, artifacts_of_version, collect_lineage
from lineage.services.rereading import NO_ACCESS
from muniment.attest.digest import Digest, canonical_json, dir_hash
from muniment.attest.predicates import SLSA_PROVENANCE
from muniment.attest.statement import StreamPosition, Subject, build_statement
from muniment.datasets import Access, AllowedPlace
from muniment.lineage_file import read_mapping
from tests.integration.lineage.conftest import HURRIED
from tests.integration.lineage.scripted import Answer, ScriptedServer
from tests.integration.lineage.trainer import FILES, LOCK, Trainer, careful_tags, snapshot_of

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
ROW = {"version": 1, "source": "s3://bucket/model"}


def collected(
    client: MlflowClient, name: str, version: int = 1, *, access: Access = NO_ACCESS
) -> CollectedLineage:
    """Collect, and require that the result can be stated whatever it is."""
    found = collect_lineage(
        client, snapshot_of(client, name, version), row=ROW, now=NOW, access=access
    )
    build_statement(
        subjects=[Subject(found.snapshot.version_uri, found.subject_digest)],
        predicate_type=SLSA_PROVENANCE,
        predicate=found.predicate,
        position=StreamPosition(found.snapshot.stream, 0, None),
    )
    return found


def grades(found: CollectedLineage) -> dict[str, str]:
    return {leg.name: leg.grade.value for leg in found.legs}


def reasons(found: CollectedLineage) -> set[str]:
    return {leg.reason for leg in found.legs}


def test_really_trained_version_is_complete(client: MlflowClient, trained: dict[str, str]) -> None:
    version = int(trained["version"])
    found = collected(client, trained["registered_model"], version)
    assert grades(found) == {
        "code": "recorded",
        "data": "weak",
        "environment": "verified",
        "configuration": "recorded",
    }, found.legs
    assert found.subject_digest.algorithm == "dirHash"
    assert {"MLmodel", "model.pkl", "requirements.txt"} <= set(found.files)
    assert found.facts["commit"] == trained["commit"]
    assert found.facts["remote"] == trained["remote"]
    assert found.facts["seed"] == "0"
    assert found.facts["dataset"]["sha256"] == trained["dataset_sha256"]
    assert found.facts["packages"]["scikit-learn"] == "1.9.1"
    capture = read_mapping(found.facts["capture"])
    assert capture.code.commit == trained["commit"]
    assert capture.command.arguments[1:4] == ("train.py", "--variant", "v2")
    assert capture.command.import_roots == ()
    assert len(capture.datasets) == 1  # named by --data, and logged by the script as well
    assert capture.outputs["model/model.pkl"] == found.files["model.pkl"]
    assert capture.faults == ()
    assert [item["digest"].partition(":")[0] for item in found.facts["dependencies"]] == [
        "gitCommit",
        "sha256",
        "sha256",
    ]
    internal = found.predicate["buildDefinition"]["internalParameters"]
    assert len(internal["muniment_lineage_file"]["sha256"]) == 64


def test_data_that_an_admin_allowed_are_read_again(
    client: MlflowClient, trained: dict[str, str]
) -> None:
    data = Path(trained["data"])
    allowed = Access((AllowedPlace(prefix=str(data.parent)),))

    def graded() -> Leg:
        found = collected(client, trained["registered_model"], access=allowed)
        return next(leg for leg in found.legs if leg.name == "data")

    assert graded().grade is Grade.VERIFIED
    content = data.read_bytes()
    try:
        data.write_bytes(content.replace(b"1", b"2", 1))
        changed = graded()
        data.unlink()
        gone = graded()
    finally:
        data.write_bytes(content)
    assert changed.grade is Grade.WEAK
    assert "now have the digest sha256:" in changed.reason
    assert gone.grade is Grade.WEAK


def test_dir_hash_is_that_of_the_same_files_on_disk(
    client: MlflowClient, trainer: Trainer, tmp_path: Path
) -> None:
    files = {**FILES, "with space/größe.bin": b"\0" * 1000, "empty": b"", "z/y/x": b"deep"}
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    logged = trainer.train(files=files)
    tree = hash_artifacts(client, logged.model_place)
    assert isinstance(tree, ArtifactTree)
    assert tree.dir_hash == dir_hash(tmp_path)
    assert tree.total_bytes == sum(map(len, files.values()))
    assert tree.files["empty"] == hashlib.sha256(b"").hexdigest()


def test_artifact_changed_after_registration_is_another_subject(
    client: MlflowClient, trainer: Trainer
) -> None:
    logged = trainer.train()
    before = collected(client, logged.name)
    assert trainer.is_refused(logged.model_place, "model.pkl", b"\x80\x05N.")
    trainer.replace_on_disk(logged.model_place, "model.pkl", b"\x80\x05N.")
    now = artifacts_of_version(client, before.snapshot)
    assert isinstance(now, ArtifactTree)
    assert now.dir_hash != before.subject_digest


def test_version_without_run_is_missing_in_every_leg(
    client: MlflowClient, trainer: Trainer
) -> None:
    name, _ = trainer.registered(source="s3://bucket/model")
    found = collected(client, name)
    assert set(grades(found).values()) == {"missing"}
    assert reasons(found) == {"The version names no run."}
    assert found.subject_digest == Digest.of_bytes(canonical_json(ROW))


def test_version_of_a_run_that_never_was_is_missing(client: MlflowClient, trainer: Trainer) -> None:
    name, _ = trainer.registered(source="s3://bucket/model", run_id="0" * 32)
    found = collected(client, name)
    assert set(grades(found).values()) == {"missing"}
    (reason,) = reasons(found)
    assert "not in MLflow" in reason


def test_foreign_files_do_not_borrow_a_good_run(client: MlflowClient, trainer: Trainer) -> None:
    good = trainer.train()
    name, _ = trainer.registered(source="s3://elsewhere/model", run_id=good.run_id)
    found = collected(client, name)
    assert set(grades(found).values()) == {"missing"}
    assert found.facts["dependencies"] == []


def test_logged_model_of_one_run_does_not_borrow_another(
    client: MlflowClient, trainer: Trainer
) -> None:
    good, other = trainer.train(), trainer.train(tags={}, params={}, lock=None)
    name, _ = trainer.registered(
        source=f"models:/{other.model_id}", model_id=other.model_id, run_id=good.run_id
    )
    found = collected(client, name)
    assert set(grades(found).values()) == {"missing"}
    (reason,) = reasons(found)
    assert other.run_id in reason


def test_version_in_its_runs_folder_is_weak_and_hashed(
    client: MlflowClient, trainer: Trainer
) -> None:
    good = trainer.train()
    trainer.put(good.run_place, "model/model.pkl", b"\x80\x05.")
    name, _ = trainer.registered(source=f"{good.run_place}/model", run_id=good.run_id)
    found = collected(client, name)
    assert set(grades(found).values()) == {"weak"}
    assert set(found.files) == {"model.pkl"}


def test_run_that_recorded_nothing_is_graded_leg_by_leg(
    client: MlflowClient, trainer: Trainer
) -> None:
    logged = trainer.train(tags={}, params={}, lock=None)
    found = collected(client, logged.name)
    assert grades(found) == {
        "code": "missing",
        "data": "missing",
        "environment": "missing",
        "configuration": "missing",
    }


@pytest.mark.parametrize(
    ("tag", "leg", "grade"),
    [
        ("mlflow.source.git.commit", "code", Grade.MISSING),
        ("muniment.git.dirty", "code", Grade.WEAK),
        ("mlflow.source.git.repoURL", "code", Grade.WEAK),
        ("muniment.dataset.sha256", "data", Grade.MISSING),
        ("muniment.environment.lock_sha256", "environment", Grade.WEAK),
        ("muniment.entry_point", "configuration", Grade.WEAK),
    ],
)
def test_one_tag_missing_lowers_one_leg(
    tag: str, leg: str, grade: Grade, client: MlflowClient, trainer: Trainer
) -> None:
    tags = {name: value for name, value in careful_tags(LOCK).items() if name != tag}
    whole = {
        "code": "recorded",
        "data": "recorded",
        "environment": "verified",
        "configuration": "recorded",
    }
    logged = trainer.train(tags=tags)
    assert grades(collected(client, logged.name)) == {**whole, leg: grade.value}


@pytest.mark.parametrize("content", [b"numpy==2.4.5\n", None], ids=["changed", "deleted"])
def test_lock_file_that_is_not_the_recorded_one_is_weak(
    content: bytes | None, client: MlflowClient, trainer: Trainer
) -> None:
    logged = trainer.train()
    if content is None:
        trainer.delete_on_disk(logged.run_place, "environment/requirements.lock.txt")
    else:
        trainer.put(logged.run_place, "environment/requirements.lock.txt", content)
    assert grades(collected(client, logged.name))["environment"] == "weak"


def test_deleted_artifacts_are_missing_with_the_reason(
    client: MlflowClient, trainer: Trainer
) -> None:
    logged = trainer.train()
    for name in FILES:
        trainer.delete_on_disk(logged.model_place, name)
    found = collected(client, logged.name)
    assert isinstance(found.artifacts, ArtifactsUnreadable)
    assert found.artifacts.fault == "missing"
    assert set(grades(found).values()) == {"missing"}
    (reason,) = reasons(found)
    assert "no file" in reason
    assert found.subject_digest == Digest.of_bytes(canonical_json(ROW))


def test_deleted_logged_model_is_missing_with_the_reason(
    client: MlflowClient, trainer: Trainer
) -> None:
    logged = trainer.train()
    trainer.call("DELETE", f"logged-models/{logged.model_id}", {})
    found = collected(client, logged.name)
    assert set(grades(found).values()) == {"missing"}
    (reason,) = reasons(found)
    assert logged.model_id in reason
    assert isinstance(found.artifacts, ArtifactsUnreadable)


def test_deleted_run_is_weak(client: MlflowClient, trainer: Trainer) -> None:
    logged = trainer.train()
    trainer.call("POST", "runs/delete", {"run_id": logged.run_id})
    found = collected(client, logged.name)
    assert set(grades(found).values()) == {"weak"}


def test_nothing_is_collected_while_mlflow_is_down(
    client: MlflowClient, trainer: Trainer, scripted: ScriptedServer
) -> None:
    logged = trainer.train()
    version = snapshot_of(client, logged.name, 1)
    scripted.answer_in_turn(Answer(503))
    with pytest.raises(MlflowUnavailable):
        collect_lineage(MlflowClient(scripted.url, patience=HURRIED), version, row=ROW, now=NOW)
