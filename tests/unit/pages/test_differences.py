"""Better or worse than the champion: by what is good, never by sign."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from registry.domain.evidence import EvidenceItem
from registry.web.differences import differences


def evidence(kind: str, **measurements: Any) -> EvidenceItem:
    return EvidenceItem(
        kind=kind,
        origin="reported",
        conclusion="pass",
        subject_digest=f"dirHash:{'a' * 64}",
        measurements=measurements,
        produced_at=datetime(2026, 11, 23, tzinfo=UTC),
        digest="b" * 64,
    )


def race(**ratios: float | None) -> dict[str, Any]:
    groups = {name: {"n": 100, "impact_ratio": ratio} for name, ratio in ratios.items()}
    return {"race": {"judged": True, "groups": groups, "demographic_parity_difference": 0.1}}


def rows(group: str, *sides: list[EvidenceItem]) -> dict[str, tuple[str, str]]:
    found = next(part for part in differences(*sides, None, None) if part.title == group)
    return {row.name: (row.tone, row.word) for row in found.rows}


def test_more_accuracy_is_better_and_a_larger_gap_is_worse() -> None:
    ours = [evidence("performance", accuracy=0.92, balanced_accuracy=0.5, rows_digest="r")]
    theirs = [evidence("performance", accuracy=0.9, balanced_accuracy=0.6, rows_digest="r")]
    assert rows("Metrics", ours, theirs) == {
        "accuracy": ("ok", "better"),
        "balanced accuracy": ("bad", "worse"),
    }
    wide, narrow = race(Black=0.9), race(Black=0.9)
    wide["race"]["demographic_parity_difference"] = 0.3
    found = rows(
        "Fairness", [evidence("bias", attributes=wide)], [evidence("bias", attributes=narrow)]
    )
    assert found["demographic parity difference by race"] == ("bad", "worse")
    assert found["lowest impact ratio by race"] == ("plain", "the same")


def test_the_lowest_known_group_counts_and_unknown_does_not() -> None:
    ours = [evidence("bias", attributes=race(White=1.0, Black=0.91, unknown=0.1))]
    theirs = [evidence("bias", attributes=race(White=1.0, Black=0.77))]
    assert rows("Fairness", ours, theirs)["lowest impact ratio by race"] == ("ok", "better")


def test_what_was_not_measured_is_not_compared() -> None:
    ours = [evidence("performance", accuracy=0.9, balanced_accuracy=None, rows_digest="r")]
    assert rows("Metrics", ours, []) == {
        "accuracy": ("plain", "not comparable"),
        "balanced accuracy": ("plain", "not comparable"),
    }


def test_other_rows_are_said_to_be_other_rows() -> None:
    ours = [evidence("performance", accuracy=0.9, rows_digest="r")]
    theirs = [evidence("performance", accuracy=0.8, rows_digest="s")]
    metrics = differences(ours, theirs, None, None)[0]
    assert "different rows" in metrics.note


def test_odd_measurements_are_left_out_and_never_raise() -> None:
    for odd in ({}, {"attributes": []}, {"attributes": {"race": 3}}, {"attributes": {"race": {}}}):
        assert rows("Fairness", [evidence("bias", **odd)], [evidence("bias", **odd)]) == {}
