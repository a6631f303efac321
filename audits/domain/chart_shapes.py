"""The shapes and texts that charts are put together from, with their colours for light ground."""

from __future__ import annotations

from audits.domain.svg import Svg

WIDTH = 400
BAR_HEIGHT = 14.0

_FONT = "'Inter Variable', Inter, system-ui, 'Segoe UI', Roboto, Arial, sans-serif"
INK, MUTED, LINE, GROUND, TRACK = "#24282e", "#59616b", "#8b939e", "#ffffff", "#edeff2"
BAR = {
    "reference": "#3d5f94",
    "pass": "#7196c8",
    "fail": "#cb625a",
    "insufficient": "#d09a3a",
    "error": "#cb625a",
    "unknown": "#d3d8de",
    "": "#9aa5b1",
}
WORDS = {
    "pass": "#14602f",
    "fail": "#a01c13",
    "insufficient": "#744700",
    "error": "#a01c13",
}

# Within 10 by 10 pixels: a tick, a cross, a triangle with its mark.
_CROSS = "M2 2L8 8M8 2L2 8"
SIGNS = {
    "pass": "M1.5 5.5L4 8L8.5 2.5",
    "fail": _CROSS,
    "error": _CROSS,
    "insufficient": "M5 1L9.3 8.8H0.7ZM5 4V5.8M5 7.3V7.31",
}


# Size, weight and colour of a text by its kind; what is not listed is said quietly.
_TEXT = {
    "title": (15, 600, INK),
    "name": (13, 600, INK),
    "rate": (13, 600, INK),
    "verdict": (13, 600, MUTED),
}


def draw_text(
    svg: Svg,
    x: float,
    y: float,
    words: str,
    kind: str = "muted",
    *,
    state: str = "",
    anchor: str = "start",
) -> None:
    """Write one line. A `state` gives it the colour of that verdict."""
    size, weight, fill = _TEXT.get(kind, (11, 400, MUTED))
    classes = f"mm-chart-text mm-chart-text--{kind}"
    svg.add(
        "text",
        words,
        class_=f"{classes} mm-chart-text--{state}" if state else classes,
        x=x,
        y=y,
        fill=WORDS.get(state, fill),
        font_family=_FONT,
        font_size=size,
        font_weight=str(weight),
        text_anchor=anchor,
    )


def draw_bar(svg: Svg, length: float, top: float, state: str) -> None:
    """Draw a bar from the left edge; the unknown group's is striped."""
    classes = f"mm-chart-bar mm-chart-bar--{state}" if state else "mm-chart-bar"
    shape = {"x": 0.0, "y": top, "width": length, "height": BAR_HEIGHT, "rx": min(2, length / 2)}
    svg.add("rect", class_=classes, fill=BAR[state], **shape)
    if state == "unknown":
        path = stripes(length, top, BAR_HEIGHT)
        svg.add("path", class_="mm-chart-hatch", d=path, fill="none", stroke=LINE, stroke_width=1)


def draw_limit(svg: Svg, x: float, top: float, bottom: float) -> None:
    """Draw the dashed limit across a bar."""
    line = {"x1": x, "x2": x, "y1": top, "y2": bottom}
    svg.add("line", class_="mm-chart-halo", stroke=GROUND, stroke_width=4, **line)
    svg.add(
        "line", class_="mm-chart-limit", stroke=INK, stroke_width=2, stroke_dasharray="4 2", **line
    )


def draw_whisker(svg: Svg, low: float, high: float, y: float) -> None:
    """Draw an interval as a line with ends, on the middle of a bar."""
    # Kept inside the picture at 0 and 100%, where half of the end line would be cut.
    low, high = max(low, 0.75), min(high, WIDTH - 0.75)
    ends = f"{y - 3.5:.2f}V{y + 3.5:.2f}"
    path = f"M{low:.2f} {ends}M{low:.2f} {y:.2f}H{high:.2f}M{high:.2f} {ends}"
    svg.add("path", class_="mm-chart-halo", d=path, fill="none", stroke=GROUND, stroke_width=3.5)
    svg.add("path", class_="mm-chart-whisker", d=path, fill="none", stroke=INK, stroke_width=1.5)


def draw_sign(svg: Svg, state: str, baseline: float, *, x: float = 0.0) -> float:
    """Draw a verdict's sign, 10 pixels wide from `x`, and return where its words begin."""
    if state not in SIGNS:
        return x
    svg.add(
        "path",
        class_=f"mm-chart-icon mm-chart-icon--{state}",
        d=SIGNS[state],
        transform=f"translate({x:g} {baseline - 9:.2f})",
        fill="none",
        stroke=WORDS[state],
        stroke_width=1.6,
        stroke_linecap="round",
        stroke_linejoin="round",
    )
    return x + 14.0


def stripes(length: float, top: float, height: float) -> str:
    """Return stripes at 45 degrees, cut to a rectangle that starts at x = 0."""
    lines = []
    offset = 4.0
    while offset < length + height:
        # From the lower left to the upper right: x + (y - top) = offset.
        left, right = max(0.0, offset - height), min(length, offset)
        if right > left:
            lines.append(
                f"M{left:.2f} {top + offset - left:.2f}L{right:.2f} {top + offset - right:.2f}"
            )
        offset += 6
    return "".join(lines)


def percent_text(rate: float | None) -> str:
    """Return a rate with one decimal, or that there is none."""
    return "no rate" if rate is None else f"{rate:.1%}"


def shortened(text: str, length: int) -> str:
    """Cut a text to so many characters, with an ellipsis where something is gone."""
    return text if len(text) <= length else f"{text[: length - 1]}…"
