"""The workflow's table of moves, and what of a program's output may be shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineage.domain.recomputation import (
    OPEN_STATUSES,
    TRANSITIONS,
    IllegalMove,
    RecomputationEvent,
    RecomputationStatus,
    next_recomputation_status,
    shown_log,
)


@pytest.mark.parametrize("status", RecomputationStatus)
@pytest.mark.parametrize("event", RecomputationEvent)
def test_only_the_table_moves_a_recomputation(
    status: RecomputationStatus, event: RecomputationEvent
) -> None:
    if (status, event) in TRANSITIONS:
        assert status in OPEN_STATUSES
        assert next_recomputation_status(status, event) is TRANSITIONS[status, event]
    else:
        with pytest.raises(IllegalMove, match=status.value):
            next_recomputation_status(status, event)


def test_what_has_ended_stays_as_it_is_and_all_that_is_open_can_end() -> None:
    left = {status for status, _ in TRANSITIONS}
    assert left == OPEN_STATUSES
    for status in OPEN_STATUSES:
        assert TRANSITIONS[status, RecomputationEvent.CANCELLED] is RecomputationStatus.CANCELLED


@given(st.binary(max_size=400), st.integers(0, 200))
def test_a_shown_log_is_short_and_moves_no_cursor(content: bytes, most: int) -> None:
    shown = shown_log(content, most)
    assert len(shown) <= most
    assert all(character.isprintable() or character in "\n\t" for character in shown)


def test_a_shown_log_keeps_lines_and_the_last_state_of_a_progress_bar() -> None:
    content = b"epoch 1\r\n10%\r20%\r30%\nloss\t0.1\n\x1b[31mred\x1b[0m \xff\x00\n"
    assert shown_log(content, 1000) == (
        "epoch 1\n30%\nloss\t0.1\n\ufffd[31mred\ufffd[0m \ufffd\ufffd\n"
    )
    assert shown_log(content, 3) == " \ufffd\ufffd\n"[-3:]
