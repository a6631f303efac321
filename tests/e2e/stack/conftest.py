"""One running instance for every test of this folder."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.embedded import EmbeddedStack
from config.embedded.progress import Progress


@pytest.fixture(scope="session")
def stack() -> Iterator[EmbeddedStack]:
    """Everything running in a state folder of its own: what `make demo` starts, without the story.

    A test that stops a part starts it again.
    """
    folder = Path(tempfile.mkdtemp(prefix="muniment-stack-"))
    try:
        with EmbeddedStack(folder / "home", progress=Progress(None)) as running:
            yield running
    finally:
        shutil.rmtree(folder)
