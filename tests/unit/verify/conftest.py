"""One log and one honest report for the whole module; what a test damages is its own copy."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from muniment.verify import LogQuestion, LogTrust, Verification, verify_report
from muniment.verify.whole_log import Kept, verify_log
from tests.unit.verify.log_folder import write_log
from tests.unit.verify.world import World, make_world

Look = Callable[..., Verification]
LookAtLog = Callable[..., Verification]


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


@pytest.fixture(scope="session")
def many(honest: World) -> World:
    """A log of 600 entries: two full tiles, and the begin of a third."""
    world = honest.forked()
    while len(world.leaves) < 600:
        world.finding("performance", "pass", {"n": len(world.leaves)})
    return world


@pytest.fixture(scope="session")
def honest_log(many: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_log(
        tmp_path_factory.mktemp("log"), many.leaves, many.log, earlier=[0, 1, 14, 256, 300, 512]
    )


@pytest.fixture
def log(honest_log: Path, tmp_path: Path) -> Path:
    """A copy of the honest log, for a test to damage."""
    return shutil.copytree(honest_log, tmp_path / "log")


@pytest.fixture
def look_at(honest: World) -> LookAtLog:
    """Verify a log under the honest log's key."""

    def verify(
        place: Path | str, kept: Mapping[str, bytes] | None = None, **options: Any
    ) -> Verification:
        return verify_log(
            LogQuestion(str(place), **options),
            LogTrust.of_keys([honest.vkey]),
            [Kept("log.kept", name, note) for name, note in (kept or {}).items()],
        )

    return verify
