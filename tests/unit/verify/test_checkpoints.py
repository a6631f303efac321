"""Two checkpoints, alone and with the log that they are heads of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from muniment.attest.checkpoint import Checkpoint, sign_checkpoint
from muniment.attest.note import NoteSigner
from muniment.verify import LogQuestion, LogTrust, Verification
from muniment.verify.checkpoints import verify_checkpoints
from tests.unit.attest.test_note import COSIGNER, LOG, STRANGER
from tests.unit.verify.log_folder import checkpoint, write_log
from tests.unit.verify.world import failures

ENTRIES = [b"entry %d" % number for number in range(600)]
TRUST = LogTrust.of_keys([LOG.vkey])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_log(tmp_path_factory.mktemp("log"), ENTRIES, LOG)


def compare(
    notes: Sequence[bytes], log: Path | None = None, trust: LogTrust = TRUST
) -> Verification:
    question = None if log is None else LogQuestion(str(log))
    return verify_checkpoints(["first", "second"], notes, trust, log=question)


def detail(found: Verification, finding: str) -> str:
    return next(item.detail for item in found.findings if item.id == finding)


def test_the_same_tree_twice_is_one_history() -> None:
    found = compare([checkpoint(ENTRIES, LOG, 7)] * 2)
    assert found.holds
    assert detail(found, "checkpoints.consistent") == "both are over the same 7 entries"
    assert found.limits


def test_two_roots_of_one_size_are_a_fork_that_anyone_can_prove() -> None:
    notes = [checkpoint(ENTRIES, LOG, 7), checkpoint([*ENTRIES[:6], b"x"], LOG)]
    for found in (compare(notes), compare(notes[::-1])):
        assert failures(found) == {"checkpoints.consistent": "log.fork"}


def test_other_sizes_need_the_log() -> None:
    found = compare([checkpoint(ENTRIES, LOG, 7), checkpoint(ENTRIES, LOG, 9)])
    assert failures(found) == {"checkpoints.consistent": "checkpoints.need_log"}
    assert detail(found, "checkpoints.consistent").endswith("as --log")


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.tuples(st.integers(0, 600), st.integers(0, 600)))
def test_any_two_heads_of_one_log_are_consistent(folder: Path, sizes: tuple[int, int]) -> None:
    found = compare([checkpoint(ENTRIES, LOG, size) for size in sizes], folder)
    assert failures(found) == {}
    assert found.holds


@pytest.mark.parametrize("size", [1, 5, 256, 300, 512, 599])
def test_a_head_of_another_history_is_found(folder: Path, size: int) -> None:
    forked = [*ENTRIES[: size - 1], b"another"]
    found = compare([checkpoint(forked, LOG), checkpoint(ENTRIES, LOG)], folder)
    assert failures(found) == {"checkpoints.consistent": "proof.root_mismatch"}


def test_the_larger_one_is_held_against_the_log_as_well(folder: Path) -> None:
    """Both are of one history, and the log shows another."""
    forked = [*ENTRIES[:500], b"another"]
    found = compare([checkpoint(ENTRIES, LOG, 500), checkpoint(forked, LOG)], folder)
    assert set(failures(found)) == {"checkpoints.consistent", "log.continues"}


def test_a_log_that_ends_before_them_omits_its_tail(folder: Path) -> None:
    longer = [*ENTRIES, b"more"]
    found = compare([checkpoint(ENTRIES, LOG), checkpoint(longer, LOG)], folder)
    assert failures(found) == {
        "checkpoints.consistent": "log.omitted_tail",
        "log.continues": "log.omitted_tail",
    }


def test_both_are_signed_by_the_log_and_of_its_origin(folder: Path) -> None:
    stranger = NoteSigner(LOG.name, STRANGER.private_key)
    notes = [checkpoint(ENTRIES, LOG), checkpoint(ENTRIES, stranger)]
    assert failures(compare(notes, folder)) == {"checkpoint.2": "note.unknown_key"}
    assert failures(compare(notes[::-1])) == {"checkpoint.1": "note.unknown_key"}
    another = NoteSigner("another.test/log", STRANGER.private_key)
    trust = LogTrust.of_policy(f"log {LOG.vkey}\nlog {another.vkey}\nquorum none\n".encode())
    notes = [checkpoint(ENTRIES, LOG), checkpoint(ENTRIES, another)]
    assert failures(compare(notes, folder, trust)) == {"checkpoints.origin": "log.origin"}
    assert failures(compare([notes[1]] * 2, folder, trust)) == {"log.continues": "log.origin"}


def test_tiles_that_are_missing_or_changed_are_named(tmp_path: Path) -> None:
    log = write_log(tmp_path / "log", ENTRIES, LOG)
    notes = [checkpoint(ENTRIES, LOG, 300), checkpoint(ENTRIES, LOG, 600)]
    content = bytearray((log / "tile/0/001").read_bytes())
    content[5] ^= 1
    (log / "tile/0/001").write_bytes(content)
    assert failures(compare(notes, log)) == {"checkpoints.consistent": "proof.root_mismatch"}
    (log / "tile/0/001").unlink()
    found = compare(notes, log)
    assert failures(found) == {"checkpoints.consistent": "tile.missing"}
    assert detail(found, "checkpoints.consistent").startswith("tile/0/001: ")


def test_a_policy_demands_its_witnesses(tmp_path: Path) -> None:
    policy = f"log {LOG.vkey}\nwitness w1 {COSIGNER.vkey}\nquorum w1\n".encode()
    trust = LogTrust.of_policy(policy)
    plain, seen = checkpoint(ENTRIES, LOG, 7), checkpoint(ENTRIES, LOG, 7, [COSIGNER])
    found = compare([plain, seen], trust=trust)
    assert failures(found) == {"checkpoint.1": "policy.quorum_not_reached"}
    found = compare([seen, seen], trust=trust)
    assert found.holds
    assert detail(found, "checkpoint.1").endswith("at 7 entries, cosigned by w1")


def test_an_empty_tree_has_one_root(folder: Path) -> None:
    wrong = sign_checkpoint(Checkpoint(LOG.name, 0, b"\1" * 32), LOG)
    found = compare([wrong, checkpoint(ENTRIES, LOG, 7)], folder)
    assert failures(found) == {"checkpoints.consistent": "proof.root_mismatch"}
