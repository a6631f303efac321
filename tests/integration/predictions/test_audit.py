"""One file in, two findings out: what the audit job signs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from audits.domain.bias import BiasCriteria, judge
from audits.domain.measurements import counts_from_json
from audits.predictions.audit import audit_predictions


def test_actual_approvals_fail_on_the_black_group(
    applications: pd.DataFrame, tmp_path: Path
) -> None:
    applications.assign(prediction=applications.label).to_parquet(tmp_path / "p.parquet")
    audit = audit_predictions(tmp_path / "p.parquet", BiasCriteria())
    assert audit.bias.conclusion == "fail"
    race: Any = audit.bias.measurements["attributes"]["race"]  # type: ignore[index]
    groups = race["groups"]
    assert (groups["Black"]["selected"], groups["Black"]["n"]) == (133, 197)
    assert groups["Black"]["impact_ratio"] == pytest.approx(0.7432, abs=5e-5)
    assert groups["Hispanic"]["impact_ratio"] == pytest.approx(0.8430, abs=5e-5)
    assert race["reference"] == "White"
    assert audit.bias.reasons[0].startswith("race: Black 67.5% (133 of 197) against White 90.8%")
    assert audit.performance.conclusion == "pass"
    assert audit.performance.measurements["accuracy"] == 1.0


def test_a_gate_reaches_the_same_conclusion_from_what_was_stored(predictions: Path) -> None:
    audit = audit_predictions(predictions, BiasCriteria())
    stored = json.loads(json.dumps(audit.bias.measurements, allow_nan=False))
    criteria = BiasCriteria.from_mapping(json.loads(json.dumps(audit.bias.criteria)))
    judgement = judge(counts_from_json(stored), criteria)
    assert judgement.conclusion == audit.bias.conclusion
    assert judgement.reasons == audit.bias.reasons


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"label": np.nan}, "column label is"),
        ({"prediction": np.nan}, "column prediction is"),
        ({"prediction": 7}, "column prediction holds '7'"),
        ({"row_id": 1}, "column row_id holds 1 more than once"),
    ],
)
def test_bad_input_is_an_error_with_its_reason_for_both(
    change: dict[str, object], reason: str, applications: pd.DataFrame, tmp_path: Path
) -> None:
    applications.assign(**change).to_parquet(tmp_path / "p.parquet")
    audit = audit_predictions(tmp_path / "p.parquet", BiasCriteria())
    for draft in (audit.bias, audit.performance):
        assert draft.conclusion == "error"
        assert any(reason in given for given in draft.reasons)
        assert draft.measurements == {}
    # What a gate makes of it, whatever its own criteria.
    assert judge(counts_from_json(audit.bias.measurements), BiasCriteria()).conclusion == "error"


def test_no_rows_and_a_missing_group_column_are_errors(
    applications: pd.DataFrame, tmp_path: Path
) -> None:
    path = tmp_path / "p.parquet"
    for frame, reason in (
        (applications.head(0), "the file has no rows"),
        (applications.drop(columns="sex"), "column sex is missing"),
    ):
        frame.to_parquet(path)
        audit = audit_predictions(path, BiasCriteria())
        assert (audit.bias.conclusion, audit.bias.reasons) == ("error", (reason,))
        assert (audit.performance.conclusion, audit.performance.reasons) == ("error", (reason,))


def test_a_group_column_that_is_blank_everywhere_is_insufficient(
    applications: pd.DataFrame, tmp_path: Path
) -> None:
    applications.assign(race=None).to_parquet(tmp_path / "p.parquet")
    audit = audit_predictions(tmp_path / "p.parquet", BiasCriteria())
    assert audit.bias.conclusion == "insufficient"
    assert "race: fewer than two groups to compare" in audit.bias.reasons
    assert audit.performance.conclusion == "pass"


def test_one_label_alone_is_insufficient_performance(
    applications: pd.DataFrame, tmp_path: Path
) -> None:
    applications.assign(label=1).to_parquet(tmp_path / "p.parquet")
    audit = audit_predictions(tmp_path / "p.parquet", BiasCriteria())
    assert audit.performance.conclusion == "insufficient"
    assert audit.performance.measurements["balanced_accuracy"] is None
