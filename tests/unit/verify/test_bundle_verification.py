"""One entry of the log looked at: a bundle, or an envelope and its proof."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from muniment.attest.bundle import LoggedEntry, build_bundle
from muniment.attest.merkle import inclusion_proof, leaf_hash
from muniment.attest.note import NoteSigner
from muniment.attest.proof import format_proof
from muniment.verify import LogQuestion, LogTrust, Verification
from muniment.verify.bundle import verify_bundle, verify_entry
from tests.unit.attest.test_note import COSIGNER, LOG
from tests.unit.verify.log_folder import checkpoint, write_log
from tests.unit.verify.story import MEASUREMENTS, STREAM, VERSION
from tests.unit.verify.world import World, failures

KEYS = (0, 1)


def entry(world: World, leaf: int, note: bytes | None = None) -> LoggedEntry:
    hashes = [leaf_hash(envelope) for envelope in world.leaves]
    proof = format_proof(leaf, inclusion_proof(hashes, leaf), note or world.checkpoint())
    return LoggedEntry(leaf, world.leaves[leaf], proof.decode())


def bundle(world: World, leaves: Sequence[int], note: bytes | None = None) -> bytes:
    note = note or world.checkpoint()
    return build_bundle(note, [entry(world, leaf, note) for leaf in leaves])


def look(world: World, content: bytes, log: Path | None = None) -> Verification:
    question = None if log is None else LogQuestion(str(log))
    return verify_bundle("bundle.json", content, LogTrust.of_keys([world.vkey]), log=question)


def test_a_bundle_says_which_statement_it_proves(world: World) -> None:
    found = look(world, bundle(world, [5, *KEYS]))
    assert failures(found) == {}
    assert found.holds
    assert found.facts["leaf_index"] == 5
    assert found.facts["event"] == "version.appeared"
    assert (found.facts["subject"], found.facts["stream"]) == (VERSION, STREAM)
    assert found.facts["stream_seq"] == 3
    assert any("omitted tail" in limit for limit in found.limits)


@pytest.mark.parametrize("leaf", KEYS)
def test_a_key_statement_is_its_own_bundle(world: World, leaf: int) -> None:
    assert look(world, bundle(world, sorted({leaf, 0}, reverse=True))).holds


def test_a_bundle_without_the_key_statements_does_not_hold(world: World) -> None:
    assert failures(look(world, bundle(world, [5]))) == {"log.keys": "report.no_statement_key"}


def test_an_entry_signed_by_a_key_that_is_not_among_them_does_not_hold(
    world: World, tmp_path: Path
) -> None:
    from tests.unit.verify.world import make_statement_signer

    world.signer, signer = make_statement_signer(tmp_path, "stranger"), world.signer
    leaf = world.finding("performance", "pass", MEASUREMENTS)
    world.signer = signer
    assert failures(look(world, bundle(world, [leaf, *KEYS]))) == {
        "statements.signatures": "envelope.unknown_key"
    }


@pytest.mark.parametrize(
    ("damage", "finding"),
    [
        (lambda world: bundle(world, [5, *KEYS])[:-3], "bundle.format"),
        (lambda world: b"{}", "bundle.format"),
        (
            lambda world: bundle(
                world,
                [5, *KEYS],
                checkpoint(world.leaves, NoteSigner(world.log.name, LOG.private_key)),
            ),
            "log.checkpoint",
        ),
        (
            lambda world: build_bundle(
                world.checkpoint(), [dataclasses.replace(entry(world, 5), leaf_index=6)]
            ),
            "log.inclusion",
        ),
        (
            lambda world: build_bundle(
                world.checkpoint(), [dataclasses.replace(entry(world, 5), envelope=b"{}")]
            ),
            "log.inclusion",
        ),
        (
            lambda world: build_bundle(
                world.checkpoint(),
                [entry(world, 5, checkpoint(world.leaves, world.log, None, [COSIGNER]))],
            ),
            "log.inclusion",
        ),
    ],
    ids=["cut", "empty", "other key", "other leaf", "other envelope", "other checkpoint"],
)
def test_what_is_wrong_with_a_bundle_is_found(
    world: World, damage: Callable[[World], bytes], finding: str
) -> None:
    found = look(world, damage(world))
    assert list(failures(found)) == [finding]
    assert found.facts == {}


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_byte_of_an_envelope_or_a_proof_can_change(honest: World, data: st.DataObject) -> None:
    trust = LogTrust.of_keys([honest.vkey])
    carried = entry(honest, 5)
    parts = [carried.envelope, carried.proof.encode()]
    assert verify_entry("x", *parts, trust).holds
    which = data.draw(st.integers(0, 1))
    changed = bytearray(parts[which])
    changed[data.draw(st.integers(0, len(changed) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    parts[which] = bytes(changed)
    assert not verify_entry("x", *parts, trust).holds


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_byte_of_a_bundle_counts_for_something_else(honest: World, data: st.DataObject) -> None:
    """A changed byte is refused, or it changes nothing that is said (a blank, an unread name)."""
    content = bytearray(bundle(honest, [5, *KEYS]))
    before = look(honest, bytes(content)).facts
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    found = look(honest, bytes(content))
    assert not found.holds or found.facts == before


def test_an_envelope_and_its_proof_leave_the_signer_open(world: World) -> None:
    carried = entry(world, 5)
    found = verify_entry(
        "x", carried.envelope, carried.proof.encode(), LogTrust.of_keys([world.vkey])
    )
    assert found.holds
    assert any(limit.startswith("Who signed the statement") for limit in found.limits)
    assert found.facts["leaf_index"] == 5


def test_an_entry_that_is_no_statement_does_not_hold(world: World) -> None:
    world.leaves.append(b"not a statement")
    carried = entry(world, len(world.leaves) - 1)
    found = verify_entry(
        "x", carried.envelope, carried.proof.encode(), LogTrust.of_keys([world.vkey])
    )
    assert list(failures(found)) == ["statements.shape"]


def test_held_against_the_log_the_stream_is_followed(world: World, tmp_path: Path) -> None:
    content = bundle(world, [5, *KEYS])
    world.finding("performance", "pass", MEASUREMENTS)
    folder = write_log(tmp_path / "log", world.leaves, world.log)
    found = look(world, content, folder)
    assert failures(found) == {}
    assert found.log == str(folder)
    assert any("one of the 13 statements" in limit for limit in found.limits)
    assert not any("omitted tail follows" in limit for limit in found.limits)
    carried = entry(world, 5)
    trust = LogTrust.of_keys([world.vkey])
    paired = verify_entry(
        "x",
        carried.envelope,
        carried.proof.encode(),
        trust,
        log=LogQuestion(str(folder)),
    )
    assert paired.holds
    assert not any(limit.startswith("Who signed") for limit in paired.limits)


def test_a_bundle_of_another_history_is_a_fork(world: World, tmp_path: Path) -> None:
    content = bundle(world, [5, *KEYS])
    del world.leaves[-1], world.stream[-1]
    world.finding("performance", "pass", MEASUREMENTS)
    folder = write_log(tmp_path / "log", world.leaves, world.log)
    assert failures(look(world, content, folder)) == {"log.continues": "log.fork"}


def test_a_policy_demands_its_witnesses_of_a_bundle_too(world: World) -> None:
    policy = f"log {world.vkey}\nwitness w1 {COSIGNER.vkey}\nquorum w1\n".encode()
    trust = LogTrust.of_policy(policy)
    found = verify_bundle("x", bundle(world, [5, *KEYS]), trust)
    assert failures(found) == {"log.checkpoint": "policy.quorum_not_reached"}
    seen = checkpoint(world.leaves, world.log, None, [COSIGNER])
    assert verify_bundle("x", bundle(world, [5, *KEYS], seen), trust).holds
