from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audits.domain.bias import BiasCriteria, judge
from audits.domain.chart import ChartBounds, attribute_chart
from audits.domain.measurements import to_json
from audits.report.picture import safe_svg
from tests.unit.audits.counted import ADVERSE, DEMONSTRATED, MITIGATED, counted

SVG = "{http://www.w3.org/2000/svg}"


def measured(
    groups: dict[str, tuple[int, int]], criteria: BiasCriteria = DEMONSTRATED
) -> dict[str, Any]:
    attributes: Any = to_json(judge(counted(race=groups), criteria))["attributes"]
    return attributes["race"]


def drawn(groups: dict[str, tuple[int, int]], **options: Any) -> ElementTree.Element:
    return ElementTree.fromstring(attribute_chart("race", measured(groups), **options))


def texts(chart: ElementTree.Element) -> list[str]:
    return [element.text or "" for element in chart.iter(f"{SVG}text")]


def with_class(chart: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    return [e for e in chart.iter() if name in e.get("class", "").split()]


def test_each_group_has_a_bar_as_long_as_its_rate() -> None:
    chart = drawn(ADVERSE)
    lengths = [float(bar.get("width", "")) for bar in with_class(chart, "mm-chart-bar")]
    # The reference first, then by number of people.
    assert lengths == pytest.approx([400 * 823 / 841, 400 * 75 / 99, 400 * 45 / 55], abs=0.01)
    assert [t for t in texts(chart) if t in ADVERSE] == ["White", "Black", "Hispanic"]
    assert {"97.9%", "of 841", "75.8%", "of 99"} <= set(texts(chart))


def test_the_verdict_is_said_in_words_as_well_as_in_colour() -> None:
    chart = drawn(ADVERSE)
    assert "Fail" in texts(chart)
    assert "ratio 0.774 (0.695 to 0.839), below 0.80, significant" in texts(chart)
    assert "reference: the others are compared with it" in texts(chart)
    assert len(with_class(chart, "mm-chart-bar--fail")) == 1
    assert len(with_class(chart, "mm-chart-bar--reference")) == 1
    assert "Pass" in texts(drawn(MITIGATED))


def test_the_limit_stands_at_the_bound_of_the_references_rate() -> None:
    chart = drawn(ADVERSE)
    limits = with_class(chart, "mm-chart-limit")
    # One on each bar, one in the legend.
    assert [float(line.get("x1", "")) for line in limits[:3]] == pytest.approx(
        [400 * 0.8 * 823 / 841] * 3, abs=0.01
    )
    assert len(limits) == 4
    assert "limit 78.3% = 0.80 × 97.9% of White" in texts(chart)
    other = drawn(ADVERSE, bounds=ChartBounds(impact_ratio=Fraction(9, 10)))
    assert "limit 88.1% = 0.90 × 97.9% of White" in texts(other)


def test_small_groups_are_flagged() -> None:
    chart = drawn({**MITIGATED, "Asian": (9, 10)})
    assert "ratio 0.917 (0.665 to 0.997); only 10 people" in texts(chart)
    flagged = with_class(chart, "mm-chart-text--n")
    assert ["mm-chart-text--insufficient" in e.get("class", "") for e in flagged] == [
        False, False, False, True,
    ]  # fmt: skip


def test_unknown_is_striped_last_and_without_a_limit() -> None:
    chart = drawn({**MITIGATED, "unknown": (5, 6)})
    assert len(with_class(chart, "mm-chart-hatch")) == 1
    assert "group not known: counted, not judged" in texts(chart)
    assert [t for t in texts(chart) if t in {"unknown", "White"}] == ["White", "unknown"]
    assert len(with_class(chart, "mm-chart-limit")) == 4


def test_what_is_only_reported_says_so() -> None:
    found = measured(ADVERSE)
    chart = ElementTree.fromstring(attribute_chart("race", {**found, "judged": False}))
    assert "Reported, not judged" in texts(chart)
    assert "Fail" not in texts(chart)


def test_everything_is_said_to_those_who_do_not_see_it() -> None:
    chart = drawn(ADVERSE)
    assert chart.get("role") == "img"
    assert chart.get("aria-label") == "Selection rates by race"
    description = chart.findtext(f"{SVG}desc")
    assert description is not None
    assert "Black: 75.8% of 99, ratio 0.774" in description
    assert description.endswith("Fail.")


def test_only_some_groups_can_be_drawn_in_a_given_order() -> None:
    chart = drawn(ADVERSE, only=["Hispanic", "White", "Nobody"])
    assert [t for t in texts(chart) if t in ADVERSE] == ["Hispanic", "White"]


def test_groups_that_are_not_drawn_are_counted() -> None:
    chart = drawn({f"G{number:03}": (90, 100) for number in range(45)})
    assert len(with_class(chart, "mm-chart-bar")) == 40
    assert "5 more groups are not drawn" in texts(chart)


def test_the_picture_stays_in_its_frame_and_needs_no_style() -> None:
    chart = drawn({"A": (50, 50), "B": (0, 50), "unknown": (3, 3)})
    width, height = (float(part) for part in chart.get("viewBox", "").split()[2:])
    assert width == 400
    for element in chart.iter():
        assert "style" not in element.attrib
        for key in ("x", "x1", "x2"):
            assert 0 <= float(element.get(key, "0")) <= width
        for key in ("y", "y1", "y2"):
            assert 0 <= float(element.get(key, "0")) <= height
        if element.tag == f"{SVG}text":
            assert element.get("font-family")
            assert element.get("fill")
        elif element.tag not in {f"{SVG}svg", f"{SVG}title", f"{SVG}desc"}:
            assert element.get("class", "").startswith("mm-chart-")


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>", "a\"b'c&d", "url(https://x.invalid)", "\u202ereversed",
        "\x00\x1b", "]]>", "<!ENTITY x>", "\ud800",
    ],
)  # fmt: skip
def test_names_from_outside_are_only_text(hostile: str) -> None:
    found = measured(MITIGATED)
    found["groups"][hostile] = {**found["groups"]["Black"], "n": 77}
    svg = attribute_chart(hostile, {**found, "reference": hostile})
    assert safe_svg(svg) == svg
    svg.encode()
    tags = {element.tag.removeprefix(SVG) for element in ElementTree.fromstring(svg).iter()}
    assert tags == {"svg", "title", "desc", "text", "rect", "line", "path"}


ODD = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=4)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2), st.dictionaries(st.text(max_size=4), inner, max_size=2)
    ),
    max_leaves=4,
)


@settings(max_examples=150)
@given(st.sampled_from(["groups", "reference", "verdict", "judged", "Black"]), st.text(), ODD)
def test_odd_measurements_are_left_out_and_never_raise(place: str, key: str, odd: object) -> None:
    found = measured(ADVERSE)
    if place == "Black":
        found["groups"]["Black"] = {**found["groups"]["Black"], key: odd, "selection_rate": odd}
    else:
        found[place] = odd
    svg = attribute_chart("race", found)
    assert svg == "" or safe_svg(svg)


def test_a_reference_without_anybody_selected_draws_no_limit() -> None:
    chart = drawn({"A": (0, 100), "B": (0, 50)})
    assert not with_class(chart, "mm-chart-limit")
    assert "no ratio" in texts(chart)


def test_nothing_to_draw_is_nothing() -> None:
    assert attribute_chart("race", {}) == ""
    assert attribute_chart("race", {"groups": {}}) == ""


def test_a_ratio_is_never_rounded_onto_the_limit() -> None:
    criteria = replace(DEMONSTRATED, standard="screening")
    found = measured({"A": (50_000, 60_000), "B": (39_999, 60_000)}, criteria)
    assert "ratio 0.79998 (0.795 to 0.804), below 0.80, significant" in texts(
        ElementTree.fromstring(attribute_chart("race", found))
    )
