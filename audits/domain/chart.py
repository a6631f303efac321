"""The bar chart of one attribute: selection rates by group, as SVG that reads the same everywhere.

Drawn for light ground and print by presentation attributes alone (no style, no CSS, no reference,
no id, so that a strict CSP and WeasyPrint take it and two charts fit one page). Every element also
has a class, for a page that recolours it, in dark mode for instance:

======================  =============================================================
``mm-chart``            the ``svg``; wants ``max-width: 100%; height: auto``
``mm-chart-text``       text, with ``--title`` (attribute), ``--name`` (group), ``--rate``,
                        ``--n`` (people), ``--words`` (of one group), ``--verdict``,
                        ``--axis`` or ``--muted`` (legend); beside it ``--<state>``
                        where the text has the colour of a state
``mm-chart-track``      the ground of a bar, 0 to 100%
``mm-chart-bar``        a bar, with ``--<state>``
``mm-chart-hatch``      the stripes on the unknown group's bar
``mm-chart-limit``      the dashed limit: the bound times the reference's rate
``mm-chart-halo``       the edge that lifts limit and whisker off the bar, in the colour
                        of the ground behind the chart
``mm-chart-whisker``    the interval of a rate
``mm-chart-axis``       the ticks of the axis
``mm-chart-icon``       the sign before the words, with ``--<state>`` (a stroke, no fill)
======================  =============================================================

``<state>`` is ``reference``, ``pass``, ``fail``, ``insufficient``, ``error`` or ``unknown``; a
verdict may be ``reported`` (not judged) too. Colour never stands alone: the same is said in words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from audits.domain.chart_rows import ChartBounds, Row, read_rows, reference_rate, verdict_of
from audits.domain.chart_shapes import (
    BAR_HEIGHT,
    LINE,
    TRACK,
    WIDTH,
    WORDS,
    draw_bar,
    draw_limit,
    draw_sign,
    draw_text,
    draw_whisker,
    percent_text,
    shortened,
)
from audits.domain.svg import Svg
from audits.domain.wording import bound_text

__all__ = ["ChartBounds", "attribute_chart"]

MAX_ROWS = 40

_VERDICT = {
    "pass": "Pass",
    "fail": "Fail",
    "insufficient": "Insufficient",
    "error": "Error",
    "reported": "Reported, not judged",
}
_TOP, _ROW = 46.0, 60.0


def attribute_chart(
    name: str,
    measured: Mapping[str, object],
    *,
    bounds: ChartBounds | None = None,
    only: Sequence[str] | None = None,
) -> str:
    """Draw one attribute of bias measurements (``measurements["attributes"][name]``) as SVG.

    A bar a group: its selection rate of 0 to 100%, n, the interval of the rate as a whisker, the
    limit (the bound times the reference's rate), and the group's verdict in words. At most 40
    groups are drawn, and the picture says so. `only` names the groups to draw, in its order.

    Returns:
        The SVG, 400 pixels wide by nature; empty where no group can be drawn. Never raises: what
        is odd in the measurements is left out.
    """
    limits = bounds or ChartBounds()
    rows = read_rows(measured, limits, only)
    if not rows:
        return ""
    shown = rows[:MAX_ROWS]
    rate = reference_rate(measured)
    # A reference that nobody was selected from limits nobody.
    limit = float(limits.impact_ratio) * rate if rate else None
    verdict = verdict_of(measured)
    svg = Svg()
    svg.add("title", f"Selection rates by {name}")
    said = _verdict_words(verdict, limits)
    svg.add("desc", _description(rows, said))
    _draw_head(svg, name, verdict, said, is_scored=limits.is_scored)
    column = max(len(f"of {row.n:,}") for row in shown) * 6.2 + 10
    y = _TOP
    for row in shown:
        _draw_row(svg, row, y, limit, column, is_few=row.n < limits.min_group)
        y += _ROW
    y = _draw_axis(svg, y - 4)
    if limit is not None and rate is not None:
        draw_limit(svg, 10, y - 12, y + 4)
        bound, reference = bound_text(limits.impact_ratio), str(measured.get("reference"))
        of_whom = f"{rate:.1%} of {shortened(reference, 24)}"
        draw_text(svg, 28, y, f"limit {limit:.1%} = {bound} × {of_whom}")
        y += 20
    if any(row.low is not None for row in shown):
        draw_whisker(svg, 1, 19, y - 4)
        draw_text(svg, 28, y, f"{float(limits.confidence):.0%} interval of the rate")
        y += 20
    if len(rows) > len(shown):
        draw_text(svg, 0, y, f"{len(rows) - len(shown):,} more groups are not drawn")
        y += 20
    label = f"Selection rates by {name}"
    return svg.document(width=WIDTH, height=y - 8, class_="mm-chart", label=label)


def _description(rows: Sequence[Row], words: str) -> str:
    """Say everything that the picture shows, for those who do not see it."""
    said = [
        f"{row.name}: {percent_text(row.rate)} of {row.n:,}, {row.words}"
        + (f", {row.state}" if row.state in WORDS else "")
        for row in rows
    ]
    return f"{'. '.join(said)}. {words or 'No verdict'}."


def _verdict_words(verdict: str, limits: ChartBounds) -> str:
    """Name the verdict, and a pass together with what it was asked to be."""
    words = _VERDICT.get(verdict, "")
    return f"{words}, {limits.standard}" if verdict == "pass" and limits.standard else words


def _draw_head(svg: Svg, name: str, verdict: str, words: str, *, is_scored: bool) -> None:
    draw_text(svg, 0, 16, shortened(name[:1].upper() + name[1:], 26), "title")
    how = "selected by score" if is_scored else "selected"
    draw_text(svg, 0, 33, f"share of each group that was {how}")
    if words:
        draw_text(svg, WIDTH, 16, words, "verdict", state=verdict, anchor="end")


def _draw_row(
    svg: Svg, row: Row, y: float, limit: float | None, column: float, *, is_few: bool
) -> None:
    draw_text(svg, 0, y + 13, shortened(row.name, 30), "name")
    draw_text(svg, WIDTH - column, y + 13, percent_text(row.rate), "rate", anchor="end")
    # A small group is flagged where its number stands; the unknown one is no group.
    flag = "insufficient" if is_few and row.state != "unknown" else ""
    draw_text(svg, WIDTH, y + 13, f"of {row.n:,}", "n", state=flag, anchor="end")
    top, middle, bottom = y + 20, y + 20 + BAR_HEIGHT / 2, y + 20 + BAR_HEIGHT
    ground = {"x": 0, "y": top, "width": WIDTH, "height": BAR_HEIGHT, "rx": 2}
    svg.add("rect", class_="mm-chart-track", fill=TRACK, **ground)
    if row.rate:
        draw_bar(svg, row.rate * WIDTH, top, row.state)
    if row.state != "unknown" and limit is not None:
        draw_limit(svg, limit * WIDTH, top - 3, bottom + 3)
    if row.low is not None and row.high is not None:
        draw_whisker(svg, row.low * WIDTH, row.high * WIDTH, middle)
    x = draw_sign(svg, row.state, bottom + 14)
    draw_text(svg, x, bottom + 14, row.words, "words", state=row.state)


def _draw_axis(svg: Svg, y: float) -> float:
    for percent in (0, 25, 50, 75, 100):
        anchor = {0: "start", 100: "end"}.get(percent, "middle")
        x = percent / 100 * WIDTH
        # Kept inside the picture, where half of the outer ticks would be cut.
        tick = min(max(x, 0.5), WIDTH - 0.5)
        line = {"x1": tick, "x2": tick, "y1": y, "y2": y + 4}
        svg.add("line", class_="mm-chart-axis", stroke=LINE, stroke_width=1, **line)
        draw_text(svg, x, y + 16, f"{percent}%", "axis", anchor=anchor)
    return y + 42
