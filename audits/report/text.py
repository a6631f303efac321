"""Values as the report prints them: dates without doubt, numbers with their digits, safe text."""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

LIMIT = 300
# Reordering characters: they could make a digest or a name read differently from what it is.
_BIDI = frozenset(
    map(chr, (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)))
)
_ISOLATE, _END_ISOLATE = "\u2068", "\u2069"
_JOINERS = "\u200c\u200d"  # needed to write Persian, Hindi and others
_MAX_MARKS = 4  # more combining marks than any orthography stacks paint over other lines


def printable(value: object, limit: int = LIMIT) -> str:
    """Return `value` as one line of text that cannot reorder, hide or overrun what is around it.

    Controls, direction overrides, unpaired surrogates and unassigned characters appear as their
    code point (`[U+202E]`); right-to-left text is isolated; beyond `limit` printed characters the
    rest is counted (`… [+12]`) and left to the attachment.
    """
    given = value if isinstance(value, str) else str(value)
    parts: list[str] = []
    length = read = 0
    for part in _visible_parts(given):
        if length + len(part) > limit:
            break
        parts.append(part)
        length += len(part)
        read += 1
    text = "".join(parts).strip()
    if any(unicodedata.bidirectional(character) in ("R", "AL") for character in text):
        text = f"{_ISOLATE}{text}{_END_ISOLATE}"
    cut = len(given) - read
    return f"{text}… [+{cut:,}]" if cut else text


def _visible_parts(text: str) -> Iterator[str]:
    marks = 0
    for character in text:
        category = unicodedata.category(character)
        marks = marks + 1 if category in ("Mn", "Me") else 0
        hidden = category in ("Cc", "Cf", "Cs", "Cn", "Co") and character not in _JOINERS
        if character in "\n\r\t\u2028\u2029":
            yield " "
        elif hidden or character in _BIDI or marks > _MAX_MARKS:
            yield f"[U+{ord(character):04X}]"
        else:
            yield character


def instant(at: datetime | None) -> str:
    """Return `2026-11-23 14:00:05 UTC`, or nothing for None."""
    return "" if at is None else at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def integer(value: object) -> str:
    """Return `1,989`, or nothing where `value` is not a whole number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    if not math.isfinite(value) or value != int(value):
        return ""
    return f"{int(value):,}"


def decimal(value: object, places: int = 3) -> str:
    """Return a number with a fixed number of decimals, or nothing where it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return ""
    return f"{value:,.{places}f}".replace("-", "\u2212")


def signed(value: float, places: int = 3) -> str:
    """Return a difference with its sign; zero has none."""
    text = decimal(abs(value), places)
    if float(text.replace(",", "")) == 0:
        return text
    return f"+{text}" if value > 0 else f"\u2212{text}"


def percentage(value: object) -> str:
    """Return a share in [0, 1] as `87.6%`, or nothing."""
    text = decimal(value * 100, 1) if isinstance(value, int | float) and value == value else ""
    return f"{text}%" if text and not isinstance(value, bool) else ""


def p_value(value: object) -> str:
    """Return a p-value to three decimals, `< 0.001` below that, or nothing."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return ""
    return "< 0.001" if value < 0.001 else decimal(value)


def interval(low: object, high: object) -> str:
    """Return `0.744–0.931`, or nothing where either end is missing."""
    return f"{decimal(low)}–{decimal(high)}" if decimal(low) and decimal(high) else ""


def plain(value: object, depth: int = 0) -> str:
    """Return a free JSON value in words on one line: `at least: 0.8; attribute: race`."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}".replace("-", "\u2212")
    if isinstance(value, float):
        text = f"{value:,.1f}" if abs(value) >= 1000 else f"{value:.4g}"
        return text.replace("-", "\u2212")
    if isinstance(value, str):
        return printable(value)
    if depth > 2:
        return "…"
    if isinstance(value, Mapping):
        parts = [
            f"{printable(key.replace('_', ' '), 60)}: {plain(one, depth + 1) or 'none'}"
            for key, one in list(value.items())[:12]
        ]
        more = len(value) - len(parts)
        joined = "; ".join(parts) + (f"; {more:,} more" if more > 0 else "")
        return f"({joined})" if depth else joined
    if isinstance(value, Sequence):
        parts = [plain(one, depth + 1) or "none" for one in value[:12]]
        more = len(value) - len(parts)
        return ", ".join(parts) + (f" and {more:,} more" if more > 0 else "")
    return printable(value)


def lines(value: object) -> list[str]:
    """Return a free JSON value in words, a line for each member of an object."""
    if isinstance(value, Mapping) and len(value) > 1:
        shown = [
            f"{printable(key.replace('_', ' '), 60)}: {plain(one, 1) or 'none'}"
            for key, one in list(value.items())[:12]
        ]
        more = len(value) - len(shown)
        return shown + ([f"{more:,} more"] if more > 0 else [])
    text = plain(value)
    return [text] if text else []


def verbatim(value: object) -> str:
    """Return a value as it was given, without grouping digits: parameters are read by machines."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def rest(total: int, shown: int) -> str:
    """Return how many of `total` a cut after `shown` leaves out, or nothing for none."""
    return f"{total - shown:,}" if total > shown else ""


def counted(number: int, one: str, many: str | None = None) -> str:
    """Return `1 gate`, `2 gates`, `no gates`."""
    noun = one if number == 1 else (many or f"{one}s")
    return f"{'no' if number == 0 else f'{number:,}'} {noun}"


def listed(parts: Sequence[str]) -> str:
    """Return `a`, `a and b`, `a, b and c`."""
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"
