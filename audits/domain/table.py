"""A bias audit as lines for a terminal: one table an attribute, and why it was concluded so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_HEAD = ("group", "n", "share", "rate", "ratio", "interval", "adjusted p", "tpr", "fpr", "verdict")


def bias_lines(said: Mapping[str, Any]) -> Iterator[str]:
    """Say measurements, with their `conclusion`, `standard` and `reasons`, in lines.

    Names that came from outside are written without what would move a terminal's cursor.
    """
    for name, attribute in said["attributes"].items():
        judged = "" if attribute["judged"] else ", reported and not judged"
        yield printable(f"{name}: {attribute['verdict']}{judged}")
        reference = attribute["reference"]
        groups = attribute["groups"].items()
        rows = [_HEAD, *(_row(group, found, reference) for group, found in groups)]
        widths = [max(len(row[place]) for row in rows) for place in range(len(_HEAD))]
        for row in rows:
            first, *others = (cell.rjust(width) for cell, width in zip(row, widths, strict=True))
            yield f"  {first.strip().ljust(widths[0])}  {'  '.join(others)}".rstrip()
        yield ""
    standard = f" ({said['standard']})" if said["standard"] else ""
    yield f"{said['conclusion']}{standard}"
    for reason in said["reasons"]:
        yield printable(f"  {reason}")


def _row(group: str, found: Mapping[str, Any], reference: str | None) -> tuple[str, ...]:
    low, high = found["ratio_low"], found["ratio_high"]
    verdict = found["verdict"] or ("excluded" if found.get("excluded") else "")
    return (
        printable(group),
        f"{found['n']:,}",
        _percent(found["share"]),
        _percent(found["selection_rate"]),
        _decimal(found["impact_ratio"]),
        "" if low is None or high is None else f"{low:.3f} to {high:.3f}",
        "" if found["p_holm"] is None else f"{found['p_holm']:.2g}",
        _decimal(found["tpr"]),
        _decimal(found["fpr"]),
        "reference" if group == reference else verdict,
    )


def printable(text: str) -> str:
    """Return a text without control characters."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _decimal(number: float | None) -> str:
    return "-" if number is None else f"{number:.3f}"
