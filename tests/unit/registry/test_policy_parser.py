"""Policies: what is read, and every way in which a document is refused."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from fractions import Fraction
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from registry.domain.errors import EmptyPolicy, PolicyError
from registry.domain.policy import Policy
from registry.domain.policy_gates import (
    BiasGate,
    LineageGate,
    MetricFloorGate,
    NotWorseThanChampionGate,
)
from registry.domain.policy_parser import parse_policy
from registry.domain.policy_yaml import MAX_BYTES
from tests.unit.registry.samples import CREDIT_DECISION

DOCUMENT = CREDIT_DECISION.read_text()


def shipped() -> Policy:
    return parse_policy(CREDIT_DECISION.read_bytes())


def changed(change: Callable[[dict[str, Any]], object]) -> str:
    """Write the shipped policy with one change; numbers in text, so that none is rounded."""
    document = yaml.load(DOCUMENT, Loader=yaml.BaseLoader)
    change(document)
    return yaml.safe_dump(_typed(document), sort_keys=False, allow_unicode=True)


def _typed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _typed(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_typed(member) for member in value]
    return yaml.safe_load(value) if isinstance(value, str) and value[:1].isdigit() else value


def problems(document: str | bytes) -> dict[str, str]:
    """Give the code of each problem by its path."""
    with pytest.raises(PolicyError) as caught:
        parse_policy(document)
    for problem in caught.value.problems:
        assert problem.message
        assert problem.expected
    return {problem.path: problem.code for problem in caught.value.problems}


def test_the_shipped_policy_is_read_in_full() -> None:
    policy = shipped()
    assert (policy.name, policy.version) == ("credit-decision", 1)
    assert policy.digest == f"sha256:{hashlib.sha256(CREDIT_DECISION.read_bytes()).hexdigest()}"
    assert [type(gate) for gate in policy.gates] == [
        LineageGate,
        BiasGate,
        BiasGate,
        MetricFloorGate,
        NotWorseThanChampionGate,
    ]
    assert (policy.approvals.count, policy.approvals.roles) == (2, ("reviewer",))
    assert policy.approvals.distinct_from == ("requester", "trainer")
    assert policy.legal_sources[0].as_of == date(2026, 11, 23)
    assert policy.allows_binding(risk_tier="high", alias="Champion")
    assert not policy.allows_binding(risk_tier="low", alias="champion")
    assert not policy.allows_binding(risk_tier="high", alias="production")


def test_the_shipped_policy_judges_by_the_bias_rule() -> None:
    by_attribute = {gate.attribute: gate for gate in shipped().gates if isinstance(gate, BiasGate)}
    assert by_attribute.keys() == {"race", "sex"}
    for gate in by_attribute.values():
        criteria = gate.criteria
        assert criteria.standard == "demonstrated"
        assert criteria.impact_ratio == Fraction(4, 5)
        assert criteria.significance == Fraction(1, 20)
        assert criteria.confidence == Fraction(9, 10)
        assert (criteria.min_group, criteria.min_share) == (30, Fraction(1, 50))
        assert criteria.max_unknown_share == Fraction(1, 20)
        assert gate.also_reported == ("race × sex",)


def test_one_audit_serves_every_bias_gate() -> None:
    criteria = shipped().audit_criteria
    assert criteria is not None
    assert criteria.attributes == ("race", "sex")
    assert criteria.intersections == (("race", "sex"),)
    assert criteria.standard == "demonstrated"
    without = [gate for gate in shipped().gates if not isinstance(gate, BiasGate)]
    assert replace(shipped(), gates=tuple(without)).audit_criteria is None


def test_numbers_are_read_exactly() -> None:
    policy = parse_policy(DOCUMENT.replace("at_most_drop: 0.03", "at_most_drop: 0.1"))
    gate = policy.gates[4]
    assert isinstance(gate, NotWorseThanChampionGate)
    assert gate.at_most_drop == Fraction(1, 10)
    as_fraction = parse_policy(DOCUMENT.replace("at_most_drop: 0.03", 'at_most_drop: "3/100"'))
    assert replace(as_fraction, digest="") == replace(shipped(), digest="")


def test_every_byte_counts_in_the_digest() -> None:
    other = parse_policy(DOCUMENT + "\n# one more line\n")
    assert other.digest != shipped().digest
    assert replace(other, digest="") == replace(shipped(), digest="")


def test_a_fixed_reference_group_is_read() -> None:
    policy = parse_policy(DOCUMENT.replace("reference: highest", "reference: White", 1))
    gate = policy.gates[1]
    assert isinstance(gate, BiasGate)
    assert gate.criteria.reference_of("race") == "White"


def test_all_problems_are_found_in_one_pass() -> None:
    document = (
        DOCUMENT.replace("at_least: 0.55", "at_least: high")
        .replace("count: 2", "count: two")
        .replace("jurisdiction: US\n", "")
        .replace("metric: accuracy", "metric: niceness")
        .replace("id: bias-sex", "id: bias-race")
        + "surprise: 1\n"
    )
    assert problems(document) == {
        "jurisdiction": "missing_key",
        "gates[2].id": "duplicate",
        "gates[3].at_least": "type",
        "gates[4].metric": "unknown_value",
        "approvals.count": "type",
        "surprise": "unknown_key",
    }


def test_a_policy_without_gates_cannot_be_built() -> None:
    with pytest.raises(EmptyPolicy) as caught:
        parse_policy(changed(lambda document: document.update(gates=[])))
    assert caught.value.problems[-1].path == "gates"
    with pytest.raises(EmptyPolicy):
        replace(shipped(), gates=())
    assert problems(changed(lambda document: document.pop("gates"))) == {"gates": "missing_key"}


@pytest.mark.parametrize(
    ("change", "path", "code"),
    [
        (lambda d: d["gates"][0].update(not_=1), "gates[0].not_", "unknown_key"),
        (lambda d: d["gates"][0]["legs"].update(weather="weak"), "gates[0].legs.weather",
         "unknown_key"),
        (lambda d: d["gates"][0]["legs"].update(code="missing"), "gates[0].legs.code",
         "unknown_value"),
        (lambda d: d["gates"][0].update(legs={}), "gates[0].legs", "empty"),
        (lambda d: d["gates"][0].pop("accepts"), "gates[0].accepts", "missing_key"),
        (lambda d: d["gates"][0].update(accepts=[]), "gates[0].accepts", "empty"),
        (lambda d: d["gates"][0].update(accepts=["believed"]), "gates[0].accepts[0]",
         "unknown_value"),
        (lambda d: d["gates"][0].update(kind="not"), "gates[0].kind", "unknown_value"),
        (lambda d: d["gates"][1].update(max_age_days=91), "gates[1].max_age_days",
         "out_of_range"),
        (lambda d: d["gates"][1].update(attribute="a × b × c"), "gates[1].attribute", "type"),
        (lambda d: d["gates"][1].update(attribute="race×sex"), "gates[1].attribute", "type"),
        (lambda d: d["gates"][1].update(also_reported=["sex × race"]), "gates", "conflict"),
        (lambda d: d["gates"][0].pop("kind"), "gates[0].kind", "missing_key"),
        (lambda d: d["gates"].append("lineage"), "gates[5]", "type"),
        (lambda d: d["gates"][1]["criteria"].pop("significance"),
         "gates[1].criteria.significance", "missing_key"),
        (lambda d: d["gates"][1]["criteria"].update(impact_ratio="0.4"),
         "gates[1].criteria.impact_ratio", "out_of_range"),
        (lambda d: d["gates"][1]["criteria"].update(impact_ratio="6/5"),
         "gates[1].criteria.impact_ratio", "out_of_range"),
        (lambda d: d["gates"][1]["criteria"].update(min_group=0),
         "gates[1].criteria.min_group", "out_of_range"),
        (lambda d: d["gates"][1]["criteria"].update(standard="hopeful"),
         "gates[1].criteria.standard", "unknown_value"),
        (lambda d: d["gates"][1]["criteria"].update(favourable=True),
         "gates[1].criteria.favourable", "type"),
        (lambda d: d["gates"][1]["criteria"].update(favourable=0), "gates", "conflict"),
        (lambda d: d["gates"][1]["criteria"].update(reference="unknown"),
         "gates[1].criteria.reference.race", "criteria"),
        (lambda d: d["gates"][1]["criteria"].update(attributes=["age"]),
         "gates[1].criteria.attributes", "unknown_key"),
        (lambda d: d["gates"][1].update(also_reported=["race"]),
         "gates[1].also_reported[0]", "type"),
        (lambda d: d["gates"][2].update(attribute="race"), "gates[2].attribute", "duplicate"),
        (lambda d: d["gates"][3].update(at_least=0), "gates[3].at_least", "out_of_range"),
        (lambda d: d["gates"][3].update(at_least=1.5), "gates[3].at_least", "out_of_range"),
        (lambda d: d["gates"][3].update(at_least="60%"), "gates[3].at_least", "type"),
        (lambda d: d["gates"][3].pop("unit"), "gates[3].unit", "missing_key"),
        (lambda d: d["gates"][3].update(unit="percent"), "gates[3].unit", "unknown_value"),
        (lambda d: d["gates"][3].pop("min_rows"), "gates[3].min_rows", "missing_key"),
        (lambda d: d["gates"][4].update(at_most_drop=-0.1), "gates[4].at_most_drop",
         "out_of_range"),
        (lambda d: d["gates"][4].update(waivable_by=["engineer"]), "gates[4].waivable_by[0]",
         "unknown_value"),
        (lambda d: d["approvals"].update(roles=[]), "approvals.roles", "empty"),
        (lambda d: d["approvals"].update(roles=["reviewer", "reviewer"]), "approvals.roles[1]",
         "duplicate"),
        (lambda d: d["approvals"].update(count=-1), "approvals.count", "out_of_range"),
        (lambda d: d["approvals"].update(signature="sms"), "approvals.signature",
         "unknown_value"),
        (lambda d: d["approvals"].update(signature=None), "approvals.signature",
         "unknown_value"),
        (lambda d: d["approvals"].pop("distinct_from"), "approvals.distinct_from",
         "missing_key"),
        (lambda d: d["bound_to"].update(aliases=["Champion"]), "bound_to.aliases[0]", "type"),
        (lambda d: d["bound_to"].update(risk_tiers=["extreme"]), "bound_to.risk_tiers[0]",
         "unknown_value"),
        (lambda d: d.update(evidence_max_age_days=0), "evidence_max_age_days", "out_of_range"),
        (lambda d: d.update(in_force_from="soon"), "in_force_from", "type"),
        (lambda d: d.update(in_force_until="2026"), "in_force_until", "type"),
        (lambda d: d.update(in_force_until=date(2026, 10, 31)), "in_force_until", "conflict"),
        (lambda d: d.update(version="1.0"), "version", "type"),
        (lambda d: d.update(name="Credit Decision"), "name", "type"),
        (lambda d: d.update(title="  "), "title", "type"),
        (lambda d: d.update(legal_sources=[{"citation": "ECOA"}]), "legal_sources[0].as_of",
         "missing_key"),
        (lambda d: d.update(approvals=None), "approvals", "type"),
    ],
)  # fmt: skip
def test_a_fault_is_refused_with_its_path(
    change: Callable[[dict[str, Any]], object], path: str, code: str
) -> None:
    assert problems(changed(change)) == {path: code}


@pytest.mark.parametrize(
    ("old", "new", "path", "code"),
    [
        ("version: 1\n", "version: 1\nversion: 2\n", "version", "duplicate_key"),
        ("  count: 2\n", "  count: 2\n  count: 1\n", "approvals.count", "duplicate_key"),
        ("at_least: 0.55", "at_least: .nan", "gates[3].at_least", "scalar"),
        ("at_least: 0.55", "at_least: .inf", "gates[3].at_least", "scalar"),
        ("at_least: 0.55", "at_least: 6.0e-1", "gates[3].at_least", "scalar"),
        ("count: 2", "count: 0x2", "approvals.count", "scalar"),
        ("count: 2", "count: 1:30", "approvals.count", "scalar"),
        ("jurisdiction: US", "jurisdiction: NO", "jurisdiction", "scalar"),
        ("in_force_from: 2026-11-01", "in_force_from: 2026-02-30", "in_force_from", "scalar"),
        ("in_force_from: 2026-11-01", "in_force_from: 2026-11-01T10:00:00Z", "in_force_from",
         "scalar"),
        ("count: 2", "count: !!python/object/apply:os.system [id]", "approvals.count", "tag"),
        ("count: 2", "count: 2\n  1: 2", "approvals", "key"),
    ],
)  # fmt: skip
def test_yaml_that_could_be_read_in_two_ways_is_refused(
    old: str, new: str, path: str, code: str
) -> None:
    assert old in DOCUMENT
    assert problems(DOCUMENT.replace(old, new)) == {path: code}


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "not_yaml"),
        (b"# nothing\n", "not_yaml"),
        (b"name: [", "not_yaml"),
        (b"name: 'a\n", "not_yaml"),
        (b"a: 1\n---\nb: 2\n", "not_yaml"),
        (b"name: \xff\n", "not_utf8"),
        (b"a: &x 1\nb: *x\n", "alias"),
        (b"a: &x 1\n", "alias"),
        (b"name: a\x00b\n", "not_yaml"),
        (b"[" * 20_000, "too_deep"),
        (b"{a: " * 5_000, "too_deep"),
        (b"a: [" + b"1, " * 9_000 + b"]", "too_large"),
        (b"#" * (MAX_BYTES + 1), "too_large"),
    ],
)
def test_what_is_no_document_is_refused_at_once(content: bytes, code: str) -> None:
    assert problems(content) == {"": code}


def test_an_alias_bomb_costs_nothing() -> None:
    bomb = "a: &a [x, x]\n" + "".join(
        f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join([f'*{chr(97 + i)}'] * 9)}]\n" for i in range(9)
    )
    assert problems(bomb) == {"": "alias"}


@pytest.mark.parametrize("content", [b"just words", b"- a\n- list\n", b"3\n", b"null\n"])
def test_a_document_that_is_no_mapping_is_refused(content: bytes) -> None:
    assert problems(content) == {"": "type"}


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_arbitrary_content_is_refused_and_nothing_else_is_raised(content: bytes | str) -> None:
    with pytest.raises(PolicyError) as caught:
        parse_policy(content)
    assert caught.value.problems


LINES = DOCUMENT.splitlines(keepends=True)


@given(st.integers(0, len(LINES) - 1), st.sampled_from(["drop", "double", "swap"]))
def test_a_mangled_policy_parses_or_says_why(line: int, how: str) -> None:
    mangled = list(LINES)
    if how == "drop":
        del mangled[line]
    elif how == "double":
        mangled.insert(line, mangled[line])
    else:
        mangled[line - 1], mangled[line] = mangled[line], mangled[line - 1]
    with contextlib.suppress(PolicyError):
        assert parse_policy("".join(mangled)).gates


def test_how_often_a_model_is_audited_with_one_set_may_be_bounded() -> None:
    bounded = changed(lambda document: document.update(evaluation={"max_audits_per_set": "7"}))
    assert shipped().max_audits_per_set == 20
    assert parse_policy(bounded).max_audits_per_set == 7
    without = changed(lambda document: document.update(evaluation={}))
    assert problems(without) == {"evaluation.max_audits_per_set": "missing_key"}
    none = changed(lambda document: document.update(evaluation={"max_audits_per_set": "0"}))
    assert problems(none) == {"evaluation.max_audits_per_set": "out_of_range"}
