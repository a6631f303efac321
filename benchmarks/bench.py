"""What every benchmark shares: an instance of its own, a clock, and the line that it ends with."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from config.embedded import EmbeddedStack


def say(text: str) -> None:
    """Tell whoever watches; standard output is kept for the result."""
    print(text, file=sys.stderr, flush=True)


def result(*, workload: str, ours: float, peer: float, unit: str, **more: object) -> None:
    """Print the result, the last line on standard output.

    Args:
        ours: measured in `unit`, as `peer` is.
        more: further figures; a `ratio` among them takes the place of ours over the peer.
    """
    print(
        json.dumps(
            {
                "workload": workload,
                "ours": round(ours, 3),
                "peer": round(peer, 3),
                "ratio": round(ours / peer, 3),
                "unit": unit,
                **more,
            }
        ),
        flush=True,
    )


def is_full() -> bool:
    """Read the command line: `--full` asks for the larger size."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--full", action="store_true", help="the larger size, which takes longer")
    return bool(parser.parse_args().full)


def seconds(work: Callable[[], object]) -> float:
    """Return how long it takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Give a folder that is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="muniment-bench-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def database() -> Iterator[str]:
    """Start PostgreSQL in a temporary folder, migrated, with Django on it; give its URL as owner.

    Every role is this process's, as in the tests: they are still separate connections.
    """
    with instance() as stack:
        yield stack.addresses.migration_database_url


@contextmanager
def instance(*services: str) -> Iterator[EmbeddedStack]:
    """Start what `database` does, and other services of the embedded stack; give the stack."""
    from config.embedded import EmbeddedStack
    from config.embedded.environments import instance_environment

    with temporary_folder() as folder, EmbeddedStack(folder / "home", parts=()) as stack:
        os.environ.update(instance_environment(stack.home, stack.keys, stack.addresses))
        for role in ("sequencer", "migrate"):
            os.environ.update(stack.environment(role))
        os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
        os.environ["LOG_LEVEL"] = "ERROR"
        for service in ("postgres", *services):
            stack.start(service)
        stack.migrate()

        import django
        from django.db import connections

        django.setup()
        try:
            yield stack
        finally:
            connections.close_all()
