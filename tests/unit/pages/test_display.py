"""How values look: nothing that is unknown looks like a number, no status is colour alone."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.template import Context, Template
from hypothesis import given
from hypothesis import strategies as st

from registry.domain.promotion import PromotionStatus
from registry.domain.words import GateOutcome, Grade, Verdict
from registry.templatetags.display import (
    LOOKS,
    ago,
    chance,
    criterion,
    plain,
    ratio,
    share,
    signed,
    slots,
)

ROOT = Path(__file__).resolve().parents[3]
STATUSES = [
    *PromotionStatus,
    *GateOutcome,
    *Grade,
    *Verdict,
    *("pass", "fail", "insufficient", "error", "computed", "reported", "champion"),
]


@pytest.mark.parametrize("status", sorted({str(status) for status in STATUSES}))
def test_every_status_has_a_word_an_icon_and_a_tone(status: str) -> None:
    look = LOOKS[status]
    assert look.word
    sprite = (ROOT / "templates/inc/icons.html").read_text()
    assert f'id="i-{look.icon}"' in sprite
    assert f".tone-{look.tone} " in (ROOT / "static/app.css").read_text()


def test_a_waiver_never_looks_like_a_pass() -> None:
    passing = {LOOKS[word] for word in ("satisfied", "pass", "allow", "approved")}
    waived = LOOKS["waived"]
    assert waived.tone not in {look.tone for look in passing}
    assert waived.icon not in {look.icon for look in passing}
    assert "not passed" in waived.word


def test_statuses_that_block_never_share_the_tone_of_those_that_pass() -> None:
    blocking = (
        "unsatisfied",
        "insufficient",
        "deny",
        "fail",
        "error",
        "missing",
        "weak",
        "refused",
    )
    assert all(LOOKS[word].tone in ("bad", "warn") for word in blocking)


def test_a_small_p_value_is_never_shown_as_nothing() -> None:
    shown = [chance(value) for value in (None, 0.0, 1e-9, 0.00099, 0.001, 0.0456, 1.0)]
    assert shown == ["—", "< 0.001", "< 0.001", "< 0.001", "0.001", "0.046", "1.000"]


def test_criteria_that_are_shares_are_written_in_per_cent() -> None:
    shown = [criterion(0.9, "confidence"), criterion(0.02, "min_share"), criterion(30, "min_group")]
    assert shown == ["90%", "2%", "30"]
    assert criterion(0.8, "impact_ratio") == "0.8"
    assert criterion(None, "significance") == "—"


def test_what_is_not_known_is_a_dash() -> None:
    assert [share(None), ratio(None), signed(None), plain(None)] == ["—"] * 4


def test_numbers_are_short() -> None:
    assert share(0.7575757) == "75.8%"
    assert ratio(0.77412) == "0.774"
    assert signed(-0.1314) == "\u22120.131"
    assert signed(0.0001) == "±0"
    assert plain(0.05) == "0.05"
    assert plain(995) == "995"
    assert plain(True) == "yes"
    assert plain({"min_n": 30, "of": ["race", "sex"]}) == "min n: 30, of: race, sex"
    assert plain([]) == "none"


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e9, max_value=1e9))
def test_a_difference_always_shows_its_sign(value: float) -> None:
    assert signed(value)[0] in "+±\u2212"


@given(st.integers(0, 10), st.integers(0, 12))
def test_slots_are_as_many_as_asked_for_and_filled_in_order(required: int, given_: int) -> None:
    found = slots(required, given_)
    assert len(found) == required
    assert sum(found) == min(required, given_)
    assert found == sorted(found, reverse=True)


@given(st.integers(0, 10**10))
def test_how_long_ago_is_one_number_and_one_unit(seconds: int) -> None:
    words = ago(datetime.now(UTC) - timedelta(seconds=min(seconds, 3 * 10**9)))
    assert words == "just now" or re.fullmatch(r"\d+ (minute|hour|day|month|year)s? ago", words)


def test_the_future_is_just_now() -> None:
    assert ago(datetime.now(UTC) + timedelta(minutes=3)) == "just now"


def test_a_digest_shows_its_start_and_copies_its_whole() -> None:
    whole = "sha256:" + "ab" * 32
    page = Template("{% load display %}{% digest value %}").render(Context({"value": whole}))
    assert f'data-copy="{whole}"' in page
    assert ">sha256:abababababab…</code>" in page


def test_text_in_pills_and_digests_is_escaped() -> None:
    page = Template("{% load display %}{% pill word %}{% digest word %}").render(
        Context({"word": "<b>&"})
    )
    assert "<b>" not in page
