"""What the report says of a recomputation, and what hostile measurements make of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audits.domain.dossier import Dossier, Evidence
from audits.domain.reproduction import tell_reproduction
from audits.report.view_reproduction import reproduction
from tests.unit.registry.samples import recomputation_measurements
from tests.unit.report.samples import champion, hexed, later
from tests.unit.report.test_pages import html_of, words_of

json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=10,
)
NAMES = st.sampled_from(
    [
        *("verdict", "reason", "legs", "artifacts", "predictions", "metrics", "parameters"),
        *(
            "signature",
            "negative_control",
            "near_control",
            "spread",
            "seconds",
            "log_sha256",
            "record_sha256",
        ),
        *("compared", "differing_count", "differing", "rows", "rows_differing", "code", "result"),
    ]
)
garbage = st.dictionaries(
    NAMES, json_values | st.dictionaries(NAMES, json_values, max_size=4), max_size=8
)


def with_recomputation(measurements: dict[str, Any], **changes: Any) -> Dossier:
    found = Evidence(
        kind="recomputation",
        origin="computed",
        conclusion="pass",
        reasons=("The model's files came out with the same bytes.",),
        measurements=measurements,
        produced_at=later(5),
        digest=f"sha256:{hexed('recomputation')}",
        producer="recomputation",
        leaf_index=33,
    )
    dossier = champion()
    return replace(dossier, evidence=(*dossier.evidence, replace(found, **changes)))


def test_verdict_legs_measurements_and_reason_are_printed() -> None:
    legs = {
        "code": {"outcome": "held", "reason": "The commit was fetched."},
        "data": {"outcome": "failed", "reason": "The file was updated in place."},
    }
    words = words_of(
        with_recomputation(
            recomputation_measurements(legs=legs, log_sha256="1f" * 32, seconds={"training": 4.2})
        )
    )
    for said in (
        "Trained again from this record Computed by Muniment from its own inputs.",
        "Identical",
        "Code Held The commit was fetched.",
        "Data Failed The file was updated in place.",
        "Files compared 2, all with the same bytes",
        "Predictions 200 rows, all the same to the last bit",
        "Trained on permuted labels Another model came out. 61 of 200 predictions are others.",
        "accuracy 0.9 0.9 0",
        "1f" * 32,
    ):
        assert said in words


def test_where_there_is_none_the_report_says_so() -> None:
    assert "Whether it can be trained again: not recorded" in words_of(champion())


def test_the_newest_one_is_shown() -> None:
    dossier = with_recomputation(recomputation_measurements())
    older = replace(
        dossier.evidence[-1], produced_at=later(1), measurements={"verdict": "diverged"}
    )
    assert reproduction(replace(dossier, evidence=(older, *dossier.evidence)))["verdict"] == (
        "Identical"
    )


@pytest.mark.parametrize("text", ["<b>x</b>", "{{ title }}", "\u202egnirts", "x" * 5000])
def test_hostile_names_stay_text(text: str) -> None:
    found = recomputation_measurements(
        reason=text,
        metrics={text: {"recorded": 1.0, "recomputed": 2.0, "difference": 1.0}},
        parameters={"compared": 1, "differing_count": 1, "differing": {text: [text, None]}},
        legs={"code": {"outcome": text, "reason": text}},
    )
    page = html_of(with_recomputation(found))
    assert "<b>x</b>" not in page
    assert "\u202e" not in page
    assert "x" * 400 not in page


def test_many_metrics_are_counted_and_not_left_out_silently() -> None:
    metrics = {
        f"m{number}": {"recorded": 1.0, "recomputed": 1.0, "difference": 0.0}
        for number in range(40)
    }
    words = words_of(with_recomputation(recomputation_measurements(metrics=metrics)))
    assert "28 more in the attachment" in words


@settings(max_examples=150)
@given(garbage)
def test_whatever_was_recorded_is_told_without_failing(measurements: dict[str, Any]) -> None:
    told = tell_reproduction(measurements)
    assert told.verdict in ("", "identical", "within_tolerance", "diverged", "not_reproducible")
    for name, value in told.facts:
        assert name
        assert isinstance(value, str)
    assert reproduction(with_recomputation(measurements))["recorded"]
