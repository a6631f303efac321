"""“Verify in this page” on other logs than ours: every kind of key, and every kind of forgery."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from playwright.sync_api import Page, Route

from muniment.attest.note import NoteSigner
from tests.e2e.small_log import EVENT, KEY, SmallLog
from tests.e2e.verifying import STEPS, detail, entry_of, open_entry, verify


def hand_out(page: Page, live_url: str, log: SmallLog, envelope: bytes) -> None:
    """Let the page of an entry be about one of another log, whose files the server hands out."""
    shown = entry_of("lineage.recorded").sha256
    asked = hashlib.sha256(envelope).hexdigest()
    keys = " ".join(f"{keyid}:{sha256}" for keyid, sha256 in log.key_entries.items())

    def rewrite(route: Route) -> None:
        answer = route.fetch()
        text = re.sub(r'data-entry="[^"]*"', f'data-entry="{asked}"', answer.text())
        text = re.sub(r'data-keys="[^"]*"', f'data-keys="{keys}"', text)
        route.fulfill(response=answer, body=text)

    page.route(f"**/log/entries/{shown}/", rewrite)
    for item in log.envelopes:
        address = f"**/log/entries/{hashlib.sha256(item).hexdigest()}"
        page.route(f"{address}/envelope", _answer(item))
        page.route(f"{address}/proof", _answer(log.proof(item).to_text().encode()))
    open_entry(page, live_url, shown)


def _answer(body: bytes) -> Callable[[Route], None]:
    return lambda route: route.fulfill(body=body, content_type="text/plain; charset=utf-8")


@pytest.mark.parametrize("scheme", ["ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384"])
def test_every_kind_of_statement_key_is_checked(
    page: Page, live_url: str, tmp_path: Path, scheme: str
) -> None:
    log = SmallLog(tmp_path)
    uri = log.new_key(scheme)
    log.enrol(uri)
    # Of ECDSA signatures some are shorter than others: their leading zeros are not written.
    events = [log.event(uri, None, 0)]
    for seq in range(1, 12):
        events.append(log.event(uri, events[-1], seq))
    for envelope in (events[0], events[7], events[-1]):
        hand_out(page, live_url, log, envelope)
        found = verify(page, log.signer.vkey)
        assert [found[name] for name in STEPS] == ["Holds"] * 5
        assert "The key was your own." in found["verdict"]
    swapped = log.envelopes[3].replace(b'"sig":"', b'"sig":"AA')
    log.envelopes[3] = swapped
    hand_out(page, live_url, log, swapped)
    assert verify(page, log.signer.vkey)["envelope"] == "Fails"


def test_a_key_that_another_enrolled_counts(page: Page, live_url: str, tmp_path: Path) -> None:
    log = SmallLog(tmp_path)
    first, second = log.new_key(), log.new_key("ecdsa-sha2-nistp256")
    log.enrol(first)
    log.enrol(second, by=first)
    envelope = log.event(second, None, 0)
    hand_out(page, live_url, log, envelope)
    found = verify(page, log.signer.vkey)
    assert [found[name] for name in STEPS] == ["Holds"] * 5
    assert "enrolled at leaf 1" in detail(page, "envelope")


def _unknown_key(log: SmallLog) -> bytes:
    log.enrol(log.new_key())
    return log.event(log.new_key(), None, 0)


def _not_permitted(log: SmallLog) -> bytes:
    uri = log.new_key()
    log.enrol(uri, types=[KEY])
    return log.event(uri, None, 0)


def _may_not_enrol(log: SmallLog) -> bytes:
    first, second = log.new_key(), log.new_key()
    log.enrol(first, types=[EVENT])
    log.enrol(second, by=first)
    return log.event(second, None, 0)


def _enrolled_backwards(log: SmallLog) -> bytes:
    first, second = log.new_key(), log.new_key()
    log.enrol(second, by=first)
    log.enrol(first)
    return log.event(second, None, 0)


def _key_of_another(log: SmallLog) -> bytes:
    """The server says that one key is enrolled where another is."""
    first, second = log.new_key(), log.new_key()
    log.enrol(first)
    log.enrol(second)
    by = list(log.key_entries)
    log.key_entries = {by[1]: log.key_entries[by[0]]}
    return log.event(second, None, 0)


@pytest.mark.parametrize(
    ("forge", "why"),
    [
        (_unknown_key, "No entry of the log enrols a key that signed it"),
        (_not_permitted, "may not sign https://muniment.dev/registry-event/v1"),
        (_may_not_enrol, "The key that signed it may not enrol keys"),
        (_enrolled_backwards, "signed by one enrolled after it"),
        (_key_of_another, "It does not enrol that key"),
    ],
)
def test_a_signature_that_does_not_count_is_named(
    page: Page,
    live_url: str,
    tmp_path: Path,
    forge: Callable[[SmallLog], bytes],
    why: str,
) -> None:
    log = SmallLog(tmp_path)
    envelope = forge(log)
    hand_out(page, live_url, log, envelope)
    found = verify(page, log.signer.vkey)
    assert [found[name] for name in STEPS[:3]] == ["Holds"] * 3
    assert found["envelope"] == "Fails"
    assert why in detail(page, "envelope")
    assert "This entry does not hold." in found["verdict"]


def test_a_key_statement_that_stands_in_no_log_enrols_nothing(
    page: Page, live_url: str, tmp_path: Path
) -> None:
    log = SmallLog(tmp_path)
    uri = log.new_key()
    enrolment = log.enrol(uri)
    envelope = log.event(uri, None, 0)
    hand_out(page, live_url, log, envelope)
    address = f"**/log/entries/{hashlib.sha256(enrolment).hexdigest()}"
    stranger = replace(log, envelopes=[enrolment, b"other"])
    stranger.signer = NoteSigner(log.signer.name, Ed25519PrivateKey.generate())
    page.route(f"{address}/proof", _answer(stranger.proof(enrolment).to_text().encode()))
    assert verify(page, log.signer.vkey)["envelope"] == "Fails"
    assert "Your key did not sign this checkpoint" in detail(page, "envelope")


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        ("longer", "more hashes than the path"),
        ("shorter", "fewer hashes than the path"),
        ("moved", "other bytes stand at leaf"),
        ("outside", "There is no leaf"),
        ("swapped", "other bytes stand at leaf"),
    ],
)
def test_a_proof_that_does_not_lead_to_the_root_fails(
    page: Page, live_url: str, tmp_path: Path, damage: str, why: str
) -> None:
    log = SmallLog(tmp_path)
    uri = log.new_key()
    log.enrol(uri)
    events = [log.event(uri, None, 0)]
    for seq in range(1, 6):
        events.append(log.event(uri, events[-1], seq))
    envelope = events[3]
    hand_out(page, live_url, log, envelope)
    proof = log.proof(envelope)
    hashes = proof.hashes
    damaged = {
        "longer": replace(proof, hashes=(*hashes, b"\0" * 32)),
        "shorter": replace(proof, hashes=hashes[:-1]),
        "moved": replace(proof, leaf_index=proof.leaf_index ^ 1),
        "outside": replace(proof, leaf_index=7),
        "swapped": replace(proof, hashes=(hashes[1], hashes[0], *hashes[2:])),
    }[damage]
    address = f"**/log/entries/{hashlib.sha256(envelope).hexdigest()}/proof"
    page.route(address, _answer(damaged.to_text().encode()))
    found = verify(page, log.signer.vkey)
    assert (found["leaf"], found["path"], found["checkpoint"]) == ("Holds", "Fails", "Holds")
    assert why in detail(page, "path")
    assert "What fails: Path to the root." in found["verdict"]


def test_a_gap_in_a_stream_is_named(page: Page, live_url: str, tmp_path: Path) -> None:
    log = SmallLog(tmp_path)
    uri = log.new_key()
    log.enrol(uri)
    first = log.event(uri, None, 0)
    envelope = log.event(uri, first, 2)
    hand_out(page, live_url, log, envelope)
    found = verify(page, log.signer.vkey)
    assert [found[name] for name in STEPS] == ["Holds"] * 4 + ["Fails"]
    assert "not number 1 of the same stream" in detail(page, "stream")
