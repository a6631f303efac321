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

POLICIES = Path(__file__).parents[3] / "policies"
SHIPPED = sorted(POLICIES.glob("*.yaml"))
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


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_policy_is_explained_gate_by_gate_with_its_sources(path: Path) -> None:
    policy = parse_policy(path.read_bytes())
    assert policy.name == path.stem
    _, _, section = PAGE.partition(f"\n## {policy.name}\n")
    section = section.partition("\n## ")[0]
    assert f"`policies/{path.name}`" in section
    for gate in policy.every_gate:
        assert f"`{gate.id}`" in section
    assert policy.legal_sources
    assert all(source.note for source in policy.legal_sources[1:])
    assert "not legal advice" in path.read_text(encoding="utf-8").replace("\n# ", " ")


def test_four_policies_are_shipped() -> None:
    assert [path.stem for path in SHIPPED] == [
        "credit-decision",
        "eu-high-risk",
        "general-low-risk",
        "hiring-nyc-ll144",
    ]


def test_no_number_decides_where_the_law_sets_no_pass_mark() -> None:
    hiring = parse_policy((POLICIES / "hiring-nyc-ll144.yaml").read_bytes())
    assert [gate.kind.value for gate in hiring.gates] == ["lineage_complete", "published_audit"]
    criteria = hiring.audit_criteria
    assert criteria is not None
    assert criteria.ll144
    assert criteria.attributes == ("sex", "race")
    assert criteria.intersections == (("race", "sex"),)
