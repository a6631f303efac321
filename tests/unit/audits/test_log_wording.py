"""What is wrong with the log is said in words, whatever its code."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audits.domain.log_wording import alarm_title, duration_words, refusal_words
from audits.services import alarms

CODES = [
    value
    for name, value in vars(alarms).items()
    if name.startswith("LOG_") and isinstance(value, str)
]


@pytest.mark.parametrize("code", CODES)
def test_every_alarm_says_what_happened_in_a_sentence(code: str) -> None:
    title = alarm_title(code, "the message")
    assert title != "the message"
    assert title.endswith(".")


def test_an_alarm_without_words_says_its_message() -> None:
    assert alarm_title("other.thing", "It happened.") == "It happened."


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("key_not_permitted", "No permitted key signed it"),
        ("envelope.unknown_key", "No permitted key signed it"),
        ("envelope.signature", "No permitted key signed it"),
        ("columns_differ", "Its columns are not what its signed statement says"),
        ("envelope.invalid", "not a readable DSSE envelope"),
        ("statement.stream", "not a readable statement"),
        ("statement.invalid", "not a readable statement"),
        ("digest.invalid", "not a readable statement"),
        ("brand_new", "with the code brand_new"),
    ],
)
def test_a_refusal_says_why(code: str, words: str) -> None:
    assert words in refusal_words(code)


@given(st.text(max_size=60))
def test_no_code_is_without_words(code: str) -> None:
    assert refusal_words(code).endswith(".")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-1, "0.0 s"),
        (0.04, "0.0 s"),
        (0.4, "0.4 s"),
        (11, "11 s"),
        (119, "119 s"),
        (300, "5 min"),
        (7201, "2 hours"),
        (37 * 3600, "37 hours"),
        (10 * 86_400, "10 days"),
    ],
)
def test_durations_have_one_unit(seconds: float, words: str) -> None:
    assert duration_words(timedelta(seconds=seconds)) == words
