"""The shipped policy on the demo's three versions, from the measurements that they gave."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from registry.domain.evidence import ChampionFacts, EvidenceView
from registry.domain.words import Verdict
from tests.unit.registry.samples import (
    CHAMPION,
    OTHER_SUBJECT,
    approved,
    bias_item,
    decide,
    evidence_view,
    outcomes,
    performance_item,
    performance_measurements,
)

# What `audits` measured on the predictions of `examples/boston_mortgage`, reduced to its counts.
MEASURED = json.loads((Path(__file__).parent / "boston_mortgage.json").read_text(encoding="utf-8"))


def view_of(version: str, champion: str | None = None) -> EvidenceView:
    items = (
        bias_item(MEASURED[version]["bias"]),
        performance_item(MEASURED[version]["performance"]),
    )
    if champion is None:
        return evidence_view(items=items)
    theirs = performance_item(MEASURED[champion]["performance"], subject_digest=OTHER_SUBJECT)
    return evidence_view(items=items, champion=ChampionFacts(CHAMPION, OTHER_SUBJECT, (theirs,)))


def test_the_first_version_is_denied_for_adverse_impact_alone() -> None:
    decision = decide(view_of("v1"))
    assert decision.verdict is Verdict.DENY
    assert outcomes(decision) == {
        "lineage": "satisfied",
        "bias-race": "unsatisfied",
        "bias-sex": "satisfied",
        "balanced-accuracy": "satisfied",
        "not-worse-than-champion": "not_applicable",
    }
    assert decision.gates[1].actual == pytest.approx(0.774, abs=0.0005)
    assert "Black 75.8% (75 of 99)" in decision.reasons[0]


@pytest.mark.parametrize(("version", "champion"), [("v2", None), ("v3", "v2")])
def test_the_other_two_wait_for_two_people_and_then_are_allowed(
    version: str, champion: str | None
) -> None:
    view = view_of(version, champion)
    waiting = decide(view)
    assert waiting.verdict is Verdict.PENDING
    assert waiting.reasons == ("0 of 2 required approvals (by reviewer) are signed.",)
    compared = "satisfied" if champion else "not_applicable"
    assert outcomes(waiting) == {
        "lineage": "satisfied",
        "bias-race": "satisfied",
        "bias-sex": "satisfied",
        "balanced-accuracy": "satisfied",
        "not-worse-than-champion": compared,
    }
    assert decide(view, approved(view)).allowed


@pytest.mark.parametrize("version", ["v2", "v3"])
def test_the_floor_is_met_with_something_to_spare(version: str) -> None:
    floor = decide(view_of(version)).gates[3]
    assert isinstance(floor.actual, float)
    assert floor.actual - 0.55 > 0.015


def test_approving_everybody_is_denied_however_even_handed() -> None:
    view = view_of("v2")
    counts = MEASURED["v2"]["performance"]
    everybody = performance_measurements(
        tp=counts["tp"] + counts["fn"], fp=counts["fp"] + counts["tn"], tn=0, fn=0
    )
    decision = decide(replace(view, items=(view.items[0], performance_item(everybody))))
    assert decision.verdict is Verdict.DENY
    assert outcomes(decision)["balanced-accuracy"] == "unsatisfied"
