"""Versions that lack something, and predictions that are none: graded, judged, never passed."""

from __future__ import annotations

import hashlib
from typing import Any

import pandas as pd
import pytest
from django.utils import timezone

from audits.models import Evidence, Job
from audits.services.evidence import open_job
from lineage.models import LineageRecord
from registry.domain.evaluation import Decision
from registry.models import ModelVersion
from registry.services.evaluation import evaluate_version
from tests.integration.lineage.trainer import LOCK, careful_tags
from tests.integration.registry.live import MODEL, LiveRegistry
from tests.integration.registry.predictions import columns_of, parquet, predictions_of


def without(*names: str) -> dict[str, str]:
    return {name: text for name, text in careful_tags(LOCK).items() if name not in names}


def decision_of(version: ModelVersion) -> Decision:
    found = evaluate_version(version=version, alias="champion", as_of=timezone.now()).decision
    assert found is not None
    return found


def legs_of(version: ModelVersion) -> dict[str, str]:
    record = LineageRecord.objects.filter(version_uri=version.uri).latest("entry_id")
    return {name: leg["grade"] for name, leg in record.legs.items()}


@pytest.fixture
def model(live: LiveRegistry) -> LiveRegistry:
    live.new_model()
    return live


def recorded(live: LiveRegistry) -> ModelVersion:
    """Mirror and record whatever was registered; return the one version."""
    live.walk()
    live.bind()
    live.work()
    return live.version(1)


def require_denial(version: ModelVersion, *words: str) -> None:
    """Pass a version that is denied for its lineage, in these words, with nothing under way."""
    assert not Job.objects.filter(status__in=["queued", "running"]).exists()
    decision = decision_of(version)
    gate = decision.gates[0]
    assert decision.verdict.value == "deny"
    assert gate.outcome.value == "unsatisfied"
    for word in words:
        assert word in gate.reason
    assert gate.reason in decision.reasons


def test_a_version_with_everything_is_not_denied_for_its_lineage(model: LiveRegistry) -> None:
    model.train()
    version = recorded(model)
    assert legs_of(version) == {
        "code": "recorded",
        "data": "recorded",
        "environment": "verified",
        "configuration": "recorded",
    }
    assert decision_of(version).gates[0].outcome.value == "satisfied"


def test_without_a_run(model: LiveRegistry) -> None:
    model.new_version()
    version = recorded(model)
    assert set(legs_of(version).values()) == {"missing"}
    require_denial(version, "code is missing (The version names no run)")
    # A version without artifacts has as subject its canonical row.
    assert LineageRecord.objects.get().subject_digest == f"sha256:{version.row_hash}"


def test_with_a_run_that_is_not_there(model: LiveRegistry) -> None:
    model.new_version(run_id="0" * 32)
    version = recorded(model)
    assert set(legs_of(version).values()) == {"missing"}
    require_denial(version, "not in MLflow")
    # Its predictions were with the run.
    assert {item.conclusion for item in Evidence.objects.all()} == {"error"}
    assert "not in MLflow" in Evidence.objects.first().reasons[0]  # type: ignore[union-attr]


def test_without_a_commit(model: LiveRegistry) -> None:
    model.train(tags=without("mlflow.source.git.commit"))
    version = recorded(model)
    assert legs_of(version)["code"] == "missing"
    require_denial(version, "commit")


def test_with_uncommitted_changes(model: LiveRegistry) -> None:
    model.train(tags=careful_tags(LOCK) | {"muniment.git.dirty": "true"})
    version = recorded(model)
    assert legs_of(version)["code"] == "weak"
    require_denial(version)


def test_without_a_data_set(model: LiveRegistry) -> None:
    model.train(
        tags=without("muniment.dataset.sha256", "muniment.dataset.uri", "muniment.dataset.name")
    )
    version = recorded(model)
    assert legs_of(version)["data"] == "missing"
    require_denial(version, "data")


def test_without_its_files(model: LiveRegistry) -> None:
    logged = model.train()
    model.trainer.delete_on_disk(logged.model_place)
    version = recorded(model)
    require_denial(version, "file")
    assert LineageRecord.objects.get().artifacts == {}


def test_what_is_deleted_in_mlflow_while_it_waits_is_still_recorded(model: LiveRegistry) -> None:
    logged = model.train()
    model.walk()
    model.trainer.call("POST", "runs/delete", {"run_id": logged.run_id})
    model.bind()
    model.work()
    assert LineageRecord.objects.count() == 1
    assert Job.objects.filter(status=Job.Status.FAILED).count() == 0


GOOD = columns_of("v2")
PEOPLE = len(GOOD["label"])


def changed(**columns: Any) -> bytes:
    found = {**GOOD, **columns}
    return parquet({name: values for name, values in found.items() if values is not None})


def first(value: Any, column: str) -> list[Any]:
    return [value, *GOOD[column][1:]]


FAULTS: dict[str, tuple[bytes | None, str]] = {
    "no file": (None, "is not there"),
    "empty file": (b"", "the file is empty"),
    "cut off": (b"PAR1 but no more", "cannot be read"),
    "a pickle": (b"\x80\x05.", "is not Parquet"),
    "no rows": (parquet({name: [] for name in GOOD}), "no rows"),
    "no label": (changed(label=None), "column label is missing"),
    "no prediction": (changed(prediction=None), "column prediction is missing"),
    "no race": (changed(race=None), "column race is missing"),
    "no sex": (changed(sex=None), "column sex is missing"),
    "NaN in label": (changed(label=first(float("nan"), "label")), "label"),
    "NaN in prediction": (changed(prediction=first(float("nan"), "prediction")), "prediction"),
    "null in label": (changed(label=first(None, "label")), "label"),
    "unknown label": (changed(label=first(2, "label")), "label"),
    "unknown prediction": (changed(prediction=first(-1, "prediction")), "prediction"),
    "words as labels": (changed(label=["maybe"] * PEOPLE), "label"),
    "a row twice": (changed(row_id=first(1, "row_id")), "row_id"),
    "a thousand groups": (changed(race=[f"g{row}" for row in range(PEOPLE)]), "race"),
}


def test_predictions_that_are_none_are_errors_and_pass_no_gate(model: LiveRegistry) -> None:
    """One version for all of them: the newest evidence counts, so each is judged alone."""
    logged = model.train()
    version = recorded(model)
    for name, (content, words) in FAULTS.items():
        if content is not None:
            model.trainer.put(logged.run_place, "predictions.parquet", content)
        before = set(Evidence.objects.values_list("pk", flat=True))
        order(version)
        model.work()
        found = Evidence.objects.exclude(pk__in=before)
        assert {item.kind for item in found} == {"bias", "performance"}, name
        for item in found:
            assert item.conclusion == "error", (name, item.kind, item.conclusion)
            assert words in " ".join(item.reasons), (name, item.reasons)
            assert item.measurements == {}, name
        decision = decision_of(version)
        assert decision.verdict.value == "deny", name
        outcomes = {gate.id: gate.outcome.value for gate in decision.gates}
        assert outcomes["bias-race"] == "insufficient", name
        assert outcomes["balanced-accuracy"] == "insufficient", name
    model.trainer.put(logged.run_place, "predictions.parquet", predictions_of("v2"))
    order(version)
    model.work()
    assert decision_of(version).verdict.value == "pending"


def order(version: ModelVersion) -> None:
    open_job(
        kind=Job.Kind.PREDICTIONS_AUDIT,
        version_uri=version.uri,
        requested_by=None,
        now=timezone.now(),
    )


def test_more_groups_than_the_log_holds_are_an_error_that_says_so(model: LiveRegistry) -> None:
    logged = model.train()
    races = [f"A group with a rather long name, number {row % 100}" for row in range(PEOPLE)]
    model.trainer.put(logged.run_place, "predictions.parquet", changed(race=races))
    version = recorded(model)
    bias = Evidence.objects.get(kind="bias")
    assert bias.conclusion == "error"
    assert "too many groups" in bias.reasons[0]
    assert Evidence.objects.get(kind="performance").conclusion == "pass"
    assert len(bytes(bias.entry.envelope)) < 65_536
    promotion = model.world.request(1, name=MODEL)
    assert promotion.status == "denied"
    assert decision_of(version).verdict.value == "deny"


def test_what_was_missing_then_is_audited_again_for_the_next_request(model: LiveRegistry) -> None:
    logged = model.train()
    recorded(model)
    # As CSV, which another run may have.
    written = pd.DataFrame(dict(columns_of("v2"))).to_csv(index=False).encode()
    model.trainer.put(logged.run_place, "predictions.csv", written)
    assert model.world.request(1, name=MODEL).status == "denied"
    model.work()
    assert model.world.request(1, name=MODEL).status == "in_review"
    model.work()
    assert Evidence.objects.count() == 4  # good evidence is not made again
    newest = Evidence.objects.filter(kind="bias").latest("entry_id")
    assert newest.inputs == [
        {"name": "predictions.csv", "digest": f"sha256:{hashlib.sha256(written).hexdigest()}"}
    ]
