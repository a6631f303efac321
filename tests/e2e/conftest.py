"""One demo for all end-to-end tests: the real thing, started once."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.demo import Demo


@pytest.fixture(scope="session")
def demo() -> Iterator[Demo]:
    folder = Path(tempfile.mkdtemp(prefix="muniment-demo-"))
    up = Demo(folder / "home")
    try:
        yield up
    finally:
        status = up.stop()
        shutil.rmtree(folder)
    assert status == 0
