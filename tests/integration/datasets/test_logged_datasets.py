"""Data that a run without the kit only logged: found by what DVC tracks at the run's commit."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from lineage.mlflow import MlflowClient
from lineage.services.collect import CollectedLineage, collect_lineage
from muniment.attest.digest import sha256_file
from muniment.datasets import Access, AllowedPlace
from muniment.lineage_file import read_mapping
from tests.integration.datasets.dvc_repository import make_repository, run
from tests.integration.datasets.references import digest_of, fetched
from tests.integration.lineage.trainer import LOCK, Trainer, careful_tags, snapshot_of

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dvc")
    make_repository(folder)
    run(folder, "git", "clone", "-q", "--bare", "loans", "loans.git")
    # The remote's address as all machines would have it.
    config = folder / "loans" / ".dvc" / "config"
    config.write_text(config.read_text().replace("../../store", str(folder / "store")))
    run(folder / "loans", "git", "commit", "-qam", "Where the store lies")
    run(folder / "loans", "git", "push", "-q", str(folder / "loans.git"), "main")
    return folder


@pytest.fixture
def trainer(mlflow_server: str) -> Iterator[Trainer]:
    with Trainer(mlflow_server) as found:
        yield found


@pytest.fixture
def access(made: Path) -> Access:
    return Access((AllowedPlace(str(made / "store")),))


def tags_of(made: Path, **changed: str) -> dict[str, str]:
    tags = {name: value for name, value in careful_tags(LOCK).items() if "dataset" not in name}
    commit = run(made / "loans", "git", "rev-parse", "HEAD").strip()
    return {
        **tags,
        "mlflow.source.git.commit": commit,
        "mlflow.source.git.repoURL": str(made / "loans.git"),
        **{f"muniment.{name}": value for name, value in changed.items()},
    }


def logged(path: str, context: str = "training", name: str = "loans") -> dict[str, Any]:
    """Return a data set as `mlflow.log_input` sends one that was read from a path.

    Of one name and digest MLflow keeps what was said first, so that no digest comes twice.
    """
    return {
        "dataset": {
            "name": name,
            "digest": uuid4().hex[:8],
            "source_type": "local",
            "source": json.dumps({"uri": path}),
        },
        "tags": [{"key": "mlflow.data.context", "value": context}],
    }


def collected(
    trainer: Trainer,
    url: str,
    tags: Mapping[str, str],
    inputs: list[dict[str, Any]],
    *,
    access: Access,
    remotes: tuple[str, ...],
) -> CollectedLineage:
    made = trainer.train(tags=tags)
    trainer.call("POST", "runs/log-inputs", {"run_id": made.run_id, "datasets": inputs})
    client = MlflowClient(url)
    return collect_lineage(
        client,
        snapshot_of(client, made.name, made.version),
        row={"version": 1},
        now=NOW,
        access=access,
        remotes=remotes,
    )


def data_leg(found: CollectedLineage) -> tuple[str, str, str | None]:
    [leg] = [leg for leg in found.legs if leg.name == "data"]
    return leg.grade.value, leg.reason, leg.digest


def test_a_logged_path_that_dvc_tracks_is_named_in_full_and_can_be_fetched(
    trainer: Trainer, mlflow_server: str, made: Path, access: Access, tmp_path: Path
) -> None:
    inputs = [
        logged("/home/somebody/work/loans/data/loans.csv"),
        logged("data/images", "eval", "images"),
        logged("dvc://prepared/clean.csv", "validation", "clean"),
        logged("s3://bucket/other.csv", "training", "other"),
    ]
    found = collected(
        trainer, mlflow_server, tags_of(made), inputs, access=access, remotes=(str(made),)
    )
    grade, reason, digest = data_leg(found)
    assert (grade, digest) == ("recorded", str(sha256_file(made / "loans" / "data" / "loans.csv")))
    assert "pins its bytes" in reason
    named = {item["name"]: item["digest"] for item in found.facts["dependencies"]}
    assert named["evaluation data: images"] == str(digest_of(made / "loans" / "data" / "images"))
    datasets = read_mapping(found.facts["capture"]).datasets
    assert [(one.role, one.place, one.kind) for one in datasets] == [
        ("training", "data/loans.csv", "dvc"),
        ("evaluation", "data/images", "dvc"),
        ("validation", "prepared/clean.csv", "dvc"),
    ]
    for number, reference in enumerate(datasets):
        fetched(reference, tmp_path / str(number), access)


def test_what_is_not_allowed_not_there_or_not_tracked_leaves_the_leg_as_it_was(
    trainer: Trainer, mlflow_server: str, made: Path, access: Access
) -> None:
    tags, remotes, input_ = tags_of(made), (str(made),), [logged("data/loans.csv")]
    elsewhere = Access((AllowedPlace(str(made / "other")),))
    for given, inputs, allowed, remotes_given in (
        (tags, input_, Access(), remotes),
        (tags, input_, access, ()),
        (tags, input_, access, ("https://git.bank.example/",)),
        (tags, input_, elsewhere, remotes),
        ({**tags, "mlflow.source.git.commit": "1" * 40}, input_, access, remotes),
        (tags, [logged("train.py")], access, remotes),
        (tags, [logged("data/../../loans.csv")], access, remotes),
        (tags, [logged("/etc/passwd")], access, remotes),
        (tags, [logged("../../store")], access, remotes),
    ):
        found = collected(
            trainer, mlflow_server, given, inputs, access=allowed, remotes=remotes_given
        )
        assert data_leg(found)[0] == "weak", (inputs, allowed, remotes_given)
        assert "32 bits" in data_leg(found)[1]


def test_without_word_that_the_files_were_as_committed_it_is_weak(
    trainer: Trainer, mlflow_server: str, made: Path, access: Access
) -> None:
    tags = tags_of(made)
    del tags["muniment.git.dirty"]
    found = collected(
        trainer,
        mlflow_server,
        tags,
        [logged("data/loans.csv")],
        access=access,
        remotes=(str(made),),
    )
    assert data_leg(found)[0] == "weak"
    assert "as committed" in data_leg(found)[1]


def test_a_store_whose_bytes_were_changed_names_nothing(
    trainer: Trainer, mlflow_server: str, made: Path, tmp_path: Path
) -> None:
    """The pointer at the commit names another MD5: those bytes are not what was trained on."""
    store = tmp_path / "store"
    shutil.copytree(made / "store", store)
    for path in store.rglob("*"):
        if path.is_file():
            path.chmod(0o644)
            path.write_bytes(b"changed")
    (made / "store").rename(made / "kept")
    store.rename(made / "store")
    try:
        found = collected(
            trainer,
            mlflow_server,
            tags_of(made),
            [logged("data/loans.csv")],
            access=Access((AllowedPlace(str(made / "store")),)),
            remotes=(str(made),),
        )
    finally:
        shutil.rmtree(made / "store")
        (made / "kept").rename(made / "store")
    assert data_leg(found)[0] == "weak"
