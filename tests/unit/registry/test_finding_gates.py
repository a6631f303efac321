"""Gates on scans, documentation, attestations, reported evidence and groups: what each refuses."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from registry.domain.approvals import ApprovalFacts
from registry.domain.evaluation import evaluate
from registry.domain.evidence import EvidenceItem
from registry.domain.gate_result import GateResult
from registry.domain.policy_parser import parse_policy
from tests.unit.registry.every_kind import (
    DOCUMENT,
    MEASURED,
    every_kind,
    finding,
    full_view,
    group,
    group_measurements,
)
from tests.unit.registry.samples import NOW, OTHER_SUBJECT, outcomes

ATTESTED = "attestation:independent-validation"
ROBUST = "reported:robustness"
READ_BY = {
    "artifact_safety": "safe",
    "vulnerabilities": "vulnerable",
    "documentation": "documented",
    ATTESTED: "validated",
    ROBUST: "robust",
    "bias": "alike",
}


def judged(kind: str, item: EvidenceItem | None, *, as_of: datetime = NOW) -> GateResult:
    """Judge everything, with another item of a kind, and give the result of the gate on it."""
    decision = evaluate(every_kind(), full_view(**{kind: item}), ApprovalFacts(), (), as_of)
    return next(result for result in decision.gates if result.id == READ_BY[kind])


def outcome(kind: str, **changes: Any) -> str:
    """Judge a kind with some of its measurements changed."""
    return judged(kind, finding(kind, {**MEASURED[kind], **changes})).outcome.value


def test_evidence_for_every_kind_satisfies_every_gate() -> None:
    decision = evaluate(every_kind(), full_view(), ApprovalFacts(), (), NOW)
    assert set(outcomes(decision).values()) == {"satisfied"}


@pytest.mark.parametrize("kind", READ_BY)
@pytest.mark.parametrize(
    "changes",
    [
        {"subject_digest": OTHER_SUBJECT},
        {"produced_at": NOW - timedelta(days=91)},
        {"produced_at": NOW + timedelta(days=1)},
        {"produced_at": datetime(2026, 11, 22)},  # noqa: DTZ001 - no timezone is the case
        {"conclusion": "error"},
        {"conclusion": "splendid"},
        {"superseded_by": "another"},
        {"origin": "hearsay"},
        {"measurements": {}},
        {"measurements": ["no mapping"]},
    ],
)
def test_what_may_not_be_read_never_satisfies(kind: str, changes: dict[str, Any]) -> None:
    result = judged(kind, replace(finding(kind, MEASURED[kind]), **changes))
    assert result.outcome.value == "insufficient"


@pytest.mark.parametrize("kind", READ_BY)
def test_missing_evidence_is_insufficient_and_pending_while_it_is_made(kind: str) -> None:
    assert judged(kind, None).outcome.value == "insufficient"
    view = replace(full_view(**{kind: None}), under_way=frozenset({kind}))
    decision = evaluate(every_kind(), view, ApprovalFacts(), (), NOW)
    assert outcomes(decision)[READ_BY[kind]] == "pending"


@pytest.mark.parametrize("kind", ["artifact_safety", "vulnerabilities", ATTESTED])
def test_what_is_reported_is_not_what_muniment_computed(kind: str) -> None:
    reported = finding(kind, MEASURED[kind], origin="reported")
    assert judged(kind, reported).outcome.value == "insufficient"


@pytest.mark.parametrize(
    "kind", ["artifact_safety", "vulnerabilities", "documentation", ATTESTED, ROBUST]
)
def test_what_its_recorder_calls_insufficient_never_satisfies(kind: str) -> None:
    item = finding(kind, MEASURED[kind], conclusion="insufficient", reasons=("Too little.",))
    result = judged(kind, item)
    assert result.outcome.value == "insufficient"
    assert "Too little" in result.reason


@pytest.mark.parametrize(
    ("kind", "days"), [("vulnerabilities", 31), (ATTESTED, 61), ("artifact_safety", 91)]
)
def test_a_gates_own_age_is_shorter_than_the_policys(kind: str, days: int) -> None:
    fresh = {**MEASURED[kind]}
    item = finding(kind, fresh, produced_at=NOW - timedelta(days=days))
    result = judged(kind, item)
    assert result.outcome.value == "insufficient"
    assert f"more than {days - 1} days old" in result.reason


def named(severity: str) -> list[dict[str, str]]:
    return [{"path": "model.pkl", "rule": "os.system", "severity": severity}]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"findings": []}, "satisfied"),
        ({"findings": named("low")}, "satisfied"),
        ({"findings": named("medium")}, "unsatisfied"),
        ({"findings": named("critical")}, "unsatisfied"),
        ({"findings": named("none")}, "insufficient"),
        ({"findings": named("LOW")}, "insufficient"),
        ({"findings": [{}]}, "insufficient"),
        ({"findings": None}, "insufficient"),
        ({"findings": "none"}, "insufficient"),
        ({"unscanned": [{"path": "a.bin", "why": "too large"}]}, "insufficient"),
        ({"unscanned": None}, "insufficient"),
        # Another file's being unscanned takes nothing from what was found.
        ({"findings": named("high"), "unscanned": [{"path": "a"}]}, "unsatisfied"),
        ({"formats": {"pickle": 1, "exe": 2}}, "unsatisfied"),
        ({"formats": {"pickle": 3, "exe": 0}}, "satisfied"),
        ({"formats": {"pickle": 1}}, "insufficient"),
        ({"formats": {"pickle": 4, "text": -1}}, "insufficient"),
        ({"files": 0, "formats": {}}, "insufficient"),
        ({"files": True, "formats": {"text": 1}}, "insufficient"),
        ({"files": 3.0}, "insufficient"),
        ({"files": math.nan}, "insufficient"),
        ({"scanner": " "}, "insufficient"),
    ],
)
def test_artifact_safety(changes: dict[str, Any], expected: str) -> None:
    assert outcome("artifact_safety", **changes) == expected


def match(severity: str, *, name: str = "CVE-2026-9") -> list[dict[str, Any]]:
    return [
        {"package": "a", "version": "1", "id": name, "severity": severity, "fixed_in": None},
    ]


def database(as_of: object) -> dict[str, Any]:
    return {"digest": "sha256:" + "c" * 64, "as_of": as_of}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"matches": []}, "satisfied"),
        ({"matches": match("medium")}, "satisfied"),
        ({"matches": match("high")}, "unsatisfied"),
        # A severity that nobody knows is the worst.
        ({"matches": match("unknown")}, "unsatisfied"),
        ({"matches": match("none")}, "insufficient"),
        ({"matches": match("9.8")}, "insufficient"),
        ({"matches": match("critical", name="CVE-2026-1")}, "satisfied"),
        ({"matches": {}}, "insufficient"),
        ({"packages": 0}, "insufficient"),
        ({"packages": -1}, "insufficient"),
        ({"packages": math.inf}, "insufficient"),
        ({"database": database("2026-11-16T14:00:00Z")}, "satisfied"),
        ({"database": database("2026-11-16T13:59:59Z")}, "insufficient"),
        ({"database": database("2026-11-24T14:00:00Z")}, "insufficient"),
        ({"database": database("2026-11-22T14:00:00")}, "insufficient"),
        ({"database": database("yesterday")}, "insufficient"),
        ({"database": database(None)}, "insufficient"),
        ({"database": None}, "insufficient"),
        # It is there, however old the database is that tells it.
        ({"matches": match("high"), "database": database("2026-01-01T00:00:00Z")}, "unsatisfied"),
    ],
)
def test_vulnerabilities(changes: dict[str, Any], expected: str) -> None:
    assert outcome("vulnerabilities", **changes) == expected


def test_what_is_ignored_counts_again_after_its_last_day() -> None:
    last, first_after = (datetime(2026, 11, day, 23, 59, tzinfo=UTC) for day in (23, 24))
    item = finding("vulnerabilities", MEASURED["vulnerabilities"])
    before = judged("vulnerabilities", item, as_of=last)
    assert before.outcome.value == "satisfied"
    assert before.details["ignored"] == ["numpy 1.0 (CVE-2026-1, critical, fixed in 1.1)"]
    after = judged("vulnerabilities", item, as_of=first_after)
    assert after.outcome.value == "unsatisfied"
    assert "CVE-2026-1" in after.reason


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"intended_use": {"length": 20}, "owner": {"length": 20}}, "satisfied"),
        ({"intended_use": {"length": 19}, "owner": {"length": 20}}, "unsatisfied"),
        ({"intended_use": {"length": 80}}, "unsatisfied"),
        ({}, "unsatisfied"),
        ({"intended_use": {"length": 80}, "owner": {"length": "80"}}, "insufficient"),
        ({"intended_use": {"length": 80}, "owner": {"length": 80.0}}, "insufficient"),
        ({"intended_use": {"length": 80}, "owner": {"length": math.inf}}, "insufficient"),
        ({"intended_use": {"length": 80}, "owner": {"length": 10**4000}}, "insufficient"),
        ({"intended_use": {"length": 80}, "owner": 80}, "insufficient"),
        ([], "insufficient"),
    ],
)
def test_documentation(fields: object, expected: str) -> None:
    assert outcome("documentation", fields=fields) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"role": "auditor"}, "satisfied"),
        ({"role": "engineer"}, "insufficient"),
        ({"role": ["validator"]}, "insufficient"),
        ({"expires": None}, "satisfied"),
        ({"expires": "2026-11-23T14:00:00Z"}, "insufficient"),
        ({"expires": "2026-12-31T00:00:00"}, "insufficient"),
        ({"expires": "never"}, "insufficient"),
        ({"person": ""}, "insufficient"),
        ({"statement": None}, "insufficient"),
    ],
)
def test_attestation(changes: dict[str, Any], expected: str) -> None:
    assert outcome(ATTESTED, **changes) == expected


def test_an_attestation_without_a_word_on_its_end_is_none() -> None:
    measured = {key: value for key, value in MEASURED[ATTESTED].items() if key != "expires"}
    assert judged(ATTESTED, finding(ATTESTED, measured)).outcome.value == "insufficient"


def test_a_statement_that_was_attested_not_to_hold_fails() -> None:
    item = finding(ATTESTED, MEASURED[ATTESTED], conclusion="fail")
    assert judged(ATTESTED, item).outcome.value == "unsatisfied"


def drop(value: object, unit: object = "fraction") -> dict[str, Any]:
    return {"drop": {"value": value, "unit": unit}}


def nested(depth: int) -> dict[str, Any]:
    inner: dict[str, Any] = {}
    for _ in range(depth):
        inner = {"a": inner}
    return inner


@pytest.mark.parametrize(
    ("measured", "expected"),
    [
        (drop(0.3), "satisfied"),  # three tenths as it is written, not the float over it
        (drop(0.1), "satisfied"),
        (drop(0.31), "unsatisfied"),
        (drop(0.09), "insufficient"),  # the schema's minimum
        (drop("0.2"), "insufficient"),
        (drop(True), "insufficient"),
        (drop(math.nan), "insufficient"),
        (drop(math.inf), "insufficient"),
        (drop(-math.inf), "insufficient"),
        (drop(10**5000), "insufficient"),
        (drop(0.2, "percent"), "insufficient"),
        (drop(0.2, None), "insufficient"),
        ({"drop": 0.2}, "insufficient"),
        ({"drop": {"value": 0.2}}, "insufficient"),
        ({**drop(0.2), "surprise": 1}, "insufficient"),
        ({**drop(0.2), "runs": 10.0}, "satisfied"),
        ({**drop(0.2), "runs": 10.5}, "insufficient"),
        ({**drop(0.2), "runs": math.nan}, "insufficient"),
        (nested(5_000), "insufficient"),
        ({**drop(0.2), "runs": list(range(5_000))}, "insufficient"),
    ],
)
def test_reported_evidence(measured: Mapping[str, Any], expected: str) -> None:
    assert judged(ROBUST, finding(ROBUST, measured)).outcome.value == expected


def test_a_bound_reads_nothing_where_the_unit_is_another() -> None:
    """Also where the schema says nothing about it."""
    loose = parse_policy(DOCUMENT.replace("unit: {const: fraction}", "unit: {type: string}"))
    view = full_view(**{ROBUST: finding(ROBUST, drop(0.2, "percent"))})
    decision = evaluate(loose, view, ApprovalFacts(), (), NOW)
    robust = next(result for result in decision.gates if result.id == "robust")
    assert robust.outcome.value == "insufficient"
    assert robust.reason == "/drop holds no number of the unit fraction."


@pytest.mark.parametrize(
    ("measured", "expected"),
    [
        (group_measurements(group("A", tp=90, fn=10), group("B", tp=80, fn=20)), "satisfied"),
        (group_measurements(group("A", tp=90, fn=10), group("B", tp=79, fn=21)), "unsatisfied"),
        # Twenty-nine people show nothing, however well they do.
        (group_measurements(group("A", tp=90, fn=10), group("B", tp=26, fn=3)), "insufficient"),
        # What the others show stands beside them.
        (
            group_measurements(
                group("A", tp=90, fn=10), group("B", tp=50, fn=50), group("C", tp=1, fn=1)
            ),
            "unsatisfied",
        ),
        (group_measurements(group("A")), "insufficient"),
        (group_measurements(group("A", tp=0, fn=0), group("B")), "insufficient"),
        (group_measurements(unknown=50), "satisfied"),
        (group_measurements(unknown=60), "insufficient"),
    ],
)
def test_group_metric(measured: Mapping[str, Any], expected: str) -> None:
    assert judged("bias", finding("bias", measured)).outcome.value == expected


def test_a_group_metric_reads_counts_and_not_the_rates_beside_them() -> None:
    measured = group_measurements(group("A", tp=90, fn=10), group("B", tp=50, fn=50))
    groups = measured["attributes"]["race"]["groups"]
    for one in groups.values():
        one["tpr"] = 0.9
    assert judged("bias", finding("bias", measured)).outcome.value == "unsatisfied"
    groups["A"]["tp"] = 91
    assert judged("bias", finding("bias", measured)).outcome.value == "insufficient"


def test_a_group_metric_of_the_other_outcome_shows_nothing() -> None:
    measured = {**group_measurements(), "favourable": 0}
    assert judged("bias", finding("bias", measured)).outcome.value == "insufficient"


@pytest.mark.parametrize("counted", [{"repeated": 1}, {"cutoff": "median"}])
def test_a_group_metric_shows_nothing_of_people_counted_otherwise(
    counted: Mapping[str, Any],
) -> None:
    measured = {**group_measurements(), **counted}
    assert judged("bias", finding("bias", group_measurements())).outcome.value == "satisfied"
    assert judged("bias", finding("bias", measured)).outcome.value == "insufficient"


def test_an_intersection_is_judged_by_its_own_gate() -> None:
    measured = group_measurements(
        group("A", tp=400, fn=0, fp=80, tn=0), group("B", tp=400, fn=0, fp=80, tn=0)
    )
    crossed = measured["attributes"]["race × sex"]["groups"]["B × Male"]
    crossed.update(selected=240, tp=200, fp=40, fn=200, tn=40)
    decision = evaluate(
        every_kind(), full_view(bias=finding("bias", measured)), ApprovalFacts(), (), NOW
    )
    found = outcomes(decision)
    assert (found["alike"], found["crossed"]) == ("satisfied", "unsatisfied")
    del measured["attributes"]["race × sex"]
    decision = evaluate(
        every_kind(), full_view(bias=finding("bias", measured)), ApprovalFacts(), (), NOW
    )
    assert outcomes(decision)["crossed"] == "insufficient"


def published(measured: Mapping[str, Any]) -> GateResult:
    view = full_view(bias=finding("bias", measured))
    decision = evaluate(every_kind(), view, ApprovalFacts(), (), NOW)
    return next(result for result in decision.gates if result.id == "published")


def test_an_audit_is_published_whatever_its_numbers_are() -> None:
    unequal = group_measurements(group("A", tp=400), group("B", tp=100, fn=320))
    result = published(unequal)
    assert (result.outcome.value, result.actual) == ("satisfied", 2)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda measured: measured.pop("ll144"),
        lambda measured: measured["ll144"]["tables"].pop(),
        lambda measured: measured["ll144"].update(tables={}),
        lambda measured: measured["ll144"]["tables"][0]["categories"].pop(),
        lambda measured: measured["ll144"]["tables"][0]["categories"][0].update(impact_ratio=1.1),
        lambda measured: measured["ll144"]["tables"][0].update(unknown=7),
        lambda measured: measured.update(favourable=0),
        lambda measured: measured["attributes"].pop("race × sex"),
        lambda measured: measured["attributes"]["race"]["groups"]["White"].update(selected=1),
    ],
)
def test_tables_that_are_not_those_of_the_counts_are_none(spoil: Any) -> None:
    measured = group_measurements()
    spoil(measured)
    assert published(measured).outcome.value == "insufficient"


def test_one_audit_counts_what_every_gate_on_groups_reads() -> None:
    criteria = every_kind().audit_criteria
    assert criteria is not None
    assert criteria.attributes == ("race",)
    assert criteria.intersections == (("race", "sex"),)
    assert criteria.columns == ("race", "sex")
    assert criteria.ll144
