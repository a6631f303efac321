"""The promotion workflow: every move that there is, and no other."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.domain.evidence import EvidenceView
from registry.domain.promotion import (
    DECIDABLE_STATUSES,
    INITIAL_STATUS,
    OPEN_STATUSES,
    TERMINAL_STATUSES,
    TRANSITIONS,
    IllegalTransition,
    PromotionEvent,
    PromotionStatus,
    event_for_decision,
    next_status,
)
from tests.unit.registry.samples import (
    approved,
    bias_item,
    bias_measurements,
    decide,
    evidence_view,
    performance_item,
    signed,
)

GOOD = evidence_view()
FAILING = evidence_view(items=(bias_item(bias_measurements(black_selected=75)), performance_item()))
AWAITED = evidence_view(items=(bias_item(),), under_way=frozenset({"performance"}))


def test_a_promotion_goes_from_request_to_execution() -> None:
    status = INITIAL_STATUS
    for event, expected in [
        (PromotionEvent.REVIEW_OPENED, "in_review"),
        (PromotionEvent.APPROVED, "approved"),
        (PromotionEvent.EXECUTION_STARTED, "executing"),
        (PromotionEvent.EXECUTED, "executed"),
    ]:
        status = next_status(status, event)
        assert status.value == expected
    assert not status.is_open


@given(st.sampled_from(PromotionStatus), st.sampled_from(PromotionEvent))
def test_every_other_move_is_refused(status: PromotionStatus, event: PromotionEvent) -> None:
    if (status, event) in TRANSITIONS:
        assert next_status(status, event) is not status
        return
    with pytest.raises(IllegalTransition) as caught:
        next_status(status, event)
    assert (caught.value.status, caught.value.event) == (status, event)
    assert caught.value.code == "illegal_transition"


def test_nothing_leaves_a_terminal_status() -> None:
    assert {status for status, _ in TRANSITIONS} == OPEN_STATUSES
    assert {
        PromotionStatus.DENIED,
        PromotionStatus.REFUSED,
        PromotionStatus.EXECUTED,
        PromotionStatus.FAILED,
        PromotionStatus.WITHDRAWN,
    } == TERMINAL_STATUSES


def test_only_an_approved_promotion_is_executed_and_then_it_is_too_late_to_stop_it() -> None:
    executing = [
        status for (status, event) in TRANSITIONS if event is PromotionEvent.EXECUTION_STARTED
    ]
    assert executing == [PromotionStatus.APPROVED]
    from_executing = {
        event for (status, event) in TRANSITIONS if status is PromotionStatus.EXECUTING
    }
    assert from_executing == {PromotionEvent.EXECUTED, PromotionEvent.FAILED}


@pytest.mark.parametrize("event", list(PromotionEvent))
def test_an_event_is_named_as_the_log_names_it(event: PromotionEvent) -> None:
    assert event.value.startswith("promotion.")


@pytest.mark.parametrize(
    ("view", "facts", "expected"),
    [
        (GOOD, None, PromotionStatus.IN_REVIEW),
        (GOOD, approved(GOOD), PromotionStatus.APPROVED),
        (FAILING, None, PromotionStatus.DENIED),
        (FAILING, approved(FAILING), PromotionStatus.DENIED),
        (AWAITED, None, PromotionStatus.EVALUATING),
        (AWAITED, approved(AWAITED), PromotionStatus.EVALUATING),
        (
            GOOD,
            replace(approved(GOOD), signed=(signed("lin", GOOD, verdict="refuse"),)),
            PromotionStatus.REFUSED,
        ),
    ],
)
@pytest.mark.parametrize("status", sorted(DECIDABLE_STATUSES))
def test_a_decision_leads_to_its_status_from_wherever_it_can_change(
    status: PromotionStatus, view: EvidenceView, facts: object, expected: PromotionStatus
) -> None:
    decision = decide(view, facts)  # type: ignore[arg-type]
    event = event_for_decision(status, decision)
    reached = status if event is None else next_status(status, event)
    assert reached is expected
    assert event_for_decision(reached, decision) is None


@pytest.mark.parametrize("status", sorted(set(PromotionStatus) - DECIDABLE_STATUSES))
def test_no_decision_moves_what_is_being_executed_or_has_ended(status: PromotionStatus) -> None:
    assert event_for_decision(status, decide(FAILING)) is None
