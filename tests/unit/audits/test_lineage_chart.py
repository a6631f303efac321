"""The picture of what a version was made of."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audits.domain.dossier import Dependency, Leg
from audits.domain.lineage_chart import lineage_chart
from audits.report.picture import safe_svg

NS = "{http://www.w3.org/2000/svg}"
LEGS = (
    Leg("code", "recorded", ""),
    Leg("data", "weak", ""),
    Leg("environment", "verified", ""),
    Leg("configuration", "missing", ""),
)
DATA = Dependency("data: loans", "sha256:" + "1" * 64, None)


def texts(svg: str) -> list[str]:
    return [one.text or "" for one in ElementTree.fromstring(svg).iter(f"{NS}text")]


def test_every_leg_is_named_with_its_grade_in_words() -> None:
    svg = lineage_chart("fraud v3", LEGS, [DATA], configuration="3 parameters")
    said = texts(svg)
    for words in ("Code", "Recorded", "Data", "Weak", "Environment", "Verified", "Missing"):
        assert words in said
    assert "loans sha256:1111111111…" in said
    assert "3 parameters" in said
    root = ElementTree.fromstring(svg)
    described = root.find(f"{NS}desc")
    assert described is not None
    assert "Data (weak): loans sha256:1111111111…." in str(described.text)
    assert "mm-chart-edge--fail" in svg


def test_a_failed_leg_and_a_withdrawn_dataset_are_coloured_and_named() -> None:
    failed = lineage_chart("fraud v3", LEGS[:2], [DATA], failing={"code": "Failed when repeated"})
    assert "Failed when repeated" in texts(failed)
    withdrawn = lineage_chart("fraud v3", LEGS[:2], [DATA], withdrawn=[str(DATA.digest)])
    assert "Withdrawn" in texts(withdrawn)
    assert "withdrawn: loans sha256:1111111111…" in texts(withdrawn)
    for svg in (failed, withdrawn):
        assert len(re.findall("mm-chart-edge--fail", svg)) == 1


def test_what_does_not_fit_is_counted() -> None:
    many = [Dependency(f"data: d{n}", f"sha256:{n:064x}", None) for n in range(9)]
    assert "and 5 more" in texts(lineage_chart("fraud v3", LEGS, many))
    assert lineage_chart("fraud v3", (), many) == ""


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script> v1", "url(javascript:x)", "x" * 400, ""]
)
def test_hostile_names_stay_text_and_inside_the_picture(name: str) -> None:
    hostile = [Dependency(f"data: {name}", None, name), Dependency("base model", None, name)]
    svg = safe_svg(lineage_chart(name, LEGS, hostile, configuration=name, failing={"code": name}))
    root = ElementTree.fromstring(svg)
    assert {one.tag.removeprefix(NS) for one in root.iter()} == {
        *("svg", "title", "desc", "path", "rect", "text"),
    }
    assert all(len(text) <= 60 for text in texts(svg))


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_name_gives_a_picture_that_loads_nothing(name: str, called: str) -> None:
    safe_svg(lineage_chart(name, LEGS, [Dependency(f"data: {called}", "sha256:1", called)]))
