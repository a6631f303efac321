"""Pictures of the report: our own SVG, let through only if it is nothing but shapes and text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree

from audits.domain.chart import ChartBounds, attribute_chart
from audits.domain.criteria import BiasCriteria, CriteriaError
from audits.domain.dossier import Dossier
from audits.domain.lineage_chart import configuration_words, lineage_chart
from audits.report.errors import UnsafePicture

_ELEMENTS = frozenset(
    {
        "svg",
        "g",
        "rect",
        "line",
        "path",
        "circle",
        "polygon",
        "polyline",
        "text",
        "tspan",
        "title",
        "desc",
    }
)
_NAMESPACE = "{http://www.w3.org/2000/svg}"


def group_picture(
    name: str,
    measured: Mapping[str, Any],
    *,
    criteria: Mapping[str, Any] | None,
    only: Sequence[str],
) -> str:
    """Return the chart of one attribute's groups as inline SVG, or nothing where none can be drawn.

    The web page shows the same picture. `criteria` are those of the finding; `only` names the
    groups to draw, in the order of the table.

    Raises:
        UnsafePicture: the chart holds more than shapes and text.
    """
    picture = attribute_chart(name, measured, bounds=_bounds(criteria), only=only)
    return safe_svg(picture) if picture else ""


def lineage_picture(dossier: Dossier) -> str:
    """Return what the version was made of as inline SVG; empty where no leg is recorded.

    Raises:
        UnsafePicture: the picture holds more than shapes and text.
    """
    made = dossier.lineage
    if made is None:
        return ""
    picture = lineage_chart(
        f"{dossier.model_name} v{dossier.version}",
        made.legs,
        made.dependencies,
        configuration=configuration_words(made),
    )
    return safe_svg(picture) if picture else ""


def _bounds(criteria: Mapping[str, Any] | None) -> ChartBounds:
    try:
        rule = BiasCriteria.from_mapping(criteria or {})
    except CriteriaError:
        # The limit line is then the shipped one; the words beside it say what was recorded.
        return ChartBounds()
    return ChartBounds(
        impact_ratio=rule.impact_ratio,
        significance=rule.significance,
        min_group=rule.min_group,
        confidence=rule.confidence,
        standard=rule.standard if criteria else "",
        is_scored=rule.cutoff is not None,
    )


def safe_svg(svg: str) -> str:
    """Return `svg` if it can neither load, run nor restyle anything.

    Raises:
        UnsafePicture: it is no well-formed SVG, or holds an element or attribute beyond shapes.
    """
    if "<!" in svg:
        raise UnsafePicture("a picture holds a declaration")
    try:
        root = ElementTree.fromstring(svg)  # noqa: S314 - no declaration, so no entity
    except ElementTree.ParseError as error:
        raise UnsafePicture(f"a picture is not well-formed: {error}") from None
    for element in root.iter():
        tag = element.tag.removeprefix(_NAMESPACE)
        if tag not in _ELEMENTS:
            raise UnsafePicture(f"a picture holds <{tag[:40]}>")
        for key, value in element.attrib.items():
            local = key.rpartition("}")[2].lower()
            if (
                local in ("href", "style", "src")
                or local.startswith("on")
                or "url(" in value.lower()
            ):
                raise UnsafePicture(f"a picture holds the attribute {key[:40]}")
    return svg
