"""Reading members of JSON that somebody else wrote, each with its path where it is wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from muniment.attest.errors import AttestError

T = TypeVar("T")


class Members:
    """The members of one JSON object, taken one by one, so that what nobody took is an error.

    Args:
        error: the class of what is raised.
        where: the path of the object, ``$.code``.
    """

    def __init__(self, value: object, *, error: type[AttestError], where: str = "$") -> None:
        self._error, self._where = error, where
        if not isinstance(value, Mapping):
            raise error(f"{where} must be an object")
        self._left: dict[str, Any] = dict(value)

    def text(self, name: str, *, at_most: int = 4_000, default: str | None = None) -> str:
        """Take a text of at most so many characters, without NUL and lone surrogates."""
        return self._text(self._take(name, default), f"{self._where}.{name}", at_most)

    def flag(self, name: str) -> bool | None:
        """Take true, false, or null where nothing is known; absent is null."""
        value = self._left.pop(name, None)
        if value is not None and not isinstance(value, bool):
            raise self._error(f"{self._where}.{name} must be true, false or null")
        return value

    def count(self, name: str, *, default: int | None = None) -> int:
        """Take a whole number, not negative, below 2**63."""
        value = self._take(name, default)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**63:
            raise self._error(f"{self._where}.{name} must be a whole number, not negative")
        return value

    def texts(self, name: str, *, at_most: int = 10_000) -> tuple[str, ...]:
        """Take a list of texts; absent is empty."""
        return self.each(name, lambda value, where: self._text(value, where, 4_000), at_most)

    def pairs(self, name: str, *, at_most: int = 100_000) -> dict[str, str]:
        """Take an object whose members are texts; absent is empty."""
        value, where = self._take(name, {}), f"{self._where}.{name}"
        if not isinstance(value, Mapping) or len(value) > at_most:
            raise self._error(f"{where} must be an object of at most {at_most} members")
        return {
            self._text(key, where, 4_000): self._text(member, f"{where}.{key[:80]}", 20_000)
            for key, member in value.items()
        }

    def each(
        self, name: str, parse: Callable[[Any, str], T], at_most: int = 10_000
    ) -> tuple[T, ...]:
        """Take a list, each item parsed with its path; absent is empty."""
        value, where = self._take(name, []), f"{self._where}.{name}"
        if not isinstance(value, list) or len(value) > at_most:
            raise self._error(f"{where} must be a list of at most {at_most} items")
        return tuple(parse(item, f"{where}[{number}]") for number, item in enumerate(value))

    def nested(self, name: str) -> Members:
        """Take an object."""
        return Members(self._take(name, None), error=self._error, where=f"{self._where}.{name}")

    def end(self) -> None:
        """Refuse members that nobody took: what is not understood is not half believed."""
        if self._left:
            raise self._error(f"{self._where} has the unknown member {next(iter(self._left))!r}")

    def _take(self, name: str, default: object) -> Any:
        value = self._left.pop(name, None)
        if value is not None:
            return value
        if default is None:
            raise self._error(f"{self._where}.{name} is missing")
        return default

    def _text(self, value: object, where: str, at_most: int) -> str:
        if not isinstance(value, str) or len(value) > at_most:
            raise self._error(f"{where} must be a text of at most {at_most} characters")
        if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
            raise self._error(f"{where} holds a character that cannot be stored")
        return value
