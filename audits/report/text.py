"""Values as the report prints them: dates without doubt, numbers with their digits, safe text."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

LIMIT = 400
# Reordering characters: they could make a digest or a name read differently from what it is.
_BIDI = frozenset(map(chr, (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))))
_ISOLATE, _END_ISOLATE = "\u2068", "\u2069"


def printable(value: object, limit: int = LIMIT) -> str:
    """Return `value` as one line of text that cannot reorder, hide or overrun what is around it.

    Controls, direction overrides, unpaired surrogates and unassigned characters appear as their
    code point (`[U+202E]`); right-to-left text is isolated; beyond `limit` characters the rest is
    counted and left to the attachment.
    """
    text = value if isinstance(value, str) else str(value)
    cut = len(text) - limit
    if cut > 0:
        text = text[:limit]
    text = "".join(map(_visible, text)).strip()
    if any(unicodedata.bidirectional(character) in ("R", "AL") for character in text):
        text = f"{_ISOLATE}{text}{_END_ISOLATE}"
    return f"{text}… [{cut:,} more characters in the attachment]" if cut > 0 else text


def _visible(character: str) -> str:
    if character in "\n\r\t\u2028\u2029":
        return " "
    if character in _BIDI or unicodedata.category(character) in ("Cc", "Cs", "Cn", "Co"):
        return f"[U+{ord(character):04X}]"
    return character


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
    """Return a free JSON value in words: `at least: 0.8; attribute: race`."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}".replace("-", "\u2212")
    if isinstance(value, float):
        return f"{value:.6g}".replace("-", "\u2212")
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


def counted(number: int, one: str, many: str | None = None) -> str:
    """Return `1 gate`, `2 gates`, `no gates`."""
    noun = one if number == 1 else (many or f"{one}s")
    return f"{'no' if number == 0 else f'{number:,}'} {noun}"


def listed(parts: Sequence[str]) -> str:
    """Return `a`, `a and b`, `a, b and c`."""
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"
