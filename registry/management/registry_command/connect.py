"""`registry connect`: MLflow tells Muniment of changes at once."""

from __future__ import annotations

import sys
import threading
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings

from registry.management.registry_command.subcommand import Subcommand, add_source_argument
from registry.services.connection import connect_source, hook_address
from registry.services.sources import client_of, find_source

_QUIET_SECONDS = 2.0


class Connect(Subcommand):
    name = "connect"
    help = "Have MLflow tell Muniment of registry events at once, by a signed webhook; try it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_source_argument(parser)
        parser.add_argument(
            "--url",
            default=settings.MUNIMENT_URL,
            help="this Muniment as the MLflow server reaches it (default: MUNIMENT_URL)",
        )

    def perform(self, **options: Any) -> dict[str, Any]:
        source = find_source(options["source"])
        address = hook_address(source, options["url"])
        with _saying_that_it_takes_long(f"waiting until MLflow has delivered to {address}"):
            made = connect_source(source=source, client=client_of(source), base=options["url"])
        said: dict[str, Any] = {
            "source": source.name,
            "delivers_to": made.delivers_to,
            "webhook": "made" if made.is_new else "renewed",
        }
        return said | ({"replaces": made.replaces} if made.replaces else {})


@contextmanager
def _saying_that_it_takes_long(what: str) -> Iterator[None]:
    def say() -> None:
        sys.stderr.write(f"{what} …\n")
        sys.stderr.flush()

    timer = threading.Timer(_QUIET_SECONDS, say)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
