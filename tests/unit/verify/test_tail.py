"""A report held against the log that it is of, or not of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from muniment.verify import LogQuestion, Verification
from tests.unit.verify.conftest import Look
from tests.unit.verify.log_folder import write_log
from tests.unit.verify.story import MEASUREMENTS
from tests.unit.verify.world import World, failures

Against = Callable[..., Verification]


@pytest.fixture
def against(look: Look, tmp_path: Path) -> Against:
    def verify(report: bytes, world: World, *, hashes_only: bool = False) -> Verification:
        folder = write_log(tmp_path / "log", world.leaves, world.log)
        return look(report, log=LogQuestion(str(folder), hashes_only=hashes_only))

    return verify


def detail(found: Verification, finding: str) -> str:
    return next(item.detail for item in found.findings if item.id == finding)


def shortened(world: World, count: int = 1) -> World:
    shorter = world.forked()
    del shorter.leaves[-count:]
    del shorter.stream[-count:]
    return shorter


def without_tail(world: World, shown: World) -> bytes:
    """Return a report under the newest checkpoint of the log that shows an older stream."""
    evidence = world.evidence()
    evidence["entries"] = evidence["entries"][: len(shown.leaves)]
    older = shown.evidence()["dossier"]
    evidence["dossier"] = {
        **older,
        "log": {**evidence["dossier"]["log"], "stream_length": len(shown.stream)},
    }
    return world.report(evidence)


def test_a_report_agrees_with_its_log(
    against: Against, honest: World, honest_report: bytes
) -> None:
    found = against(honest_report, honest)
    assert failures(found) == {}
    assert found.holds
    assert detail(found, "stream.tail") == "12 statements, the last at leaf 13"
    assert detail(found, "log.continues") == "14 entries, and 0 more since"
    assert not any("omitted tail" in limit for limit in found.limits)
    assert not any("were added" in limit for limit in found.limits)


@pytest.mark.parametrize(("later", "words"), [(1, "1 statement was"), (3, "3 statements were")])
def test_what_was_said_since_is_a_limit_in_words(
    against: Against, world: World, honest_report: bytes, later: int, words: str
) -> None:
    for _ in range(later):
        world.finding("performance", "pass", MEASUREMENTS)
    found = against(honest_report, world)
    assert found.holds
    assert any(f"{words} added to the model's stream after" in text for text in found.limits)


def test_an_omitted_tail_is_found_in_the_log_and_only_there(
    against: Against, look: Look, world: World
) -> None:
    world.finding("performance", "pass", MEASUREMENTS)
    world.finding("performance", "pass", MEASUREMENTS)
    report = without_tail(world, shortened(world, 2))
    alone = look(report)
    assert alone.holds
    assert any("omitted tail" in limit for limit in alone.limits)
    found = against(report, world)
    assert failures(found) == {"stream.tail": "stream.omitted_tail"}
    assert detail(found, "stream.tail").startswith(
        "omitted tail: the report leaves out 2 of the 14 statements"
    )
    assert detail(found, "stream.tail").endswith("leaf 14, 15")


def test_a_log_that_ends_before_the_report_omits_its_tail(
    against: Against, world: World, honest_report: bytes
) -> None:
    found = against(honest_report, shortened(world))
    assert failures(found)["log.continues"] == "log.omitted_tail"
    assert not found.holds


def test_a_report_of_another_history_is_a_fork(
    against: Against, world: World, honest_report: bytes
) -> None:
    other = shortened(world)
    other.finding("performance", "pass", MEASUREMENTS)
    found = against(honest_report, other)
    assert failures(found) == {"log.continues": "log.fork", "stream.tail": "stream.foreign"}


def test_without_statements_the_tail_is_a_limit(
    against: Against, world: World, honest_report: bytes
) -> None:
    found = against(honest_report, world, hashes_only=True)
    assert found.holds
    assert any("end of its model's stream" in limit for limit in found.limits)


def test_a_log_that_does_not_hold_lets_nothing_rest_on_it(
    look: Look, honest: World, honest_report: bytes, tmp_path: Path
) -> None:
    folder = write_log(tmp_path / "log", honest.leaves, honest.log)
    (folder / "tile/0/000.p/14").unlink()
    found = look(honest_report, log=LogQuestion(str(folder)))
    assert set(failures(found)) == {"log.tiles"}
    tail = next(item for item in found.findings if item.id == "stream.tail")
    assert (tail.holds, tail.code) == (False, "verify.not_reached")


def test_a_broken_report_beside_a_good_log_is_no_crash(
    look: Look, honest: World, tmp_path: Path
) -> None:
    folder = write_log(tmp_path / "log", honest.leaves, honest.log)
    found = look(b"%PDF-nonsense", log=LogQuestion(str(folder)))
    assert list(failures(found)) == ["pdf.signature"]
    assert any(item.id == "log.tiles" and item.holds for item in found.findings)
