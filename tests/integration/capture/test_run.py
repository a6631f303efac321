"""``muniment run`` around real commands: what it records, and that it changes nothing else."""

from __future__ import annotations

import hashlib
import json
import sys

import pytest

from muniment.lineage_file import CAPTURE_TAG, LINEAGE_PATH, LINEAGE_SHA256_TAG, LOCK_PATH
from tests.integration.capture.conftest import Project

PYTHON = sys.executable


def test_a_recorded_training_says_what_it_was_made_of(project: Project) -> None:
    data = project.folder.parent / "loans.csv"
    data.write_bytes(b"a,b\n1,2\n")
    project.environment["PYTHONHASHSEED"] = "0"
    ended = project.run(
        "--data", f"training={data}", "--", PYTHON, "train.py", "--seed", "7", "--data", str(data)
    )
    assert ended.status == 0, ended.said
    assert "No seed is recorded" not in ended.said
    file = project.lineage(ended.run_id)
    assert file.mode == "run"
    assert file.code.commit == project.git("rev-parse", "HEAD")
    assert file.code.remote == project.git("remote", "get-url", "origin")
    assert file.code.is_dirty is False
    assert file.command.arguments == (PYTHON, "train.py", "--seed", "7", "--data", str(data))
    assert file.command.environment["PYTHONHASHSEED"] == "0"
    assert file.seeds == {"seed": "7", "PYTHONHASHSEED": "0"}
    assert file.environment.python == ".".join(map(str, sys.version_info[:3]))
    assert {one.name for one in file.environment.packages} >= {"numpy", "scikit-learn"}
    [dataset] = file.datasets
    assert (dataset.role, dataset.name, dataset.kind) == ("training", "loans.csv", "file")
    assert dataset.digest.hex == hashlib.sha256(data.read_bytes()).hexdigest()
    assert dataset.place == str(data)
    assert file.outputs == {"metrics.txt": hashlib.sha256(b"0.9").hexdigest()}
    tags = project.tags(ended.run_id)
    lock = project.artifact(ended.run_id, LOCK_PATH)
    content = project.artifact(ended.run_id, LINEAGE_PATH)
    assert tags[LINEAGE_SHA256_TAG] == hashlib.sha256(content).hexdigest()
    assert tags["muniment.environment.lock_sha256"] == hashlib.sha256(lock).hexdigest()
    assert file.environment.lock_sha256 == hashlib.sha256(lock).hexdigest()
    assert tags["muniment.git.dirty"] == "false"
    assert tags["muniment.dataset.sha256"] == dataset.digest.hex
    assert tags["muniment.entry_point"] == f"train.py --seed 7 --data {data}"
    assert len(tags[CAPTURE_TAG]) == 36
    assert b"numpy==" in lock


def test_tags_that_were_asked_for_stay_and_a_seed_that_is_missing_is_said(project: Project) -> None:
    project.environment["MLFLOW_RUN_CONTEXT"] = json.dumps({"team": "credit"})
    # It seeds the order of sets, and nothing that is fitted.
    project.environment["PYTHONHASHSEED"] = "0"
    ended = project.run("--", PYTHON, "train.py")
    assert project.tags(ended.run_id)["team"] == "credit"
    assert "No seed is recorded. Seed the training" in ended.said


def test_changes_that_no_commit_holds_are_refused_before_anything_runs(project: Project) -> None:
    (project.folder / "new.py").write_text("pass\n")
    ended = project.run("--", PYTHON, "-c", "print('ran')")
    assert ended.status == 125
    assert ended.output == ""
    assert "?? new.py" in ended.said
    assert "--allow-dirty" in ended.said


def test_allowed_changes_are_recorded_with_the_digest_of_the_difference(project: Project) -> None:
    (project.folder / "new.py").write_text("pass\n")
    ended = project.run("--allow-dirty", "--", PYTHON, "train.py")
    assert ended.status == 0
    code = project.lineage(ended.run_id).code
    assert code.is_dirty is True
    assert len(code.diff_sha256) == 64
    assert project.tags(ended.run_id)["muniment.git.dirty"] == "true"
    (project.folder / "new.py").write_text("fail\n")
    other = project.run("--allow-dirty", "--", PYTHON, "train.py")
    assert project.lineage(other.run_id).code.diff_sha256 != code.diff_sha256


@pytest.mark.parametrize("status", [0, 255])
def test_exit_status_and_streams_are_those_of_the_command(status: int, project: Project) -> None:
    script = (
        "import sys; sys.stdout.write(sys.stdin.read().upper()); "
        f"sys.stderr.write('oh'); sys.exit({status})"
    )
    ended = project.run("--", PYTHON, "-c", script)
    assert ended.status == status
    assert ended.said.startswith("oh")


def test_run_that_is_resumed_is_recorded_by_its_id(project: Project) -> None:
    """MLflow gives no marks to a run that it did not start."""
    first = project.run("--", PYTHON, "train.py")
    project.environment["MLFLOW_RUN_ID"] = first.run_id
    project.run("--", PYTHON, "-c", "pass", "--seed", "9")
    file = project.lineage(first.run_id)
    assert file.seeds == {"seed": "9"}
    digest = hashlib.sha256(project.artifact(first.run_id, LINEAGE_PATH)).hexdigest()
    assert project.tags(first.run_id)[LINEAGE_SHA256_TAG] == digest
