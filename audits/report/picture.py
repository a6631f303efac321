"""Pictures of the report: our own SVG, let through only if it is nothing but shapes and text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree

from audits.report.errors import UnsafePicture

_ELEMENTS = frozenset(
    {"svg", "g", "rect", "line", "path", "circle", "polygon", "polyline", "text", "tspan", "title", "desc"}
)
_NAMESPACE = "{http://www.w3.org/2000/svg}"


def group_picture(name: str, measured: Mapping[str, Any], *, only: Sequence[str]) -> str:
    """Return the chart of one attribute's groups as inline SVG, or nothing where none can be drawn.

    `only` names the groups that the table shows, in its order.
    """
    return ""


def safe_svg(svg: str) -> str:
    """Return `svg` if it can neither load, run nor restyle anything.

    Raises:
        UnsafePicture: it is no well-formed SVG, or holds an element or attribute beyond shapes.
    """
    if "<!" in svg:
        raise UnsafePicture("a picture holds a declaration")
    try:
        root = ElementTree.fromstring(svg)
    except ElementTree.ParseError as error:
        raise UnsafePicture(f"a picture is not well-formed: {error}") from None
    for element in root.iter():
        tag = str(element.tag).removeprefix(_NAMESPACE)
        if tag not in _ELEMENTS:
            raise UnsafePicture(f"a picture holds <{tag[:40]}>")
        for key, value in element.attrib.items():
            local = key.rpartition("}")[2].lower()
            if local in ("href", "style", "src") or local.startswith("on") or "url(" in value.lower():
                raise UnsafePicture(f"a picture holds the attribute {key[:40]}")
    return svg
