from __future__ import annotations

import pytest

from lineage.domain.link import LinkKind, judge_link
from tests.unit.lineage.lineage_samples import (
    MODEL_ID,
    RUN_ID,
    logged_model,
    run,
    snapshot,
)

OTHER_RUN = "6" * 32


def test_logged_model_of_the_same_run_shows_the_tie() -> None:
    link = judge_link(snapshot(), run(), logged_model())
    assert (link.kind, link.reason) == (LinkKind.SHOWN, "")


@pytest.mark.parametrize("run_id", [None, ""])
def test_version_without_run_has_no_tie(run_id: str | None) -> None:
    link = judge_link(snapshot(run_id=run_id), None, logged_model())
    assert link.kind is LinkKind.NONE
    assert "names no run" in link.reason


def test_run_that_mlflow_does_not_have_is_no_tie() -> None:
    link = judge_link(snapshot(), None, logged_model())
    assert link.kind is LinkKind.NONE
    assert RUN_ID in link.reason


def test_logged_model_of_another_run_is_only_a_claim() -> None:
    link = judge_link(snapshot(), run(), logged_model(source_run_id=OTHER_RUN))
    assert link.kind is LinkKind.CLAIMED
    assert OTHER_RUN in link.reason


def test_logged_model_that_is_gone_is_only_a_claim() -> None:
    link = judge_link(snapshot(), run(), None)
    assert link.kind is LinkKind.CLAIMED
    assert MODEL_ID in link.reason


@pytest.mark.parametrize(
    "source",
    [
        "s3://elsewhere/model",
        "",
        f"models:/{MODEL_ID}/../other",
        "models:/loans/2",
        f"mlflow-artifacts:/1/{RUN_ID}/artifacts/../../{OTHER_RUN}/artifacts/model",
        f"mlflow-artifacts:/1/{RUN_ID}/artifacts/%2e%2e/x",
        f"mlflow-artifacts:/1/{RUN_ID}/artifacts-of-mine/model",
        f"mlflow-artifacts:/1/{OTHER_RUN}/artifacts/model",
        f"runs:/{OTHER_RUN}/model",
    ],
)
def test_source_from_elsewhere_is_only_a_claim(source: str) -> None:
    link = judge_link(snapshot(source_uri=source), run(), logged_model())
    assert link.kind is LinkKind.CLAIMED


@pytest.mark.parametrize(
    "source", [f"mlflow-artifacts:/1/{RUN_ID}/artifacts/model", f"runs:/{RUN_ID}/model"]
)
def test_source_in_the_runs_folder_is_told_apart(source: str) -> None:
    link = judge_link(snapshot(source_uri=source), run(), None)
    assert link.kind is LinkKind.IN_RUN_FOLDER


def test_run_without_artifact_folder_ties_nothing() -> None:
    link = judge_link(snapshot(source_uri="/etc/passwd"), run(artifact_uri=""), None)
    assert link.kind is LinkKind.CLAIMED


def test_reason_does_not_repeat_credentials() -> None:
    link = judge_link(snapshot(source_uri="https://me:hunter2@example.org/x"), run(), None)
    assert "hunter2" not in link.reason
