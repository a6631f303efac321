"""What every subcommand has."""

from __future__ import annotations

from abc import ABC, abstractmethod
from argparse import ArgumentParser
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

NAMED = 20


class Subcommand(ABC):
    """One thing that `manage.py registry` does."""

    name: ClassVar[str]
    help: ClassVar[str]

    @abstractmethod
    def add_arguments(self, parser: ArgumentParser) -> None:
        """Say what it takes."""

    @abstractmethod
    def perform(self, **options: Any) -> dict[str, Any]:
        """Do it; return what was done."""

    def words(self, said: Mapping[str, Any]) -> Iterable[str]:
        """Say to people what `perform` returned, a line each."""
        return (f"{name.replace('_', ' ')}: {value}" for name, value in said.items())


def add_source_argument(parser: ArgumentParser) -> None:
    """Take the name of a registry source."""
    parser.add_argument(
        "--source", help="the registry source's name (default: what MUNIMENT_SOURCE says)"
    )


def add_person_argument(parser: ArgumentParser) -> None:
    """Take the person on whose account this is done."""
    parser.add_argument("--as", dest="username", required=True, help="the admin who does it")


def add_dry_run_argument(parser: ArgumentParser) -> None:
    """Take that nothing is to be written."""
    parser.add_argument("--dry-run", action="store_true", help="show what it would do, and do not")


def first_of(lines: Iterable[str]) -> Iterable[str]:
    """Yield the first lines, and how many more there are."""
    every = list(lines)
    yield from every[:NAMED]
    if len(every) > NAMED:
        yield f"  … and {len(every) - NAMED} more; --json names them all"
