"""Conditions of approvals in a report: each as it was signed, and none left out."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from muniment.attest.statement import format_time
from muniment.verify.dossier_conditions import require_conditions
from muniment.verify.errors import ReportError
from tests.unit.verify.story import VERSION
from tests.unit.verify.test_dossier_waivers import LATER, record_of
from tests.unit.verify.world import REVIEWER_ID, World

SIGNER = {"person": {"id": REVIEWER_ID, "commitment": "0" * 64}, "role": "reviewer"}


def state(world: World, event: str, **detail: Any) -> int:
    return world.registry_event(f"finding.{event}", VERSION, detail=detail)


def raised(world: World) -> str:
    """Raise a finding; return the digest of its statement."""
    due_at = format_time(LATER)
    index = state(world, "raised", severity="high", due_at=due_at, **SIGNER)
    return hashlib.sha256(world.leaves[index]).hexdigest()


def shown(world: World) -> dict[str, Any]:
    """Return what an honest report shows of the one finding: words and names were erased since."""
    record = record_of(world)
    (entry,) = record.events("finding.raised")
    ends = {}
    for event, name in (("answered", "answered_at"), ("closed", "closed_at")):
        found = record.events(f"finding.{event}")
        ends[name] = found[-1].statement.predicate["at"] if found else None
    return {
        "severity": "high",
        "text": None,
        "raised_by": "(erased)",
        "raised_at": entry.statement.predicate["at"],
        "owner": "nobody can tell",
        "due_at": format_time(LATER),
        "answer": None,
        "closed_by": "(erased)" if ends["closed_at"] else None,
        "leaf_index": entry.leaf_index,
        **ends,
    }


def look(world: World, *conditions: dict[str, Any]) -> int:
    return require_conditions({"conditions": list(conditions)}, record_of(world))


def test_a_finding_is_shown_as_it_was_signed_and_ended(world: World) -> None:
    digest = raised(world)
    assert look(world, shown(world)) == 1
    state(world, "answered", finding=digest, reason_commitment="1" * 64)
    state(world, "closed", finding=digest, **SIGNER)
    assert look(world, shown(world)) == 1


def test_a_report_from_before_they_were_shown_holds_where_there_are_none(world: World) -> None:
    assert require_conditions({}, record_of(world)) == 0
    raised(world)
    with pytest.raises(ReportError):
        require_conditions({}, record_of(world))


@pytest.mark.parametrize(
    "forged",
    [
        {"severity": "low"},
        {"due_at": "2099-01-01T00:00:00.000000Z"},
        {"text": "Nothing to do."},
        {"raised_by": "Somebody Else"},
        {"answered_at": format_time(LATER)},
        {"answer": "It was put right."},
        {"closed_at": format_time(LATER), "closed_by": "(erased)"},
        {"leaf_index": 3},
        {"leaf_index": None},
    ],
)
def test_one_shown_otherwise_than_signed_is_found(world: World, forged: dict[str, Any]) -> None:
    raised(world)
    with pytest.raises(ReportError):
        look(world, {**shown(world), **forged})


def test_one_left_out_or_shown_twice_is_found(world: World) -> None:
    raised(world)
    honest = shown(world)
    for forged in ((), (honest, honest)):
        with pytest.raises(ReportError):
            look(world, *forged)


def test_what_ended_another_finding_ends_not_this_one(world: World) -> None:
    raised(world)
    honest = shown(world)
    state(world, "closed", finding="f" * 64, **SIGNER)
    assert look(world, honest) == 1
    with pytest.raises(ReportError, match="closed"):
        look(world, shown(world))
