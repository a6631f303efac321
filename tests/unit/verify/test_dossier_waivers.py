"""Waivers in a report: none without its statement, and no waived gate without a waiver."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

import pytest

from muniment.attest.envelope import parse_envelope
from muniment.attest.statement import format_time, parse_statement
from muniment.verify.dossier_waivers import require_waivers
from muniment.verify.errors import ReportError
from muniment.verify.record import Record
from muniment.verify.stream import StreamEntry
from tests.unit.verify.story import POLICY_REF, STREAM, VERSION
from tests.unit.verify.world import NOW, REVIEWER_ID, World

POLICY = POLICY_REF["digest"]
# After every statement of the small log.
LATER = NOW + timedelta(hours=5)


def record_of(world: World) -> Record:
    entries = []
    for index, leaf in enumerate(world.leaves):
        if leaf not in world.stream:
            continue
        payload = parse_envelope(leaf).payload
        entries.append(
            StreamEntry(
                index,
                hashlib.sha256(leaf).hexdigest(),
                hashlib.sha256(payload).hexdigest(),
                parse_statement(payload),
            )
        )
    about = [entry for entry in entries if entry.statement.subjects[0].name == VERSION]
    return Record(VERSION, STREAM, tuple(entries), tuple(about), {})


def waive(world: World, **changes: Any) -> int:
    detail = {
        "policy": POLICY,
        "gate": "bias",
        "waivable_by": ["admin"],
        "role": "admin",
        "until": format_time(LATER + timedelta(days=1)),
        "person": {"id": REVIEWER_ID, "commitment": "0" * 64},
        "reason_commitment": "1" * 64,
    }
    actor = changes.pop("actor", {"kind": "person", "id": REVIEWER_ID})
    return world.registry_event("waiver.granted", VERSION, actor=actor, detail=detail | changes)


def decide(world: World, **changes: Any) -> None:
    decision = {
        "policy": POLICY_REF,
        "as_of": format_time(LATER),
        "gates": [{"id": "bias", "outcome": "waived", "details": {}}],
        "inputs": {"approvals": {"requester": "somebody else"}},
    }
    world.promotion("promotion.review_opened", "in_review", decision=decision | changes)


def shown(world: World) -> list[dict[str, Any]]:
    """Return what an honest report shows: its person and reason were erased since."""
    record = record_of(world)
    return [
        {
            "gate": entry.statement.predicate["detail"]["gate"],
            "role": entry.statement.predicate["detail"]["role"],
            "until": entry.statement.predicate["detail"]["until"],
            "policy_digest": entry.statement.predicate["detail"]["policy"],
            "granted_at": entry.statement.predicate["at"],
            "revoked_at": record.revoked[entry.sha256].statement.predicate["at"]
            if entry.sha256 in record.revoked
            else None,
            "printed_name": "(erased)",
            "reason": None,
            "leaf_index": entry.leaf_index,
        }
        for entry in record.waivers
    ]


def look(world: World, waivers: Any = None, decision: Any = None) -> int:
    dossier = {
        "waivers": shown(world) if waivers is None else waivers,
        "policy": {"digest": POLICY},
        "decision": decision,
    }
    return require_waivers(dossier, record_of(world))


def test_a_waived_gate_that_somebody_waived_before_holds(world: World) -> None:
    waive(world)
    decide(world)
    assert look(world) == 1


def test_a_report_from_before_there_were_waivers_holds(world: World) -> None:
    assert require_waivers({}, record_of(world)) == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"gate": "lineage"},
        {"policy": "sha256:" + "0" * 64},
        {"role": "reviewer"},
        {"waivable_by": "admin"},
        {"until": format_time(LATER)},
        {"until": "never"},
        {"person": {"id": "somebody else", "commitment": "0" * 64}},
        {"actor": {"kind": "person", "id": "somebody else"}},
    ],
)
def test_a_waiver_of_something_else_covers_nothing(world: World, changes: Any) -> None:
    waive(world, **changes)
    decide(world)
    with pytest.raises(ReportError) as refused:
        look(world)
    assert refused.value.code == "decision.not_waived"


@pytest.mark.parametrize("part", ["requester", "trainer"])
def test_nobody_waives_a_gate_of_their_own_work(world: World, part: str) -> None:
    waive(world)
    decide(world, inputs={"approvals": {"requester": "somebody else", part: REVIEWER_ID}})
    with pytest.raises(ReportError, match="calls gate bias waived"):
        look(world)


def test_who_requested_is_read_from_the_request_and_not_from_the_decision_alone(
    world: World,
) -> None:
    world.promotion(
        "promotion.requested", "evaluating", actor={"kind": "person", "id": REVIEWER_ID}
    )
    waive(world)
    honest = world.forked()
    decide(world)
    with pytest.raises(ReportError, match=r"the decision at leaf .* calls gate bias waived"):
        look(world)
    preview = {
        "alias": "champion",
        "gates": [{"id": "bias", "outcome": "waived"}],
        "evaluated_at": format_time(LATER),
    }
    with pytest.raises(ReportError, match="the shown decision calls gate bias waived"):
        look(honest, decision=preview)
    # Who took a request back is behind no promotion any more.
    honest.promotion("promotion.withdrawn", "withdrawn")
    assert look(honest, decision=preview) == 1


def test_a_waiver_covers_one_gate_and_every_waiver_of_it_names_the_same_roles(
    world: World,
) -> None:
    waive(world)
    one = {"id": "bias", "outcome": "waived", "details": {}}
    twice = world.forked()
    decide(twice, gates=[one, one])
    with pytest.raises(ReportError, match="gate bias stands there twice"):
        look(twice)
    waive(world, waivable_by=["admin", "engineer"], role="engineer")
    with pytest.raises(ReportError, match="names other roles"):
        look(world)


def test_a_waiver_that_came_later_or_was_taken_back_before_covers_nothing(world: World) -> None:
    later = world.forked()
    decide(later)
    waive(later)
    with pytest.raises(ReportError, match="calls gate bias waived"):
        look(later)
    index = waive(world)
    digest = hashlib.sha256(world.leaves[index]).hexdigest()
    after = world.forked()
    decide(after)
    after.registry_event("waiver.revoked", VERSION, detail={"waiver": digest})
    assert look(after) == 1
    world.registry_event("waiver.revoked", VERSION, detail={"waiver": digest})
    decide(world)
    with pytest.raises(ReportError, match="calls gate bias waived"):
        look(world)


def test_a_preview_that_calls_a_gate_waived_needs_a_waiver_too(world: World) -> None:
    preview = {
        "gates": [{"id": "bias", "outcome": "waived"}],
        "evaluated_at": format_time(LATER),
    }
    with pytest.raises(ReportError, match="the shown decision calls gate bias waived"):
        look(world, decision=preview)
    waive(world)
    assert look(world, decision=preview) == 1
    with pytest.raises(ReportError, match="the shown decision"):
        look(world, decision={**preview, "evaluated_at": format_time(LATER + timedelta(days=2))})


@pytest.mark.parametrize("part", ["gate", "role", "until", "printed_name", "reason", "revoked_at"])
def test_a_waiver_shown_otherwise_than_signed_is_found(world: World, part: str) -> None:
    waive(world)
    (one,) = shown(world)
    with pytest.raises(ReportError):
        look(world, waivers=[{**one, part: "other"}])


def test_a_waiver_left_out_or_made_up_is_found(world: World) -> None:
    waive(world)
    honest = shown(world)
    for forged in ([], [*honest, *honest], [{**honest[0], "leaf_index": 3}]):
        with pytest.raises(ReportError):
            look(world, waivers=forged)


def test_a_gate_made_of_others_is_waived_where_one_inside_it_was(world: World) -> None:
    inside = {"id": "bias", "outcome": "waived", "details": {}}
    composite = {
        "id": "either",
        "outcome": "waived",
        "details": {},
        "gates": [{"id": "lineage", "outcome": "unsatisfied", "details": {}}, inside],
    }
    unwaived = world.forked()
    decide(unwaived, gates=[composite])
    with pytest.raises(ReportError, match="calls gate bias waived"):
        look(unwaived)
    waive(world)
    decide(world, gates=[composite])
    assert look(world) == 1
    # Nothing inside this one is waived, and nobody waived the whole.
    decide(world, gates=[{**composite, "gates": composite["gates"][:1]}])  # type: ignore[index]
    with pytest.raises(ReportError, match="calls gate either waived"):
        look(world)


@pytest.mark.parametrize(
    ("kind", "outcomes", "claimed", "holds"),
    [
        ("all_of", ("unsatisfied", "satisfied"), "unsatisfied", True),
        ("all_of", ("unsatisfied", "satisfied"), "satisfied", False),
        ("all_of", ("unsatisfied", "waived"), "waived", False),
        ("all_of", ("not_applicable", "satisfied"), "satisfied", True),
        ("all_of", ("not_applicable", "not_applicable"), "satisfied", False),
        ("all_of", ("pending", "satisfied"), "not_applicable", False),
        ("all_of", ("invented", "satisfied"), "satisfied", False),
        ("any_of", ("unsatisfied", "satisfied"), "satisfied", True),
        ("any_of", ("unsatisfied", "insufficient"), "pending", False),
        ("any_of", ("unsatisfied", "waived"), "waived", True),
        ("any_of", ("unsatisfied", "waived"), "satisfied", False),
        ("bias", ("satisfied", "satisfied"), "satisfied", False),
        ("any_of", (), "satisfied", False),
    ],
)
def test_a_gate_made_of_others_is_what_those_come_to(
    world: World, kind: str, outcomes: tuple[str, ...], claimed: str, holds: bool
) -> None:
    waive(world)
    members = [
        {"id": name, "kind": "bias", "outcome": outcome, "details": {}}
        for name, outcome in zip(("lineage", "bias"), outcomes, strict=False)
    ]
    composite = {"id": "either", "kind": kind, "outcome": claimed, "gates": members}
    previewed, decided = world.forked(), world.forked()
    preview = {"gates": [composite], "evaluated_at": format_time(LATER)}
    decide(decided, gates=[composite])
    for one, decision in ((previewed, preview), (decided, None)):
        if holds:
            assert look(one, decision=decision) == 1
        else:
            with pytest.raises(ReportError):
                look(one, decision=decision)
