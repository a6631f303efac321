from __future__ import annotations

from typing import Any, cast

import pytest

from audits.report.errors import UnsafePicture
from audits.report.picture import group_picture, safe_svg
from tests.unit.report.hostile import SCRIPT
from tests.unit.report.samples import champion

OPEN = '<svg xmlns="http://www.w3.org/2000/svg">'


@pytest.mark.parametrize(
    "inside",
    [
        "<script>1</script>",
        "<style>*{}</style>",
        '<image href="http://127.0.0.1/"/>',
        '<a xmlns:x="http://www.w3.org/1999/xlink" x:href="#a"/>',
        "<foreignObject/>",
        '<use href="#x"/>',
        '<rect onclick="x"/>',
        '<rect style="fill:red"/>',
        '<rect fill="URL(http://127.0.0.1/)"/>',
        "<h:script xmlns:h='http://www.w3.org/1999/xhtml'/>",
        "<rect>",
        "<!-- a comment -->",
    ],
)
def test_a_picture_is_shapes_and_text_only(inside: str) -> None:
    with pytest.raises(UnsafePicture):
        safe_svg(f"{OPEN}{inside}</svg>")


def test_a_picture_holds_no_declarations() -> None:
    with pytest.raises(UnsafePicture):
        safe_svg(f'<!DOCTYPE svg [<!ENTITY x "y">]>{OPEN}<text>&x;</text></svg>')


def test_shapes_pass_unchanged() -> None:
    svg = f'{OPEN}<title>T</title><rect width="1" fill="#000"/><text>a &lt; b</text></svg>'
    assert safe_svg(svg) == svg


def _race() -> dict[str, Any]:
    return cast("dict[str, Any]", champion().to_mapping())["evidence"][0]["measurements"][
        "attributes"
    ]["race"]


def test_the_chart_of_a_hostile_group_is_still_safe() -> None:
    race = _race()
    measured = {
        **race,
        "groups": {SCRIPT: race["groups"]["Black"], "White": race["groups"]["White"]},
    }
    picture = group_picture(SCRIPT, measured, criteria=None, only=["White", SCRIPT])
    assert picture.startswith("<svg")
    assert "<script" not in picture


def test_unreadable_criteria_do_not_stop_the_chart() -> None:
    race = _race()
    assert group_picture("race", race, criteria={"impact_ratio": "much"}, only=["White", "Black"])
