"""The filter of the log reads any address, and never guesses."""

from __future__ import annotations

from datetime import UTC, date, datetime

from hypothesis import given
from hypothesis import strategies as st

from audits.web.log_filter import STATES, LogFilter

NAMES = ["subject", "model", "event", "actor", "from", "to", "state", "violations", "before"]


@given(st.dictionaries(st.sampled_from(NAMES), st.text(max_size=600)))
def test_every_address_is_read_and_what_is_left_out_is_said(query: dict[str, str]) -> None:
    found = LogFilter.from_query(query)
    assert "\x00" not in found.subject + found.event + found.actor + "".join(found.problems)
    assert found.state in STATES
    for name, value in (
        ("event", found.event),
        ("actor", found.actor),
        ("from", found.since),
        ("to", found.until),
        ("state", found.state),
        ("before", found.before),
    ):
        if query.get(name, "").strip() and value in ("", None):
            assert found.problems, name


@given(st.dates(), st.dates())
def test_days_reach_from_their_first_to_their_last_moment(first: date, last: date) -> None:
    found = LogFilter.from_query({"from": first.isoformat(), "to": last.isoformat()})
    assert found.problems == ()
    assert found.begins_at == datetime(first.year, first.month, first.day, tzinfo=UTC)
    assert found.ends_at is not None
    assert found.ends_at.date() == last
    assert found.is_backwards == (first > last)


def test_nothing_asked_is_nothing_narrowed() -> None:
    assert not LogFilter.from_query({}).is_narrowed
    assert not LogFilter.from_query(dict.fromkeys(NAMES, " ")).is_narrowed
    assert not LogFilter.from_query({"from": "2026-02-30", "state": "lost"}).is_narrowed
    for name, value in {
        "subject": "a",
        "model": "a",
        "event": "key",
        "actor": "a",
        "from": "2026-01-01",
        "to": "2026-01-01",
        "state": "waiting",
        "violations": "1",
        "before": "0",
    }.items():
        assert LogFilter.from_query({name: value}).is_narrowed, name
