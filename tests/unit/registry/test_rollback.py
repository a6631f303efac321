"""Rollback grants: where they may go, and which use one explains."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.grant import RollbackUse
from registry.domain.rollback import (
    TRANSITIONS,
    IllegalRollbackMove,
    RollbackEvent,
    RollbackStatus,
    RollbackTerms,
    RollbackTooLong,
    SeenAlias,
    next_rollback_status,
    require_valid_days,
    why_not_explained,
)

EXPIRY = datetime(2026, 12, 25, tzinfo=UTC)
TERMS = RollbackTerms(RollbackStatus.HANDED_OUT, 3, 2, EXPIRY)
USE = RollbackUse(3, 2, EXPIRY - timedelta(days=1))
MOVED = SeenAlias(held=3, moves_to=2, came_from=2)
WALKED = EXPIRY - timedelta(days=2)


def test_what_ends_a_grant_ends_it_for_good() -> None:
    for status in (
        RollbackStatus.REFUSED,
        RollbackStatus.REVOKED,
        RollbackStatus.ACCEPTED,
        RollbackStatus.REJECTED,
    ):
        for event in RollbackEvent:
            with pytest.raises(IllegalRollbackMove):
                next_rollback_status(status, event)


def test_only_what_was_handed_out_is_used_and_only_what_was_used_is_reviewed() -> None:
    origins = {
        event: {origin for origin, by in TRANSITIONS if by is event} for event in RollbackEvent
    }
    assert origins[RollbackEvent.USED] == {RollbackStatus.HANDED_OUT}
    assert origins[RollbackEvent.HANDED_OUT] == {RollbackStatus.APPROVED}
    assert origins[RollbackEvent.ACCEPTED] == {RollbackStatus.USED}
    assert origins[RollbackEvent.REJECTED] == {RollbackStatus.USED}


def test_the_granted_move_is_explained_before_and_after_the_mirror_has_it() -> None:
    assert why_not_explained(TERMS, USE, MOVED, walked_at=WALKED) == ""
    assert why_not_explained(TERMS, USE, MOVED, walked_at=None) == ""
    taken_back = SeenAlias(held=2, moves_to=2, came_from=3)
    assert why_not_explained(TERMS, USE, taken_back, walked_at=WALKED) == ""


@given(status=st.sampled_from(sorted(set(RollbackStatus) - {RollbackStatus.HANDED_OUT})))
def test_no_other_status_explains_anything(status: RollbackStatus) -> None:
    assert why_not_explained(replace(TERMS, status=status), USE, MOVED, walked_at=WALKED)


@given(origin=st.integers(1, 9), target=st.integers(1, 9))
def test_no_other_move_is_explained(origin: int, target: int) -> None:
    use = RollbackUse(origin, target, USE.at)
    is_it = (origin, target) == (3, 2)
    assert (why_not_explained(TERMS, use, MOVED, walked_at=WALKED) == "") is is_it


@given(at=st.datetimes(timezones=st.just(UTC)), walked=st.datetimes(timezones=st.just(UTC)))
def test_nothing_after_the_expiry_is_explained(at: datetime, walked: datetime) -> None:
    use = RollbackUse(3, 2, at)
    is_in_time = at < EXPIRY and walked < EXPIRY
    assert (why_not_explained(TERMS, use, MOVED, walked_at=walked) == "") is is_in_time


@pytest.mark.parametrize(
    "alias",
    [
        SeenAlias(held=3, moves_to=3, came_from=2),  # it did not move
        SeenAlias(held=None, moves_to=2, came_from=3),
        SeenAlias(held=1, moves_to=2, came_from=3),
        SeenAlias(held=2, moves_to=3, came_from=1),
        SeenAlias(held=2, moves_to=2, came_from=None),
    ],
)
def test_an_alias_that_made_no_such_move_is_not_explained(alias: SeenAlias) -> None:
    assert why_not_explained(TERMS, USE, alias, walked_at=WALKED) == (
        "the alias did not make this move"
    )


def test_a_grant_is_valid_for_one_to_ninety_days() -> None:
    assert require_valid_days(1) == timedelta(days=1)
    assert require_valid_days(90) == timedelta(days=90)
    for days in (-1, 0, 91, 10**9):
        with pytest.raises(RollbackTooLong):
            require_valid_days(days)
