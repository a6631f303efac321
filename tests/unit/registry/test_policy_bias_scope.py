"""Scores, weights, persons and Local Law 144 in a policy's bias gates."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from audits.domain.bias import BiasCriteria
from registry.domain.gate_bias import judge_bias
from registry.domain.policy_gates import BiasGate
from registry.domain.policy_parser import parse_policy
from registry.domain.words import GateOutcome
from tests.unit.registry.samples import bias_item, bias_measurements, credit_decision
from tests.unit.registry.test_policy_parser import changed, problems

LL144 = {
    "cutoff": "median",
    "ll144": True,
    "exclude_below": "0.02",
    "exclude_because": "Too few to say anything of.",
    "person": "applicant",
}


def in_every_bias_gate(document: dict[str, Any], keys: dict[str, Any]) -> None:
    for gate in document["gates"]:
        if gate["kind"] == "bias":
            gate["criteria"].update(keys)


def criteria(**keys: Any) -> list[BiasCriteria]:
    policy = parse_policy(changed(lambda document: in_every_bias_gate(document, keys)))
    return [gate.criteria for gate in policy.gates if isinstance(gate, BiasGate)]


def test_a_policy_may_judge_scoring_rates_as_local_law_144_does() -> None:
    for found in criteria(**LL144):
        assert (found.cutoff, found.ll144, found.person) == ("median", True, "applicant")
        assert found.exclude_below == Fraction(1, 50)
        assert found.exclude_because == "Too few to say anything of."
    policy = parse_policy(changed(lambda document: in_every_bias_gate(document, LL144)))
    assert policy.audit_criteria is not None
    assert policy.audit_criteria.cutoff == "median"


def test_a_policy_may_name_the_score_that_is_enough() -> None:
    assert {found.cutoff for found in criteria(cutoff="0.35")} == {Fraction(7, 20)}
    assert {found.cutoff for found in criteria(cutoff=-1.5)} == {Fraction(-3, 2)}


@pytest.mark.parametrize(
    ("keys", "key"),
    [
        ({"cutoff": "mean"}, "cutoff"),
        ({"weight": " "}, "weight"),
        ({"ll144": "yes"}, "ll144"),
        ({"ll144": True, "exclude_below": "0.02"}, "exclude_because"),
        ({"ll144": True, "exclude_below": "0.2", "exclude_because": "few"}, "exclude_below"),
        ({"exclude_because": "few"}, "exclude_because"),
    ],
)
def test_what_cannot_be_judged_by_is_refused_with_its_path(keys: dict[str, Any], key: str) -> None:
    found = problems(changed(lambda document: in_every_bias_gate(document, keys)))
    assert f"gates[1].criteria.{key}" in found


@pytest.mark.parametrize("key", ["cutoff", "weight", "person", "ll144", "exclude_below"])
def test_gates_that_would_count_people_in_two_ways_are_refused(key: str) -> None:
    keys: dict[str, Any] = {**LL144, "weight": "weight"}
    keys = {key: keys[key]}
    if key == "exclude_below":
        keys["exclude_because"] = "few"

    def change(document: dict[str, Any]) -> None:
        if key == "exclude_below":
            in_every_bias_gate(document, {"ll144": True})
        document["gates"][1]["criteria"].update(keys)

    assert problems(changed(change)) == {"gates": "conflict"}


@pytest.mark.parametrize(
    ("measured", "outcome"),
    [
        ({}, GateOutcome.SATISFIED),
        ({"repeated": 0}, GateOutcome.SATISFIED),
        ({"repeated": 1}, GateOutcome.INSUFFICIENT),
        ({"cutoff": "median"}, GateOutcome.INSUFFICIENT),
        ({"cutoff": "0.1"}, GateOutcome.INSUFFICIENT),
    ],
)
def test_a_gate_reads_how_everybody_was_counted(
    measured: dict[str, Any], outcome: GateOutcome
) -> None:
    [gate, _] = [gate for gate in credit_decision().gates if isinstance(gate, BiasGate)]
    measurements = {**bias_measurements(black_selected=91), **measured}
    assert judge_bias(gate, bias_item(measurements)).outcome is outcome
