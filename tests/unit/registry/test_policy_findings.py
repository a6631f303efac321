"""Policies on findings and on gates made of gates: every way in which one is refused."""

from __future__ import annotations

import pytest

from registry.domain.policy_gate_parser import MAX_GATES
from registry.domain.policy_gates import AnyOfGate
from registry.domain.policy_parser import parse_policy
from registry.domain.words import GateKind
from registry.web.policy_words import explain_gates
from tests.unit.registry.every_kind import DOCUMENT, document_of, every_kind
from tests.unit.registry.test_policy_parser import problems

# As they stand in the document: lineage, safe, vulnerable, documented, validated, robust, alike,
# crossed, examined, published.


def test_the_policy_holds_every_kind_of_gate() -> None:
    assert {gate.kind for gate in every_kind().every_gate} == set(GateKind)


def test_every_gate_is_explained_those_inside_another_too() -> None:
    words = explain_gates(every_kind())
    assert [one.id for one in words] == [gate.id for gate in every_kind().gates]
    examined = words[-2]
    assert examined.asks == "At least one of these holds:"
    assert [one.id for one in examined.members[1].members] == ["accurate", "no-worse", "made-again"]
    said = {one.id: f"{one.asks} {' '.join(one.also)}" for one in words}
    assert "nothing worse than low was found" in said["safe"]
    assert "pickle, text" in said["safe"]
    assert "of the last 7 days" in said["vulnerable"]
    assert "CVE-2026-1 is ignored up to 2026-11-23" in said["vulnerable"]
    assert "Evidence older than 30 days does not count." in said["vulnerable"]
    assert "at least 20 characters: intended use, owner" in said["documented"]
    assert "Validator or auditor attested: independent-validation." in said["validated"]
    assert "/drop is at most 0.3 (fraction)" in said["robust"]
    assert "has its tables to publish, by race, race × sex" in said["published"]
    assert "under 2% are shown" in said["published"]
    assert "the true positive rate difference is at most 0.1" in said["alike"]


@pytest.mark.parametrize(
    ("old", "new", "path", "code"),
    [
        ("at_most_severity: low", "at_most_severity: critical", "gates[1].at_most_severity",
         "unknown_value"),
        ("    at_most_severity: low\n", "", "gates[1].at_most_severity", "missing_key"),
        ("formats: [pickle, text]", "formats: []", "gates[1].formats", "empty"),
        ("database_max_age_days: 7", "database_max_age_days: 0",
         "gates[2].database_max_age_days", "out_of_range"),
        ("max_age_days: 30\n    at_most", "max_age_days: 91\n    at_most",
         "gates[2].max_age_days", "out_of_range"),
        (", reason: The function is never called.", "", "gates[2].ignore[0].reason",
         "missing_key"),
        (", until: 2026-11-23}", "}", "gates[2].ignore[0].until", "missing_key"),
        ("requires: [intended_use, owner]", "requires: []", "gates[3].requires", "empty"),
        ("min_length: 20", "min_length: 0", "gates[3].min_length", "out_of_range"),
        ("accepts: [computed]\n    name:", "accepts: [reported]\n    name:",
         "gates[4].accepts", "unknown_value"),
        ("name: independent-validation", "name: independent-validation-by-others",
         "gates[4].name", "too_long"),
        ("by_role: [validator, auditor]", "by_role: []", "gates[4].by_role", "empty"),
        ("accepts: [reported]\n    type:", "accepts: [computed]\n    type:",
         "gates[5].accepts", "unknown_value"),
        ("type: robustness", "type: a-type-with-far-too-long-a-name", "gates[5].type",
         "too_long"),
        ("path: /drop,", "path: drop,", "gates[5].compare[0].path", "type"),
        (", unit: fraction}\n  - id: alike", "}\n  - id: alike", "gates[5].compare[0].unit",
         "missing_key"),
        ("at_most: 0.3, ", "", "gates[5].compare[0].at_most", "missing_key"),
        ("at_most: 0.3, ", "at_least: 0.4, at_most: 0.3, ", "gates[5].compare[0].at_most",
         "conflict"),
        ("      type: object\n      required: [drop]",
         "      $ref: https://x/y\n      required: [drop]",
         "gates[5].schema.$ref", "schema"),
        ("      type: object\n      required: [drop]",
         '      $ref: "#/properties/drop"\n      required: [drop]',
         "gates[5].schema.$ref", "schema"),
        ("runs: {type: integer, minimum: 1}", "runs: {pattern: '(a+)+$'}",
         "gates[5].schema.properties.runs.pattern", "schema"),
        ("runs: {type: integer, minimum: 1}", "runs: {not: {type: string}}",
         "gates[5].schema.properties.runs.not", "schema"),
        ("runs: {type: integer, minimum: 1}", "runs: {type: whole}",
         "gates[5].schema.properties.runs.type", "schema"),
        ("runs: {type: integer, minimum: 1}", "runs: {minimum: a}",
         "gates[5].schema.properties.runs.minimum", "schema"),
        ("runs: {type: integer, minimum: 1}", "runs: {const: 2026-11-23}",
         "gates[5].schema.properties.runs.const", "type"),
        ("runs: {type: integer, minimum: 1}", "runs: {items: 3}",
         "gates[5].schema.properties.runs.items", "schema"),
        ("runs: {type: integer, minimum: 1}", "runs: {anyOf: []}",
         "gates[5].schema.properties.runs.anyOf", "schema"),
        ("runs: {type: integer, minimum: 1}",
         f"runs: {{enum: [{', '.join(str(one) for one in range(400))}]}}", "gates[5].schema",
         "too_large"),
        ("metric: true_positive_rate_difference", "metric: niceness_difference",
         "gates[6].metric", "unknown_value"),
        ("at_most: 0.1", "at_most: 0.6", "gates[6].at_most", "out_of_range"),
        ("unit: fraction\n    favourable", "unit: ratio\n    favourable", "gates[6].unit",
         "unknown_value"),
        ("    favourable: 1\n    min_group", "    min_group", "gates[6].favourable",
         "missing_key"),
        ("    favourable: 1\n    min_group", "    favourable: 0\n    min_group", "gates",
         "conflict"),
        ("reference: highest", "reference: White × Male", "gates[7].criteria.reference",
         "unknown_value"),
        ("id: accurate", "id: safe", "gates[8].gates[1].gates[0].id", "duplicate"),
        ("at_least: 0.5\n", "at_least: .nan\n", "gates[8].gates[1].gates[0].at_least",
         "scalar"),
        ("tables: [race, race × sex]", "tables: []", "gates[9].tables", "empty"),
        ("tables: [race, race × sex]", "tables: [race × sex]", "gates[9].tables", "empty"),
        ("tables: [race, race × sex]", "tables: [race, sex × race]", "gates", "conflict"),
        ("tables: [race, race × sex]", "tables: [race, a × b × c]", "gates[9].tables[1]", "type"),
        ("exclude_below: 0.02", "exclude_below: 0.03", "gates[9].exclude_below",
         "out_of_range"),
        ("    exclude_because: Fewer than one in fifty.\n", "", "gates[9].exclude_because",
         "missing_key"),
        ("favourable: 1\n    exclude", "favourable: 1\n    cutoff: median\n    exclude", "gates",
         "conflict"),
        ("kind: any_of\n", "kind: any_of\n    accepts: [computed]\n", "gates[8].accepts",
         "unknown_key"),
    ],
)  # fmt: skip
def test_a_fault_is_refused_with_its_path(old: str, new: str, path: str, code: str) -> None:
    assert old in DOCUMENT
    assert problems(DOCUMENT.replace(old, new, 1)) == {path: code}


def composite(depth: int, kind: str = "any_of") -> str:
    leaf = "{id: x, kind: lineage_complete, title: X, accepts: [reported], legs: {code: weak}}"
    for level in range(depth):
        leaf = f"{{id: c{level}, kind: {kind}, title: C, gates: [{leaf}]}}"
    return f"  - {leaf}\n"


def test_gates_stand_inside_each_other_four_deep_and_no_deeper() -> None:
    policy = parse_policy(document_of(composite(3)))
    assert isinstance(policy.gates[0], AnyOfGate)
    assert len(policy.every_gate) == 4
    assert problems(document_of(composite(4))) == {
        "gates[0].gates[0].gates[0].gates[0].gates": "too_deep"
    }


@pytest.mark.parametrize("kind", ["any_of", "all_of"])
def test_a_gate_of_no_gates_is_refused(kind: str) -> None:
    empty = f"  - {{id: x, kind: {kind}, title: X, gates: []}}\n"
    assert problems(document_of(empty)) == {"gates[0].gates": "empty"}
    missing = f"  - {{id: x, kind: {kind}, title: X}}\n"
    assert problems(document_of(missing)) == {"gates[0].gates": "missing_key"}


def test_there_is_an_end_to_the_gates_of_a_policy_wherever_they_stand() -> None:
    leaf = (
        "{{id: l{0}, kind: lineage_complete, title: X, accepts: [reported], legs: {{code: weak}}}}"
    )
    leaves = [leaf.format(number) for number in range(MAX_GATES)]
    several = (
        f"  - {{id: a, kind: all_of, title: A, gates: [{', '.join(leaves[:30])}]}}\n"
        f"  - {{id: b, kind: all_of, title: B, gates: [{', '.join(leaves[30:])}]}}\n"
    )
    assert set(problems(document_of(several)).values()) == {"too_long"}
