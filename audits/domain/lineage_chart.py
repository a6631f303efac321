"""What a version was made of, as a picture: each leg with its artifacts, joined to the version.

The same shapes, classes and colours as the bar charts (`audits.domain.chart`), so that a strict
CSP, dark mode and WeasyPrint take it; beside them ``mm-chart-box`` (an artifact or the version)
and ``mm-chart-edge``, each with ``--<state>``. Colour never stands alone: the grade is written out.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from audits.domain.chart_shapes import LINE, TRACK, WIDTH, WORDS, draw_sign, draw_text, shortened
from audits.domain.dossier import Dependency, Leg, Lineage
from audits.domain.svg import Svg

MAX_ARTIFACTS = 4
_BOX_WIDTH, _VERSION_WIDTH, _GAP, _LINE_HEIGHT = 262.0, 96.0, 10.0, 15.0
_STATES = {"verified": "pass", "recorded": "pass", "weak": "insufficient", "missing": "fail"}
_GRADES = {"verified": "Verified", "recorded": "Recorded", "weak": "Weak", "missing": "Missing"}


@dataclass(frozen=True, slots=True)
class _Box:
    title: str
    state: str
    words: str
    lines: tuple[str, ...]

    @property
    def height(self) -> float:
        return 30 + _LINE_HEIGHT * max(1, len(self.lines)) + 4


def lineage_chart(
    name: str,
    legs: Sequence[Leg],
    dependencies: Sequence[Dependency],
    *,
    configuration: str = "",
    failing: Mapping[str, str] | None = None,
    withdrawn: Collection[str] = (),
) -> str:
    """Draw a version and what it was made of as SVG, 400 pixels wide by nature.

    Args:
        name: of the version: ``fraud v3``.
        dependencies: as the lineage statement names them: ``code``, ``data: …``, ``evaluation
            data: …``, ``environment lock``, ``base model``.
        configuration: the parameters in a few words.
        failing: leg → what a recomputation found of it, in a few words.
        withdrawn: digests of datasets that were withdrawn.

    Returns:
        The SVG; empty without a leg.
    """
    if not legs:
        return ""
    boxes = [
        _box(leg, _of_leg(leg.name, dependencies), configuration, failing or {}, withdrawn)
        for leg in legs[:8]
    ]
    if bases := [one for one in dependencies if one.name == "base model"]:
        boxes.append(_Box("Tuned from", "", "", _lines(bases, withdrawn)))
    svg = Svg()
    svg.add("title", f"What {name} was made of")
    svg.add("desc", " ".join(_said(box) for box in boxes))
    height = sum(box.height + _GAP for box in boxes) - _GAP
    middle, top = height / 2, 0.0
    for box in boxes:  # under the boxes
        _draw_edge(svg, box, top + box.height / 2, middle)
        top += box.height + _GAP
    top = 0.0
    for box in boxes:
        _draw_box(svg, box, top)
        top += box.height + _GAP
    _draw_version(svg, name, middle, any(box.state == "fail" for box in boxes))
    label = f"What {name} was made of"
    return svg.document(width=WIDTH, height=height + 1, class_="mm-chart", label=label)


def configuration_words(made: Lineage) -> str:
    """Say in a few words how a version was configured; empty where nothing is recorded."""
    count = len(made.parameters)
    said = [f"{count} parameter{'' if count == 1 else 's'}"] if count else []
    said += [f"seed {seed}" for seed in list(made.seeds.values())[:1]]
    return ", ".join(said)


def _of_leg(leg: str, dependencies: Sequence[Dependency]) -> list[Dependency]:
    match leg:
        case "code":
            return [one for one in dependencies if one.name == "code"]
        case "data":
            return [one for one in dependencies if one.name.partition(":")[0].endswith("data")]
        case "environment":
            return [one for one in dependencies if one.name == "environment lock"]
    return []


def _box(
    leg: Leg,
    artifacts: Sequence[Dependency],
    configuration: str,
    failing: Mapping[str, str],
    withdrawn: Collection[str],
) -> _Box:
    state, words = _STATES.get(leg.grade, ""), _GRADES.get(leg.grade, str(leg.grade))
    if any(one.digest in withdrawn for one in artifacts):
        state, words = "fail", "Withdrawn"
    elif leg.name in failing:
        state, words = "fail", failing[leg.name]
    lines = _lines(artifacts, withdrawn)
    if leg.name == "configuration" and configuration:
        lines = (configuration,)
    return _Box(leg.name.capitalize(), state, words, lines or ("nothing named by a digest",))


def _lines(artifacts: Sequence[Dependency], withdrawn: Collection[str]) -> tuple[str, ...]:
    shown = [
        f"{'withdrawn: ' if one.digest in withdrawn else ''}{_name(one)}"
        for one in artifacts[:MAX_ARTIFACTS]
    ]
    left_out = len(artifacts) - len(shown)
    return (*shown, *([f"and {left_out} more"] if left_out else []))


def _name(one: Dependency) -> str:
    role, _, called = one.name.partition(":")
    algorithm, _, digits = (one.digest or "").partition(":")
    key = f"{algorithm}:{digits[:10]}…" if digits else shortened(one.uri or "", 30)
    said = shortened(called.strip(), 16)
    kind = role.removesuffix("data").strip()
    return " ".join(part for part in (kind if called else "", said, key) if part)


def _said(box: _Box) -> str:
    words = f" ({box.words.lower()})" if box.words else ""
    return f"{box.title}{words}: {', '.join(box.lines)}."


def _class(base: str, state: str) -> str:
    return f"{base} {base}--{state}" if state else base


def _draw_edge(svg: Svg, box: _Box, y: float, middle: float) -> None:
    start, end = _BOX_WIDTH, WIDTH - _VERSION_WIDTH
    bend = (start + end) / 2
    svg.add(
        "path",
        class_=_class("mm-chart-edge", box.state),
        d=f"M{start:.1f} {y:.1f}C{bend:.1f} {y:.1f} {bend:.1f} {middle:.1f} {end:.1f} {middle:.1f}",
        fill="none",
        stroke=WORDS.get(box.state, LINE),
        stroke_width=2 if box.state == "fail" else 1.2,
        stroke_dasharray="5 3" if box.state == "fail" else "none",
    )


def _draw_box(svg: Svg, box: _Box, top: float) -> None:
    place = {"x": 0.5, "y": top + 0.5, "width": _BOX_WIDTH - 1, "height": box.height - 1, "rx": 4}
    svg.add(
        "rect",
        class_=_class("mm-chart-box", box.state),
        fill=TRACK,
        stroke=WORDS.get(box.state, LINE),
        stroke_width=1.6 if box.state == "fail" else 0.8,
        **place,
    )
    draw_text(svg, 10, top + 19, shortened(box.title, 18), "name")
    if box.words:
        words = shortened(box.words, 20)
        x = _BOX_WIDTH - 12 - len(words) * 6.4
        draw_sign(svg, box.state, top + 19, x=x - 14)
        draw_text(svg, _BOX_WIDTH - 10, top + 19, words, "words", state=box.state, anchor="end")
    for place_of, line in enumerate(box.lines):
        y = top + 19 + _LINE_HEIGHT * (place_of + 1)
        state = "fail" if line.startswith("withdrawn: ") else ""
        draw_text(svg, 10, y, shortened(line, 42), "muted", state=state)


def _draw_version(svg: Svg, name: str, middle: float, has_failed: bool) -> None:
    left = WIDTH - _VERSION_WIDTH
    state = "fail" if has_failed else ""
    svg.add(
        "rect",
        class_=_class("mm-chart-box", state),
        fill=TRACK,
        stroke=WORDS.get(state, LINE),
        stroke_width=1.6,
        x=left,
        y=middle - 24,
        width=_VERSION_WIDTH - 0.8,
        height=48,
        rx=4,
    )
    model, _, version = name.rpartition(" ")
    centre = left + _VERSION_WIDTH / 2
    draw_text(svg, centre, middle - 3, shortened(model or name, 12), "name", anchor="middle")
    draw_text(svg, centre, middle + 14, version if model else "", "muted", anchor="middle")
