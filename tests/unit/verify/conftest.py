"""One log and one honest report for the whole module; what a test damages is its own copy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from muniment.verify import Verification, verify_report
from tests.unit.verify.world import World, make_world

Look = Callable[..., Verification]


@pytest.fixture(scope="session")
def honest(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="session")
def honest_report(honest: World) -> bytes:
    return honest.report()


@pytest.fixture
def world(honest: World) -> World:
    """A world that a test may write on in."""
    return honest.forked()


@pytest.fixture
def look(tmp_path: Path, honest: World) -> Look:
    """Write bytes to a file and verify them under the honest log's key."""

    def verify(pdf: bytes, vkey: str | None = None, **options: Any) -> Verification:
        path = tmp_path / "report.pdf"
        path.write_bytes(pdf)
        return verify_report(path, vkey or honest.vkey, **options)

    return verify
