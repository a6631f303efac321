"""Who held an alias when: the laws of the time line, and how a time is asked for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.domain.alias_history import (
    AskedTime,
    Holding,
    Period,
    Step,
    TimeNotUnderstood,
    holding_at,
    parse_time,
    periods_of,
)

WATCHED = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
DAY = timedelta(days=1)

minutes = st.integers(min_value=0, max_value=6_000).map(lambda m: WATCHED + timedelta(minutes=m))
moments = st.integers(min_value=-3_000, max_value=9_000).map(
    lambda m: WATCHED + timedelta(minutes=m)
)
holdings = st.one_of(
    st.integers(min_value=1, max_value=4).map(lambda number: (Holding.HELD, number)),
    st.sampled_from([(Holding.NOBODY, None), (Holding.GONE, None)]),
)


@st.composite
def histories(draw: st.DrawFn) -> list[Step]:
    """Draw steps as a log holds them: in the order of their places, and of their times."""
    times = sorted(draw(st.lists(minutes, max_size=8)))
    return [Step(place, at, *draw(holdings)) for place, at in enumerate(times, start=1)]


def at(moment: datetime) -> AskedTime:
    return AskedTime(moment)


@given(histories())
def test_periods_follow_each_other_without_gap_from_ever_to_now(steps: list[Step]) -> None:
    periods = periods_of(steps, watched_from=WATCHED)
    assert periods[0].since is None
    assert periods[-1].until is None
    for earlier, later in pairwise(periods):
        assert earlier.until == later.since
        assert (earlier.holding, earlier.version) != (later.holding, later.version)


@given(histories(), moments)
def test_the_answer_at_a_moment_is_the_last_step_until_then(
    steps: list[Step], moment: datetime
) -> None:
    [answer] = holding_at(periods_of(steps, watched_from=WATCHED), at(moment))
    if moment < WATCHED:
        expected: tuple[Holding, int | None] = (Holding.UNKNOWN, None)
    else:
        done = [step for step in steps if step.at <= moment]
        expected = (done[-1].holding, done[-1].version) if done else (Holding.NOBODY, None)
    assert (answer.holding, answer.version) == expected


@given(histories(), moments, histories())
def test_later_steps_never_change_the_answer_for_an_earlier_moment(
    steps: list[Step], moment: datetime, more: list[Step]
) -> None:
    later = [
        Step(100 + step.place, max(step.at, moment) + DAY, step.holding, step.version)
        for step in more
    ]
    known = [step for step in steps if step.at <= moment]
    before = holding_at(periods_of(known, watched_from=WATCHED), at(moment))
    after = holding_at(periods_of([*known, *later], watched_from=WATCHED), at(moment))
    assert [(one.holding, one.version, one.since) for one in before] == [
        (one.holding, one.version, one.since) for one in after
    ]


@given(histories(), moments)
def test_a_day_names_exactly_who_some_moment_of_it_names(
    steps: list[Step], moment: datetime
) -> None:
    periods = periods_of(steps, watched_from=WATCHED)
    begins_at = moment.replace(hour=0, minute=0)
    of_day = holding_at(periods, AskedTime(begins_at, begins_at + DAY))
    # Every step is on a whole minute, so that every minute of the day is every moment of it.
    of_minutes = {
        holding_at(periods, at(begins_at + timedelta(minutes=minute)))[0]
        for minute in range(24 * 60)
    }
    lasting = {period for period in of_day if period.since is None or period.since != period.until}
    assert lasting == of_minutes
    passing = set(of_day) - lasting
    assert all(period.holding is Holding.HELD for period in passing)


@given(histories(), st.randoms())
def test_the_order_is_the_logs_whatever_the_steps_order(steps: list[Step], random: object) -> None:
    shuffled = list(steps)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert periods_of(shuffled, watched_from=WATCHED) == periods_of(steps, watched_from=WATCHED)


def test_what_was_adopted_is_unknown_before_and_not_nobodys() -> None:
    [unknown, held] = periods_of([Step(1, WATCHED, Holding.HELD, 7)], watched_from=WATCHED)
    assert unknown == Period(Holding.UNKNOWN, until=WATCHED)
    assert held == Period(Holding.HELD, 7, since=WATCHED, place=1)


def test_a_clock_that_went_back_hides_no_holder() -> None:
    steps = [
        Step(1, WATCHED + 2 * DAY, Holding.HELD, 1),
        Step(2, WATCHED + DAY, Holding.HELD, 2),
    ]
    periods = periods_of(steps, watched_from=WATCHED)
    assert [period.version for period in periods] == [None, None, 1, 2]
    assert periods[2].since == periods[2].until == periods[3].since == WATCHED + 2 * DAY
    midnight = (WATCHED + 2 * DAY).replace(hour=0)
    of_day = holding_at(periods, AskedTime(midnight, midnight + DAY))
    assert [period.version for period in of_day] == [None, 1, 2]


def test_a_move_at_midnight_belongs_to_the_day_that_begins() -> None:
    midnight = (WATCHED + DAY).replace(hour=0)
    periods = periods_of(
        [Step(1, WATCHED, Holding.HELD, 1), Step(2, midnight, Holding.HELD, 2)],
        watched_from=WATCHED,
    )
    days = [AskedTime(midnight - DAY, midnight), AskedTime(midnight, midnight + DAY)]
    assert [[one.version for one in holding_at(periods, day)] for day in days] == [[None, 1], [2]]
    assert holding_at(periods, at(midnight))[0].version == 2


def test_a_model_that_comes_back_has_no_holder_until_one_is_seen() -> None:
    gone, back = WATCHED + DAY, WATCHED + 2 * DAY
    steps = [
        Step(1, WATCHED, Holding.HELD, 1),
        Step(2, gone, Holding.GONE),
        Step(3, back, Holding.NOBODY),
    ]
    assert [p.holding for p in periods_of(steps, watched_from=WATCHED)] == [
        Holding.UNKNOWN,
        Holding.HELD,
        Holding.GONE,
        Holding.NOBODY,
    ]
    with_alias = periods_of([*steps, Step(4, back, Holding.HELD, 1)], watched_from=WATCHED)
    assert [p.holding for p in with_alias][-2:] == [Holding.GONE, Holding.HELD]


@pytest.mark.parametrize(
    ("text", "begins_at"),
    [
        ("2026-03-03T14:05", datetime(2026, 3, 3, 14, 5, tzinfo=UTC)),
        ("2026-03-03 14:05:09", datetime(2026, 3, 3, 14, 5, 9, tzinfo=UTC)),
        (" 2026-03-03T14:05:09.25Z ", datetime(2026, 3, 3, 14, 5, 9, 250_000, tzinfo=UTC)),
        ("2026-03-03T14:05+02:00", datetime(2026, 3, 3, 12, 5, tzinfo=UTC)),
        ("2026-03-03T00:05-11:00", datetime(2026, 3, 3, 11, 5, tzinfo=UTC)),
    ],
)
def test_a_moment_is_read_in_utc(text: str, begins_at: datetime) -> None:
    assert parse_time(text, now=NOW) == AskedTime(begins_at)


def test_a_date_alone_is_the_whole_day_and_today_has_begun() -> None:
    midnight = datetime(2026, 11, 25, tzinfo=UTC)
    assert parse_time("2026-11-25", now=NOW) == AskedTime(midnight, midnight + DAY)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no time that can be asked for"),
        ("yesterday", "no time that can be asked for"),
        ("3 March", "no time that can be asked for"),
        ("2026-3-3", "no time that can be asked for"),
        ("２０２６-03-03", "no time that can be asked for"),
        ("2026-03-03T14", "no time that can be asked for"),
        ("2026-03-03T14:05 02:00", "%2B"),
        ("2026-02-30", "not in the calendar"),
        ("2026-03-03T24:61", "not in the calendar"),
        ("2026-03-03T14:05+99:00", "not in the calendar"),
        ("0000-01-01", "not in the calendar"),
        ("0001-01-01T00:00+05:00", "not in the calendar"),
        ("9999-12-31", "not in the calendar"),
        ("2026-11-26", "has not come yet"),
        ("2026-11-25T12:01", "has not come yet"),
        ("x" * 10_000, "…"),
    ],
)
def test_what_is_no_time_is_refused_with_the_reason(text: str, said: str) -> None:
    with pytest.raises(TimeNotUnderstood, match=said) as refused:
        parse_time(text, now=NOW)
    assert refused.value.code == "time_not_understood"
    assert len(str(refused.value)) < 300
