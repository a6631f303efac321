"""A log that hashes as it must, and says what it must not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from securesystemslib.signer import CryptoSigner

from muniment.attest import predicates
from muniment.attest.digest import Digest
from muniment.attest.envelope import sign_envelope
from muniment.attest.keyring import KeyEntry
from muniment.attest.keys import public_key_pem_of
from muniment.attest.statement import Statement, StreamPosition, Subject, format_time
from muniment.verify import Verification
from muniment.verify.errors import ReportError
from muniment.verify.stream import StreamEntry, StreamHeads, require_whole_stream
from tests.unit.verify.conftest import LookAtLog
from tests.unit.verify.log_folder import write_log
from tests.unit.verify.story import ARTIFACTS, MEASUREMENTS, STREAM, VERSION
from tests.unit.verify.world import NOW, PROMOTION_ID, SETUP, World, failures, make_statement_signer

OTHER = "muniment://default/models/other@1"
REQUESTED = {
    "event": "promotion.requested",
    "promotion_id": PROMOTION_ID,
    "alias": "champion",
    "version_uri": VERSION,
    "status": "evaluating",
}


@pytest.fixture
def found(tmp_path: Path, look_at: LookAtLog) -> Callable[[World], Verification]:
    def verify(world: World) -> Verification:
        return look_at(write_log(tmp_path / "log", world.leaves, world.log))

    return verify


def say(world: World, position: StreamPosition) -> int:
    return world.state(
        predicates.POLICY,
        {"event": "policy.published", "name": "p", "version": 1, "digest": f"sha256:{'0' * 64}"},
        position=position,
        subject=OTHER,
    )


def enrol(world: World, folder: Path, name: str, types: tuple[str, ...]) -> CryptoSigner:
    """Enrol one more statement key, signed by the first, and return what signs with it."""
    signer = make_statement_signer(folder, name)
    key = KeyEntry.for_key("statement", public_key_pem_of(signer), predicate_types=types)
    world.leaves.append(
        sign_envelope(key.statement(at=format_time(NOW), actor=SETUP), world.signer)
    )
    return signer


def only(found: Verification, finding: str) -> str:
    assert list(failures(found)) == [finding]
    return next(item.detail for item in found.findings if item.id == finding)


Found = Callable[[World], Verification]


def test_a_dropped_statement_is_a_gap(world: World, found: Found) -> None:
    del world.leaves[6]
    result = found(world)
    assert failures(result) == {"log.streams": "stream.gap"}
    assert f"leaf 6 is number 5 of {STREAM}, where number 4" in only(result, "log.streams")


def test_a_dropped_tail_alone_is_not_found_and_that_is_said(world: World, found: Found) -> None:
    del world.leaves[-1]
    result = found(world)
    assert result.holds
    assert any("omitted tail" in limit for limit in result.limits)


def test_a_second_statement_of_one_number_is_a_fork(world: World, found: Found) -> None:
    last = len(world.stream) - 1
    leaf = world.state(
        predicates.EVIDENCE,
        {
            "event": "evidence.recorded", "kind": "performance", "origin": "reported",
            "conclusion": "pass", "reasons": [], "criteria": {}, "measurements": MEASUREMENTS,
            "inputs": [],
        },
        position=StreamPosition(STREAM, last, Digest.of_bytes(world.stream[-2])),
    )  # fmt: skip
    result = found(world)
    assert failures(result) == {"log.streams": "stream.fork"}
    assert f"leaf {leaf} is number {last}" in only(result, "log.streams")


def test_another_predecessor_is_a_fork(world: World, found: Found) -> None:
    say(world, StreamPosition(OTHER, 0, None))
    leaf = say(world, StreamPosition(OTHER, 1, Digest.of_bytes(b"never logged")))
    result = found(world)
    assert failures(result) == {"log.streams": "stream.fork"}
    assert f"leaf {leaf}, number 1 of {OTHER}, follows another" in only(result, "log.streams")


def test_statements_out_of_order_are_found(world: World, found: Found) -> None:
    world.leaves[5], world.leaves[6] = world.leaves[6], world.leaves[5]
    assert failures(found(world)) == {"log.streams": "stream.gap"}
    detail = only(found(world), "log.streams")
    assert "leaf 5 is number 4" in detail
    assert "(and 2 more)" in detail


def test_streams_do_not_disturb_each_other(world: World, found: Found) -> None:
    say(world, StreamPosition(OTHER, 0, None))
    before = world.leaves[-1]
    world.stream.pop()
    world.finding("performance", "pass", MEASUREMENTS)
    say(world, StreamPosition(OTHER, 1, Digest.of_bytes(before)))
    result = found(world)
    assert result.holds
    assert result.facts["streams"] == 2


def test_a_signature_by_a_stranger_is_found(world: World, found: Found, tmp_path: Path) -> None:
    stranger = make_statement_signer(tmp_path, "stranger")
    world.state(predicates.PROMOTION, REQUESTED, signer=stranger)
    result = found(world)
    assert failures(result) == {"log.signatures": "envelope.unknown_key"}
    assert only(result, "log.signatures").startswith(f"leaf {len(world.leaves) - 1}: no trusted")


def test_a_key_signs_only_the_types_it_was_enrolled_for(
    world: World, found: Found, tmp_path: Path
) -> None:
    narrow = enrol(world, tmp_path, "narrow", (predicates.POLICY,))
    world.state(predicates.PROMOTION, REQUESTED, signer=narrow)
    assert failures(found(world)) == {"log.signatures": "report.key_not_permitted"}


def test_a_key_does_not_sign_before_it_is_enrolled(
    world: World, found: Found, tmp_path: Path
) -> None:
    """A report allows it: it has no order to hold the key to. The log has."""
    later = enrol(world, tmp_path, "later", predicates.PREDICATE_TYPES)
    enrolment = world.leaves.pop()
    world.state(predicates.PROMOTION, REQUESTED, signer=later)
    world.leaves.append(enrolment)
    assert failures(found(world)) == {"log.signatures": "envelope.unknown_key"}


def test_a_key_enrolled_by_a_stranger_or_twice_is_refused(
    world: World, found: Found, tmp_path: Path
) -> None:
    stranger = make_statement_signer(tmp_path, "stranger")
    key = KeyEntry.for_key("statement", public_key_pem_of(stranger), predicate_types=())
    statement = key.statement(at=format_time(NOW), actor=SETUP)
    world.leaves.append(sign_envelope(statement, stranger))
    assert failures(found(world)) == {"log.enrolments": "envelope.unknown_key"}
    world.leaves[-1] = world.leaves[0]
    result = found(world)
    assert failures(result) == {"log.enrolments": "log.key_twice"}
    assert f"leaf {len(world.leaves) - 1}: key" in only(result, "log.enrolments")


def test_other_keys_may_be_enrolled_before_the_statement_key(world: World, found: Found) -> None:
    world.leaves[0], world.leaves[1] = world.leaves[1], world.leaves[0]
    assert found(world).holds


def test_a_log_without_a_statement_key_is_refused(world: World, found: Found) -> None:
    del world.leaves[0]
    assert failures(found(world))["log.enrolments"] == "log.no_key"


@pytest.mark.parametrize(
    "entry",
    [b"", b"x", b"{}", b"\xff" * 400, b"[" * 60_000, b'{"payloadType": 1}', b"\0" * 65_535],
)
def test_an_entry_that_is_no_statement_is_found_with_its_leaf(
    world: World, found: Found, entry: bytes
) -> None:
    world.leaves.append(entry)
    result = found(world)
    assert list(failures(result)) == ["log.signatures"]
    assert only(result, "log.signatures").startswith(f"leaf {len(world.leaves) - 1}: ")


def test_a_signed_statement_of_another_shape_is_found(world: World, found: Found) -> None:
    payload = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "x", "digest": ARTIFACTS.as_set()}],
        "predicateType": predicates.PROMOTION,
        "predicate": {"event": 7},
    }
    world.leaves.append(sign_envelope(json.dumps(payload).encode(), world.signer))
    result = found(world)
    assert failures(result) == {"log.shapes": "statement.predicate"}
    assert only(result, "log.shapes").startswith(f"leaf {len(world.leaves) - 1}: promotion: 'at'")


def entry_of(leaf: int, position: StreamPosition, sha256: str) -> StreamEntry:
    subject = Subject("x", Digest("sha256", "0" * 64))
    return StreamEntry(leaf, sha256, "", Statement((subject,), "t", {}, position))


@given(st.data())
def test_what_is_accepted_along_the_log_is_accepted_as_a_whole(data: st.DataObject) -> None:
    """Two implementations of completeness agree: one sees the log pass by, one has the stream."""
    size = data.draw(st.integers(1, 6))
    shas = [f"{number:064x}" for number in range(size)]
    entries = [
        entry_of(
            number,
            StreamPosition(OTHER, number, Digest("sha256", shas[number - 1]) if number else None),
            shas[number],
        )
        for number in range(size)
    ]
    picked = data.draw(st.lists(st.sampled_from(entries), min_size=1, max_size=7))
    chosen = [
        entry_of(leaf, entry.statement.position, entry.sha256)  # type: ignore[arg-type]
        for leaf, entry in enumerate(picked)
    ]
    assert _accepts(lambda: _follow(chosen)) == _accepts(
        lambda: require_whole_stream(OTHER, chosen)
    )


def _follow(entries: list[StreamEntry]) -> None:
    heads = StreamHeads()
    for entry in entries:
        heads.follow(entry)


def _accepts(check: Callable[[], object]) -> bool:
    try:
        check()
    except ReportError:
        return False
    return True
