"""Reading measurements that somebody recorded: every type looked at, nothing believed unread."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from fractions import Fraction
from typing import Any, Final

# A gate is judged in a web request, so there is an end to what it reads.
MOST_ENTRIES: Final = 20_000
_MOST_BITS: Final = 1_024
_HIGHEST_COUNT: Final = 10**15


class Malformed(Exception):
    """The measurements are not what their kind of evidence records; the message says where."""


def mapping_in(found: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Give the mapping under a name.

    Raises:
        Malformed: it is missing, or no mapping.
    """
    value = found.get(name)
    if not isinstance(value, Mapping):
        raise Malformed(f"{name} is missing, or no mapping")
    return value


def mappings_in(found: Mapping[str, Any], name: str) -> Sequence[Mapping[str, Any]]:
    """Give the list of mappings under a name; it may be empty.

    Raises:
        Malformed: it is missing, no list of mappings, or too long.
    """
    value = found.get(name)
    if not isinstance(value, list) or not all(isinstance(one, Mapping) for one in value):
        raise Malformed(f"{name} is missing, or no list of mappings")
    if len(value) > MOST_ENTRIES:
        raise Malformed(f"{name} has more than {MOST_ENTRIES:,} entries")
    return value


def count_in(found: Mapping[str, Any], name: str) -> int:
    """Give the whole number from 0 to 10^15 under a name.

    Raises:
        Malformed: it is missing, or no such number; True is none.
    """
    value = found.get(name)
    if type(value) is not int or not 0 <= value <= _HIGHEST_COUNT:
        raise Malformed(f"{name} is no count")
    return value


def text_in(found: Mapping[str, Any], name: str, *, blank: bool = True) -> str:
    """Give the text under a name.

    Raises:
        Malformed: it is missing, no text, or blank where that is not allowed.
    """
    value = found.get(name)
    if not isinstance(value, str):
        raise Malformed(f"{name} is missing, or no text")
    if not blank and not value.strip():
        raise Malformed(f"{name} is blank")
    return value


def word_in(found: Mapping[str, Any], name: str, among: Collection[str]) -> str:
    """Give the text under a name that is one of several.

    Raises:
        Malformed: it is none of them.
    """
    value = found.get(name)
    if not isinstance(value, str) or value not in among:
        raise Malformed(f"{name} is not one of {', '.join(among)}")
    return value


def exact_number(value: object) -> Fraction | None:
    """Give a finite number exactly as a person reads it: 0.906 is 453/500. None for all else."""
    if type(value) is int:
        # One of a million digits must not be written out.
        return Fraction(value) if value.bit_length() <= _MOST_BITS else None
    if not isinstance(value, float) or not math.isfinite(value):
        return None
    return Fraction(repr(value))


def named(names: Collection[str], most: int = 3) -> str:
    """Name the first few of many: `a, b, c and 4 more`."""
    shown = ", ".join(list(names)[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
