"""Names of groups and of attributes, spelled the same way wherever people are counted."""

from __future__ import annotations

import unicodedata

UNKNOWN = "unknown"
INTERSECTION = " × "

# What a missing value becomes when someone writes it as text. "None", "NA" and "null" are left
# alone: they are also real answers (a religion, Native American, a surname).
_MISSING_SPELLINGS = frozenset({"", UNKNOWN, "nan", "<na>"})


def canonical_group(name: str | None) -> str:
    """Return the group that a written value stands for: trimmed, NFC, blanks as ``unknown``.

    Missing values, blanks, ``nan``, ``<NA>`` and every letter case of ``unknown`` are one group,
    so that nobody gains by spelling the unknown in several ways. Control and invisible characters
    are dropped: two names that look alike are one, and no database or drawing chokes on them.
    Law: ``canonical_group(canonical_group(x)) == canonical_group(x)``.
    """
    if name is None:
        return UNKNOWN
    # Most names are plain ones, in which nothing is invisible and nothing to be composed.
    if not (name.isascii() and name.isprintable()):
        visible = "".join(c for c in name if c.isspace() or unicodedata.category(c)[0] != "C")
        name = unicodedata.normalize("NFC", visible)
    text = " ".join(name.split())
    return UNKNOWN if text.casefold() in _MISSING_SPELLINGS else text


def intersection_name(parts: tuple[str, ...]) -> str:
    """Return the name of an intersection of attributes, such as ``race × sex``."""
    return INTERSECTION.join(parts)


def intersection_group(parts: tuple[str, ...]) -> str:
    """Return the group of an intersection; one unknown part makes the whole ``unknown``."""
    return UNKNOWN if UNKNOWN in parts else INTERSECTION.join(parts)
