"""docs/policies.md says what the parser reads."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from audits.domain.bias import BiasCriteria
from registry.domain.group_metrics import GROUP_METRICS
from registry.domain.metrics import METRICS
from registry.domain.policy import Policy
from registry.domain.policy_parser import parse_policy
from registry.domain.words import GateKind, GateOutcome
from tests.unit.registry.every_kind import document_of
from tests.unit.registry.samples import credit_decision

PAGE = (Path(__file__).parents[3] / "docs" / "policies.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "word",
    [
        *(kind.value for kind in GateKind),
        *(outcome.value for outcome in GateOutcome),
        *METRICS,
        *GROUP_METRICS,
        *sorted({field.name for field in fields(Policy)} - {"digest"}),
        # A gate has one attribute and reports intersections by name; see `BiasGate`.
        *sorted(
            {field.name for field in fields(BiasCriteria)}
            - {"attributes", "intersections", "gate_intersections", "references", "family"}
        ),
    ],
)
def test_every_word_of_a_policy_is_explained(word: str) -> None:
    assert f"`{word}`" in PAGE


def test_every_example_of_a_gate_can_be_published() -> None:
    examples = re.findall(r"```yaml\n(  - id: .*?)```", PAGE, re.DOTALL)
    assert len(examples) >= 4
    assert len(parse_policy(document_of(*examples)).gates) == len(examples)


def test_every_gate_of_the_shipped_policy_is_explained() -> None:
    for gate in credit_decision().gates:
        assert f"`{gate.id}`" in PAGE
