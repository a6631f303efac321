"""Read one mapping of a policy document: every key typed, none left over, every fault noted.

A reader that finds a fault notes it and gives a harmless value of the right type, so that one pass
finds everything; the parser builds nothing while there are problems.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from typing import Final

from registry.domain.errors import PolicyProblem
from registry.domain.policy_yaml import Plain, join_path

_MISSING: Final = object()
_NAME = re.compile(r"[a-z][a-z0-9]*([-_.][a-z0-9]+)*")
_FRACTION_TEXT = re.compile(r"[0-9]{1,9}(/[1-9][0-9]{0,8}|\.[0-9]{1,12})?")
LONGEST_NAME = 64
LONGEST_TEXT = 600
LONGEST_LIST = 50


@dataclass(slots=True)
class Section:
    """A mapping at a path; `close` refuses the keys that nobody read."""

    value: Plain
    path: str
    problems: list[PolicyProblem]
    is_missing: bool = False
    _mapping: dict[str, Plain] = field(init=False)
    _read: set[str] = field(init=False, default_factory=set)

    def __post_init__(self) -> None:
        self._mapping = self.value if isinstance(self.value, dict) else {}
        if not isinstance(self.value, dict) and not self.is_missing:
            self._note("type", self.path, _found(self.value), "a mapping")

    def has(self, key: str) -> bool:
        """Tell whether the key is there."""
        return key in self._mapping

    def is_mapping(self, key: str) -> bool:
        """Tell whether the key is there and its value is a mapping."""
        return isinstance(self._mapping.get(key), dict)

    def close(self) -> None:
        """Note every key that was not read as unknown. A value that is no mapping has none."""
        for key in self._mapping:
            if key not in self._read:
                known = ", ".join(sorted(self._read))
                self._note("unknown_key", self.at(key), "unknown key", f"one of {known}")

    def at(self, key: str) -> str:
        """Give the path of a key of this section."""
        return join_path(self.path, key)

    def note(self, key: str, code: str, message: str, expected: str) -> None:
        """Note a problem with a key's value."""
        self._note(code, self.at(key), message, expected)

    def section(self, key: str) -> Section:
        """Read a mapping; where it is missing, one that complains about nothing more."""
        self._take(key, "a mapping")
        return Section(
            self._mapping.get(key), self.at(key), self.problems, is_missing=not self.has(key)
        )

    def sections(self, key: str, *, required: bool = True) -> list[Section]:
        """Read a list of mappings."""
        found = self._list(key, "a list of mappings", required=required)
        return [
            Section(element, f"{self.at(key)}[{index}]", self.problems)
            for index, element in enumerate(found)
        ]

    def name(self, key: str) -> str:
        """Read a name: lower-case words of letters and digits, joined by `-`, `_` or `.`."""
        return self._name_at(self._take(key, "a name"), self.at(key))

    def names(self, key: str, *, among: Collection[str] | None = None) -> tuple[str, ...]:
        """Read a list of different names, at least one; each one of `among` where it is given."""
        found: list[str] = []
        for index, element in enumerate(self._list(key, "a list of names")):
            path = f"{self.at(key)}[{index}]"
            name = self._name_at(element, path)
            if among is not None and name and name not in among:
                self._note(
                    "unknown_value",
                    path,
                    repr(name),
                    f"one of {', '.join(sorted(among))}",
                )
            if name and name in found:
                self._note("duplicate", path, f"{name!r} a second time", "each name once")
            found.append(name)
        if self.has(key) and not found and isinstance(self._mapping[key], list):
            self._note("empty", self.at(key), "an empty list", "at least one name")
        return tuple(found)

    def text(self, key: str, *, required: bool = True) -> str:
        """Read one or more lines of text, not blank."""
        found = self._take(key, "text", required=required)
        if found is _MISSING:
            return ""
        if not isinstance(found, str) or not found.strip() or len(found) > LONGEST_TEXT:
            self._note(
                "type",
                self.at(key),
                _found(found),
                f"text of 1 to {LONGEST_TEXT} characters",
            )
            return ""
        return found.strip()

    def texts(self, key: str) -> tuple[str, ...]:
        """Read an optional list of different texts."""
        found: list[str] = []
        for index, element in enumerate(self._list(key, "a list of texts", required=False)):
            path = f"{self.at(key)}[{index}]"
            if not isinstance(element, str) or not element.strip():
                self._note("type", path, _found(element), "text")
            elif element in found:
                self._note("duplicate", path, f"{element!r} a second time", "each text once")
            else:
                found.append(element)
        return tuple(found)

    def choice(self, key: str, among: Collection[str], *, default: str = "") -> str:
        """Read one of several words; it may be left out where there is a default."""
        expected = f"one of {', '.join(sorted(among))}"
        found = self._take(key, expected, required=not default)
        if found is _MISSING:
            return default
        if not isinstance(found, str) or found not in among:
            self._note("unknown_value", self.at(key), _found(found), expected)
            return default
        return found

    def whole(self, key: str, *, least: int, most: int) -> int:
        """Read a whole number in a range, both ends included."""
        expected = f"a whole number from {least} to {most}"
        found = self._take(key, expected)
        if found is _MISSING:
            return least
        if isinstance(found, bool) or not isinstance(found, int):
            self._note("type", self.at(key), _found(found), expected)
            return least
        if not least <= found <= most:
            self._note("out_of_range", self.at(key), str(found), expected)
            return least
        return found

    def exact(self, key: str, *, least: Fraction, most: Fraction) -> Fraction:
        """Read an exact number in a range, both ends included: 0.8, "0.8" or "4/5"."""
        expected = f'a number from {least} to {most}, such as 0.8 or "4/5"'
        found = self._take(key, expected)
        if found is _MISSING:
            return least
        number = _exact(found)
        if number is None:
            self._note("type", self.at(key), _found(found), expected)
            return least
        if not least <= number <= most:
            self._note("out_of_range", self.at(key), str(number), expected)
            return least
        return number

    def word_or_exact(
        self, key: str, word: str, *, least: Fraction, most: Fraction
    ) -> str | Fraction:
        """Read one word, or an exact number in a range."""
        if self._mapping.get(key) == word:
            return self.choice(key, (word,))
        return self.exact(key, least=least, most=most)

    def flag(self, key: str, *, default: bool) -> bool:
        """Read an optional truth value."""
        found = self._take(key, "true or false", required=False)
        if found is _MISSING:
            return default
        if not isinstance(found, bool):
            self._note("type", self.at(key), _found(found), "true or false")
            return default
        return found

    def day(self, key: str) -> date:
        """Read a date."""
        found = self._take(key, "a date such as 2026-11-23")
        if isinstance(found, date):
            return found
        if found is not _MISSING:
            self._note("type", self.at(key), _found(found), "a date such as 2026-11-23")
        return date.min

    def plain(self, key: str) -> Plain:
        """Read a value as it stands, for a reader that looks at it itself; None where missing."""
        self._read.add(key)
        return self._mapping.get(key)

    def _take(self, key: str, expected: str, *, required: bool = True) -> object:
        self._read.add(key)
        if key not in self._mapping:
            # A value that is no mapping has been noted as a whole.
            if required and isinstance(self.value, dict):
                self._note("missing_key", self.at(key), "it is missing", expected)
            return _MISSING
        return self._mapping[key]

    def _list(self, key: str, expected: str, *, required: bool = True) -> list[Plain]:
        found = self._take(key, expected, required=required)
        if found is _MISSING:
            return []
        if not isinstance(found, list):
            self._note("type", self.at(key), _found(found), expected)
            return []
        if len(found) > LONGEST_LIST:
            self._note(
                "too_long",
                self.at(key),
                f"{len(found)} of them",
                f"at most {LONGEST_LIST}",
            )
        return found[:LONGEST_LIST]

    def _name_at(self, found: object, path: str) -> str:
        if found is _MISSING:
            return ""
        if not isinstance(found, str) or not _NAME.fullmatch(found) or len(found) > LONGEST_NAME:
            expected = f"a lower-case name of at most {LONGEST_NAME} characters"
            self._note("type", path, _found(found), expected)
            return ""
        return found

    def _note(self, code: str, path: str, message: str, expected: str) -> None:
        # The first fault of a value is the one to mend; what follows from it is noise.
        if all(problem.path != path for problem in self.problems):
            self.problems.append(PolicyProblem(code, path, message, expected))


def _exact(found: object) -> Fraction | None:
    if isinstance(found, bool):
        return None
    if isinstance(found, int | Fraction):
        return Fraction(found)
    if isinstance(found, str) and _FRACTION_TEXT.fullmatch(found):
        return Fraction(found)
    return None


def _found(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    return repr(str(value)[:80])
