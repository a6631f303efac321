from __future__ import annotations

import math
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audits.report import text

ISOLATES = "\u2068\u2069"


@given(st.text(max_size=600), st.integers(1, 200))
def test_printed_text_cannot_hide_reorder_or_overrun(value: str, limit: int) -> None:
    printed = text.printable(value, limit)
    body = printed.strip(ISOLATES)
    for character in body.replace("\u2069… [", "… ["):
        assert unicodedata.category(character) not in ("Cc", "Cs", "Cn", "Co", "Zl", "Zp")
        assert unicodedata.category(character) != "Cf" or character in "\u200c\u200d"
    assert len(printed) <= limit + len("… [+1,000]") + len(ISOLATES)
    assert "\n" not in printed


@given(st.text(st.characters(categories=["Lu", "Ll", "Nd"], max_codepoint=0x24F), max_size=50))
def test_ordinary_text_is_printed_as_it_is(value: str) -> None:
    assert text.printable(value) == value


def test_direction_overrides_are_shown_as_code_points() -> None:
    assert text.printable("gpj.\u202eexe") == "gpj.[U+202E]exe"
    assert text.printable("a\u200bb\x00\ufeff") == "a[U+200B]b[U+0000][U+FEFF]"


def test_right_to_left_names_are_isolated() -> None:
    assert text.printable("ישראל") == "\u2068ישראל\u2069"


def test_stacked_marks_do_not_paint_over_other_lines() -> None:
    printed = text.printable("a" + "\u0301" * 50, limit=1_000)
    assert sum(unicodedata.category(character) == "Mn" for character in printed) == 4


def test_a_cut_says_how_much_is_left_out() -> None:
    assert text.printable("W" * 1_500, 10) == "WWWWWWWWWW… [+1,490]"


@pytest.mark.parametrize("value", [math.nan, math.inf, None, "0.5", True])
def test_what_is_no_number_is_printed_as_nothing(value: object) -> None:
    assert text.decimal(value) == ""
    assert text.percentage(value) == ""
    assert text.p_value(value) == ""
    assert text.integer(value) == ""


def test_numbers_keep_their_digits() -> None:
    assert text.decimal(0.77) == "0.770"
    assert text.decimal(-0.5) == "−0.500"
    assert text.percentage(0.8756) == "87.6%"
    assert text.p_value(0.0004) == "< 0.001"
    assert text.p_value(0.0161) == "0.016"
    assert text.integer(1989) == "1,989"
    assert text.integer(19.5) == ""
    assert text.signed(-0.006) == "−0.006"
    assert text.signed(0.006) == "+0.006"
    assert text.signed(-0.00001) == "0.000"
    assert text.plain(0.9081873) == "0.9082"
    assert text.plain(123456.789) == "123,456.8"


def test_objects_are_printed_a_line_a_member() -> None:
    assert text.lines({"impact_ratio": 0.8, "standard": "demonstrated"}) == [
        "impact ratio: 0.8",
        "standard: demonstrated",
    ]
    assert text.lines({"at_most_below": 0.03}) == ["at most below: 0.03"]
    assert text.lines(None) == []
    assert text.lines({str(number): number for number in range(20)})[-1] == "8 more"


def test_parameters_are_printed_as_given() -> None:
    assert text.verbatim(2000) == "2000"
    assert text.verbatim("2000") == "2000"
    assert text.verbatim(["race"]) == '["race"]'


def test_nested_values_end() -> None:
    nested: object = 1
    for _ in range(100):
        nested = {"deeper": [nested]}
    assert len(text.plain(nested)) < 100
