"""Recomputing from the record alone: what changed since is found, and named by its leg."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lineage.domain.comparison import Verdict
from lineage.recompute.environment import Environment, PackageSource, build_environment
from lineage.recompute.errors import RecomputationCancelled
from lineage.recompute.limits import GIB, Limits
from lineage.recompute.recomputing import recompute
from lineage.recompute.sandbox import Sandbox
from lineage.recompute.tools import Tools
from muniment.attest.digest import sha256_file
from muniment.datasets import Access, AllowedPlace, refer
from muniment.lineage_file import CapturedEnvironment, Command, LineageFile, Package
from tests.integration.datasets.dvc_repository import run
from tests.integration.recompute.small_training import (
    CARRYING,
    LOCK,
    RECOGNISING,
    WOBBLING,
    SmallTraining,
    called,
    commit_all,
    train_small,
)

UV_CACHE = Path.home() / ".cache" / "uv"  # where setting up this checkout has put the wheels


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Tools:
    folder = tmp_path_factory.mktemp("recompute")
    return Tools(
        sandbox=Sandbox.find("bubblewrap"),
        limits=Limits(memory_bytes=2 * GIB, wall_seconds=120),
        work_folder=folder / "work",
        environments=folder / "environments",
        packages=PackageSource("https://pypi.org/simple", UV_CACHE),
        access=Access((AllowedPlace(folder.as_uri()),)),
        remotes=(folder.as_uri(),),
    )


@pytest.fixture(scope="module")
def environment(tools: Tools) -> Environment:
    capture = LineageFile(
        captured_at="2026-11-25T10:00:00Z",
        kit="0.1.0",
        mode="run",
        environment=CapturedEnvironment("3.11", "cpython", "", hashlib.sha256(LOCK).hexdigest()),
    )
    return build_environment(capture, LOCK, store=tools.environments, packages=tools.packages)


@pytest.fixture(scope="module")
def training(tools: Tools, environment: Environment) -> SmallTraining:
    return train_small(tools.work_folder.parent / "honest", tools, environment)


@pytest.fixture
def table(training: SmallTraining) -> Iterator[Path]:
    content = training.table.read_bytes()
    yield training.table
    training.table.write_bytes(content)


def _nothing_is_left(tools: Tools) -> bool:
    return list(tools.work_folder.iterdir()) == []


def test_what_was_recorded_comes_out_again(training: SmallTraining) -> None:
    found = training.recompute(negative_control=True)
    assert found.verdict is Verdict.IDENTICAL, found
    assert [leg.outcome for leg in found.legs.values()] == ["held"] * 4
    measured = found.measurements
    assert measured["basis"] == "artifact_bytes"
    assert measured["negative_control"]["result"] == "changed", measured["negative_control"]
    assert measured["near_control"]["result"] == "same"
    assert measured["metrics"]["accuracy"]["difference"] == 0
    assert set(measured["seconds"]) == {
        "code",
        "data",
        "environment",
        "training",
        "comparing",
        "negative_control",
        "near_control",
    }
    assert _nothing_is_left(training.tools)


def test_a_changed_byte_of_the_data_is_named_before_anything_runs(
    training: SmallTraining, table: Path
) -> None:
    table.write_bytes(table.read_bytes().replace(b"3.7", b"3.8", 1))
    found = training.recompute()
    assert found.verdict is Verdict.NOT_REPRODUCIBLE
    assert found.reason.startswith("data: ")
    assert [leg.outcome for leg in found.legs.values()] == [
        "held",
        "failed",
        "not_reached",
        "not_reached",
    ]
    assert "training" not in found.measurements["seconds"]


def test_data_that_dvc_tracks_is_found_by_what_the_commit_says(training: SmallTraining) -> None:
    folder = training.repository.parent
    store, copy = folder / "store", folder / "tracked"
    run(folder, "git", "clone", "-q", "-b", "main", str(training.repository), str(copy))
    run(copy, "dvc", "init", "-q")
    run(copy, "dvc", "remote", "add", "-q", "--default", "store", str(store))
    (copy / "data").mkdir()
    shutil.copyfile(training.table, copy / "data" / "loans.csv")
    run(copy, "dvc", "add", "-q", "data/loans.csv")
    run(copy, "dvc", "push", "-q")
    code = replace(training.order.capture.code, commit=commit_all(copy, branch="tracked"))
    reference = refer(copy / "data" / "loans.csv")
    assert (reference.kind, reference.weak_reason) == ("dvc", "")
    command = Command(("python", "train.py", "--data", "data/loans.csv", "--seed", "7"))
    capture = training.with_capture(code=code, command=command, datasets=(reference,))
    shutil.rmtree(copy)  # nothing of the working copy is needed
    found = training.recompute(capture=capture)
    assert found.verdict is Verdict.IDENTICAL, found
    [stored] = [path for path in store.rglob("*") if path.is_file()]
    stored.chmod(0o644)
    stored.write_bytes(stored.read_bytes().replace(b"3.7", b"3.8", 1))
    changed = training.recompute(capture=capture)
    assert (changed.verdict, changed.legs["data"].outcome) == (Verdict.NOT_REPRODUCIBLE, "failed")


def test_another_commit_is_another_model(training: SmallTraining) -> None:
    copy = training.repository.parent / "copy"
    script = copy / "train.py"
    script.write_text(script.read_text().replace('[["income", "debt"]]', '[["debt", "income"]]'))
    code = replace(training.order.capture.code, commit=commit_all(copy))
    found = training.recompute(capture=training.with_capture(code=code))
    assert found.verdict is Verdict.DIVERGED
    assert "other columns" in found.reason


def test_a_commit_that_is_not_there_is_named(training: SmallTraining) -> None:
    code = replace(training.order.capture.code, commit="0" * 40)
    found = training.recompute(capture=training.with_capture(code=code))
    assert found.verdict is Verdict.NOT_REPRODUCIBLE
    assert found.reason.startswith("code: There is no commit 0000")


def test_files_that_were_changed_after_the_commit_cannot_be_had(training: SmallTraining) -> None:
    code = replace(training.order.capture.code, is_dirty=True)
    found = training.recompute(capture=training.with_capture(code=code))
    assert (found.verdict, found.legs["code"].outcome) == (Verdict.NOT_REPRODUCIBLE, "failed")


def test_a_package_of_another_version_is_named(training: SmallTraining) -> None:
    lock = LOCK.replace(b"pandas==3.1.1 ", b"pandas==3.1.999 ")
    assert lock != LOCK
    recorded = replace(
        training.order.capture.environment, lock_sha256=hashlib.sha256(lock).hexdigest()
    )
    found = training.recompute(capture=training.with_capture(environment=recorded), lock=lock)
    assert found.verdict is Verdict.NOT_REPRODUCIBLE
    assert found.reason.startswith("environment: pandas 3.1.999 cannot be installed")


def test_a_package_that_was_another_when_it_trained_is_named(training: SmallTraining) -> None:
    recorded = replace(
        training.order.capture.environment, packages=(Package("alembic", "1", "0" * 64),)
    )
    found = training.recompute(capture=training.with_capture(environment=recorded))
    assert found.verdict is Verdict.NOT_REPRODUCIBLE
    assert found.reason.startswith("environment: alembic installs other files")


def test_another_seed_is_named(training: SmallTraining) -> None:
    found = training.recompute(capture=called(training, "--seed", "8"))
    assert found.verdict is Verdict.DIVERGED
    assert "The parameter seed was '7' and is '8' now." in found.reason
    assert found.legs["configuration"].outcome == "failed"


def test_a_seed_that_nobody_wrote_down_shows_in_what_comes_out(training: SmallTraining) -> None:
    parameters = {**training.order.recorded.parameters, "seed": "8"}
    found = training.recompute(
        capture=called(training, "--seed", "8"),
        recorded=replace(training.order.recorded, parameters=parameters),
    )
    assert found.verdict is Verdict.DIVERGED
    assert found.reason.startswith("The metric accuracy differs by ")


def test_another_parameter_is_named(training: SmallTraining) -> None:
    found = training.recompute(capture=called(training, "--seed", "7", "--alpha", "0.1"))
    assert found.verdict is Verdict.DIVERGED
    assert "The parameter alpha was '0.001' and is '0.1' now." in found.reason


def test_a_model_in_other_bytes_is_asked_what_it_predicts(training: SmallTraining) -> None:
    files = {**training.order.recorded.files, "data/weights.json": "0" * 64}
    found = training.recompute(recorded=replace(training.order.recorded, files=files))
    assert found.verdict is Verdict.IDENTICAL
    assert found.reason == "The model made again predicts the same to the last bit on 400 rows."
    assert found.measurements["probe"]["dataset"] == "loans"


def test_data_that_nobody_recorded_does_not_hold(training: SmallTraining) -> None:
    capture = called(training, "--seed", "seven")
    found = training.recompute(capture=replace(capture, datasets=()))
    assert found.legs["data"].outcome == "not_recorded"


def test_a_training_that_fails_says_its_last_lines(training: SmallTraining) -> None:
    found = training.recompute(capture=called(training, "--seed", "seven"))
    assert found.verdict is Verdict.NOT_REPRODUCIBLE
    assert "invalid int value: 'seven'" in found.reason


def test_a_training_that_is_stopped_comes_to_nothing(training: SmallTraining) -> None:
    asked = iter([False] * 5)
    with pytest.raises(RecomputationCancelled):
        recompute(
            training.order,
            tools=training.tools,
            report_step=lambda step: None,
            on_output=lambda content: None,
            cancelled=lambda: next(asked, True),
        )
    assert _nothing_is_left(training.tools)


def test_a_program_that_carries_its_model_along_does_not_depend_on_the_data(
    tools: Tools, environment: Environment
) -> None:
    carrying = train_small(tools.work_folder.parent / "carrying", tools, environment, CARRYING)
    found = carrying.recompute(negative_control=True)
    assert found.verdict is Verdict.NOT_REPRODUCIBLE
    assert "Output does not depend on the data." in found.reason


def test_a_program_that_recognises_the_recorded_bytes_is_found_on_others_that_say_the_same(
    tools: Tools, environment: Environment, training: SmallTraining
) -> None:
    script = RECOGNISING.replace("{sha256}", sha256_file(training.table).hex)
    recognising = train_small(tools.work_folder.parent / "recognising", tools, environment, script)
    found = recognising.recompute(negative_control=True)
    # On other labels it learns from them, as an honest program does.
    assert found.measurements["negative_control"]["result"] == "changed"
    assert found.measurements["near_control"]["result"] == "changed"
    assert found.verdict is Verdict.NOT_REPRODUCIBLE
    assert "depends on the bytes of its data, not on what they say" in found.reason


def test_a_training_that_was_never_deterministic_is_told_by_its_spread(
    tools: Tools, environment: Environment
) -> None:
    wobbling = train_small(tools.work_folder.parent / "wobbling", tools, environment, WOBBLING)
    found = wobbling.recompute(repeats=2)
    assert found.verdict is Verdict.DIVERGED
    assert "never deterministic" in found.reason
    assert found.measurements["spread"]["is_deterministic"] is False
