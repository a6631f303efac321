"""Checkpoints that somebody kept, those that lie beside a log, and their timestamps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from muniment.attest.checkpoint import Checkpoint, sign_checkpoint
from muniment.attest.note import NoteSigner
from muniment.verify import LogQuestion, LogTrust, Verification
from muniment.verify.log_earlier import EarlierCheckpoints
from muniment.verify.whole_log import Kept, verify_log
from tests.timestamp_authority import TimestampAuthority
from tests.unit.attest.test_note import LOG
from tests.unit.verify.conftest import LookAtLog
from tests.unit.verify.log_folder import checkpoint, write, write_log
from tests.unit.verify.world import World, failures

ANOTHER = NoteSigner("another.test/log", LOG.private_key)


def detail(found: Verification, finding: str) -> str:
    return next(item.detail for item in found.findings if item.id == finding)


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 511, 512, 599, 600])
def test_a_kept_checkpoint_is_the_head_of_a_prefix(
    honest_log: Path, look_at: LookAtLog, many: World, size: int
) -> None:
    found = look_at(honest_log, {"kept": checkpoint(many.leaves, many.log, size)}, hashes_only=True)
    assert failures(found) == {}
    entries = "1 entry" if size == 1 else f"{size} entries"
    assert detail(found, "log.kept") == f"{entries}, and {600 - size} more since"
    assert not any("omitted tail" in limit for limit in found.limits)


@pytest.mark.parametrize("shown", [0, 1, 256, 599])
def test_a_log_shorter_than_a_kept_checkpoint_omits_its_tail(
    tmp_path: Path, look_at: LookAtLog, many: World, shown: int
) -> None:
    folder = write_log(tmp_path / "log", many.leaves[:shown], many.log)
    found = look_at(folder, {"mine": checkpoint(many.leaves, many.log)}, hashes_only=True)
    assert failures(found) == {"log.kept": "log.omitted_tail"}
    assert detail(found, "log.kept") == (
        f"omitted tail: mine was signed over 600 entries, the log shows {shown}"
    )


@pytest.mark.parametrize("size", [3, 256, 400, 600])
def test_a_log_rewritten_since_a_kept_checkpoint_is_a_fork(
    honest_log: Path, look_at: LookAtLog, many: World, size: int
) -> None:
    other = checkpoint([*many.leaves[: size - 1], b"another"], many.log)
    found = look_at(honest_log, {"mine": other}, hashes_only=True)
    assert failures(found) == {"log.kept": "log.fork"}
    assert f"the first {size} entries" in detail(found, "log.kept")


def test_a_kept_checkpoint_counts_if_the_logs_key_signed_it(
    honest_log: Path, look_at: LookAtLog, many: World
) -> None:
    stranger = NoteSigner(many.log.name, LOG.private_key)
    found = look_at(honest_log, {"mine": checkpoint(many.leaves, stranger, 5)}, hashes_only=True)
    assert failures(found) == {"log.kept": "note.unknown_key"}
    assert detail(found, "log.kept").startswith("mine: ")
    found = look_at(honest_log, {"mine": b"nonsense"}, hashes_only=True)
    assert set(failures(found)) == {"log.kept"}


def test_of_several_kept_checkpoints_each_is_said(
    honest_log: Path, look_at: LookAtLog, many: World
) -> None:
    kept = {f"kept {size}": checkpoint(many.leaves, many.log, size) for size in (7, 300)}
    kept["forked"] = checkpoint([b"x"], many.log)
    found = look_at(honest_log, kept, hashes_only=True)
    assert [item.holds for item in found.findings if item.id == "log.kept"] == [True, True, False]


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder, many: write(folder, "checkpoints/14", checkpoint(many.leaves, many.log, 15)),
        lambda folder, many: write(
            folder, "checkpoints/014", checkpoint(many.leaves, many.log, 14)
        ),
        lambda folder, many: write(folder, "checkpoints/readme", b"x"),
        lambda folder, many: write(folder, "checkpoints/20", b"x"),
        lambda folder, many: write(folder, "checkpoints/20/x", b"x"),
        lambda folder, many: write(folder, "checkpoints/2", checkpoint([b"1", b"2"], many.log)),
        lambda folder, many: write(
            folder, "checkpoints/601", checkpoint([*many.leaves, b"later"], many.log)
        ),
        lambda folder, many: write(folder, "checkpoints/1", checkpoint(many.leaves, LOG, 1)),
        lambda folder, many: write(
            folder,
            "checkpoints/14",
            sign_checkpoint(
                Checkpoint("another.test/log", 14, b"\0" * 32),
                NoteSigner("another.test/log", many.log.private_key),
            ),
        ),
    ],
    ids=["other size", "zeros", "no size", "no note", "folder", "fork", "later", "key", "origin"],
)
def test_an_earlier_checkpoint_that_does_not_fit_is_found_and_named(
    log: Path, look_at: LookAtLog, many: World, damage: Callable[[Path, World], object]
) -> None:
    damage(log, many)
    found = look_at(log, hashes_only=True)
    assert list(failures(found)) == ["log.checkpoints"]
    assert "checkpoints/" in detail(found, "log.checkpoints")


def test_a_log_that_changed_its_key_needs_both_for_what_it_signed_before(
    log: Path, many: World
) -> None:
    older = NoteSigner(many.log.name, LOG.private_key)
    write(log, "checkpoints/14", checkpoint(many.leaves, older, 14))
    question = LogQuestion(str(log), hashes_only=True)
    assert verify_log(question, LogTrust.of_keys([many.log.vkey, older.vkey])).holds
    found = verify_log(question, LogTrust.of_keys([many.log.vkey]))
    assert failures(found) == {"log.checkpoints": "note.unknown_key"}
    assert "give that as --vkey as well" in detail(found, "log.checkpoints")


def test_what_a_writer_has_not_finished_is_no_checkpoint(log: Path, look_at: LookAtLog) -> None:
    write(log, "checkpoints/.601.new", b"half")
    assert look_at(log, hashes_only=True).holds


def test_checkpoints_of_a_log_that_the_policy_lists_as_well_are_another_logs(
    log: Path, many: World
) -> None:
    policy = f"log {many.vkey}\nlog {ANOTHER.vkey}\nquorum none\n".encode()
    trust = LogTrust.of_policy(policy)
    write(log, "checkpoints/3", checkpoint(many.leaves, ANOTHER, 3))
    found = verify_log(LogQuestion(str(log), hashes_only=True), trust)
    assert failures(found) == {"log.checkpoints": "log.origin"}
    kept = [Kept("log.kept", "kept", checkpoint(many.leaves, ANOTHER, 3))]
    found = verify_log(LogQuestion(str(log), hashes_only=True), trust, kept)
    assert failures(found)["log.kept"] == "log.origin"


def test_nothing_is_read_where_there_is_no_log(honest: World) -> None:
    earlier = EarlierCheckpoints(None, LogTrust.of_keys([honest.vkey]))
    earlier.read()
    assert earlier.roots == {}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> TimestampAuthority:
    return TimestampAuthority(tmp_path_factory.mktemp("tsa"))


@pytest.fixture
def stamped(log: Path, authority: TimestampAuthority) -> Path:
    for size in (14, 600):
        note = (log / f"checkpoints/{size}").read_bytes()
        write(log, f"timestamps/{size}/clock.tst", authority.token(note))
    return log


def test_timestamps_are_verified_over_their_checkpoints(
    stamped: Path, look_at: LookAtLog, authority: TimestampAuthority
) -> None:
    found = look_at(stamped, tsa_ca=authority.root_pem, hashes_only=True)
    assert failures(found) == {}
    assert detail(found, "log.timestamps").startswith("2 timestamps, from 20")
    assert not any("timestamp" in limit for limit in found.limits)


def test_timestamps_that_were_not_looked_at_are_a_limit(stamped: Path, look_at: LookAtLog) -> None:
    found = look_at(stamped, hashes_only=True)
    assert found.holds
    assert any("without --tsa-ca" in limit for limit in found.limits)


def test_timestamps_that_were_asked_for_and_are_not_there_fail(
    log: Path, look_at: LookAtLog, authority: TimestampAuthority
) -> None:
    found = look_at(log, tsa_ca=authority.root_pem, hashes_only=True)
    assert failures(found) == {"log.timestamps": "log.no_timestamp"}


@pytest.mark.parametrize("place", [0.0, 0.1, 0.3, 0.5, 0.8, 0.99])
def test_a_flipped_byte_of_a_timestamp_is_found_and_named(
    stamped: Path, look_at: LookAtLog, authority: TimestampAuthority, place: float
) -> None:
    path = stamped / "timestamps/14/clock.tst"
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 1
    path.write_bytes(content)
    found = look_at(stamped, tsa_ca=authority.root_pem, hashes_only=True)
    assert list(failures(found)) == ["log.timestamps"]
    assert detail(found, "log.timestamps").startswith("timestamps/14/clock.tst: ")


@pytest.mark.parametrize("kind", ["swapped", "no checkpoint", "no token", "large", "other root"])
def test_a_timestamp_of_something_else_is_found(
    stamped: Path,
    look_at: LookAtLog,
    authority: TimestampAuthority,
    tmp_path: Path,
    kind: str,
) -> None:
    first, second = (stamped / f"timestamps/{size}/clock.tst" for size in (14, 600))
    root = authority.root_pem
    if kind == "swapped":
        first.write_bytes(second.read_bytes())
    elif kind == "no checkpoint":
        (stamped / "checkpoints/14").unlink()
    elif kind == "no token":
        first.unlink()
    elif kind == "large":
        first.write_bytes(b"x" * 100_001)
    else:
        root = TimestampAuthority(tmp_path / "other").root_pem
    found = look_at(stamped, tsa_ca=root, hashes_only=True)
    assert list(failures(found)) == ["log.timestamps"]
    assert detail(found, "log.timestamps").startswith("timestamps/14")
