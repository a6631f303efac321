"""The shape of every command of ours: words for people, or one JSON document for programs."""

from __future__ import annotations

import json
import sys
from abc import ABC, abstractmethod
from argparse import ArgumentParser
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from django.core.management.base import BaseCommand, CommandError


class JsonCommand(ABC, BaseCommand):
    """A command that says what it did: a line each, or with `--json` one document on stdout.

    Subclasses write `perform`, which returns what is to be said. With `--json` a failure is a
    document too, and the exit status is 1 either way.

    Attributes:
        refusals: the errors whose words are for whoever ran the command, beside CommandError.
    """

    refusals: ClassVar[tuple[type[Exception], ...]] = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON document")

    @abstractmethod
    def perform(self, **options: Any) -> dict[str, Any]:
        """Do it; return what was done."""

    def words(self, said: Mapping[str, Any]) -> Iterable[str]:
        """Say the same to people, a line each."""
        return (f"{name}: {value}" for name, value in said.items())

    def failed(self, said: Mapping[str, Any]) -> bool:
        """Tell whether what was found makes the exit status 1, as a check for CI."""
        return False

    def handle(self, *args: Any, **options: Any) -> None:
        is_json = options.pop("json")
        refusals: tuple[type[Exception], ...] = (CommandError, *self.refusals)
        try:
            said = self.perform(**options)
        except refusals as error:
            if not is_json:
                raise CommandError(str(error)) from error
            self.stdout.write(json.dumps({"error": str(error)}))
            sys.exit(1)
        if is_json:
            self.stdout.write(json.dumps(said))
        else:
            for line in self.words(said):
                self.stdout.write(line)
        if self.failed(said):
            sys.exit(1)
