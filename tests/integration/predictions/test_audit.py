"""One file in, two findings out: what the audit job signs."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audits.domain.bias import BiasCriteria, judge
from audits.domain.measurements import counts_from_json
from audits.predictions.audit import audit_predictions
from audits.predictions.cells import PredictionColumns, PredictionsError
from audits.predictions.metrics import audit_cells
from audits.predictions.reading import count_cells


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


VALUES = st.sampled_from(["0", "1", "1.0", "true", "", "0.5", "nan", "-1", "7", "x"])
GOOD = st.sampled_from(["0", "1"])
SCORES = st.sampled_from(["0", "0.5", "1", "0.25"])
ROWS = st.lists(
    st.tuples(
        st.one_of(GOOD, VALUES),
        st.one_of(GOOD, VALUES),
        st.sampled_from(["A", "B", "", "unknown", "C"]),
        st.sampled_from(["M", "F", ""]),
        st.one_of(SCORES, VALUES),
    ),
    max_size=30,
)
CLEAN = st.lists(
    st.tuples(GOOD, GOOD, st.sampled_from(["A", "B", "unknown"]), st.sampled_from("MF"), SCORES),
    min_size=1,
    max_size=80,
)
CRITERIA = st.builds(
    BiasCriteria,
    standard=st.sampled_from(["screening", "demonstrated"]),
    cutoff=st.sampled_from([None, "median", Fraction(1, 2)]),
    weight=st.sampled_from([None, "score"]),
    person=st.sampled_from([None, "race"]),
    ll144=st.booleans(),
    gate_intersections=st.booleans(),
)


@settings(max_examples=30)
@given(st.one_of(ROWS, CLEAN), CRITERIA)
def test_any_table_is_audited_or_refused_and_a_gate_agrees(
    rows: list[tuple[str, ...]], criteria: BiasCriteria
) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder, "p.csv")
        lines = ["label,prediction,race,sex,score", *(",".join(row) for row in rows)]
        path.write_text("\n".join(lines) + "\n")
        columns = PredictionColumns(
            groups=("race", "sex"), row_id=None, weight=criteria.weight, person=criteria.person
        )
        cells = count_cells(path, columns, cutoff=criteria.cutoff)
    if isinstance(cells, PredictionsError):
        assert cells.reasons
        return
    judgement, measurements = audit_cells(cells, criteria)
    assert judgement.conclusion in {"fail", "insufficient", "pass"}
    assert cells.n == len(rows)
    stored = json.loads(json.dumps(measurements, allow_nan=False))
    again = judge(counts_from_json(stored), criteria)
    assert (again.conclusion, again.reasons) == (judgement.conclusion, judgement.reasons)


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
