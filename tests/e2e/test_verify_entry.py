"""“Verify in this page” in a real browser: it accepts what is true, and says what is not."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from playwright.sync_api import Browser, Page, Route, expect

from audits.models import LogEntry
from audits.services.signing import keyring
from muniment.attest.merkle import leaf_hash
from muniment.attest.note import NoteSigner
from tests.e2e.browsing import enter, keep_picture, violations
from tests.e2e.small_log import EVENT, KEY, SmallLog
from tests.integration.web.world import World

STEPS = ("leaf", "path", "checkpoint", "envelope", "stream")


@pytest.fixture
def page(browser: Browser, live_url: str, world: World) -> Iterator[Page]:
    context = browser.new_context()
    yield enter(context, live_url, "auditor")
    context.close()


def entry_of(event: str) -> LogEntry:
    return LogEntry.objects.filter(event=event, leaf__isnull=False).order_by("-pk")[0]


def open_entry(page: Page, live_url: str, sha256: str) -> None:
    page.goto(f"{live_url}/log/entries/{sha256}/")


def verify(page: Page, vkey: str | None = None) -> dict[str, str]:
    """Press the button and return the word of each step, and `verdict`."""
    if vkey is not None:
        page.get_by_label("Verifier key of the log").fill(vkey)
    page.get_by_role("button", name="Verify in this page").click()
    verdict = page.locator("#verify-verdict")
    expect(verdict).not_to_be_empty()
    words = {name: page.locator(f"[data-step={name}] .pill").inner_text().strip() for name in STEPS}
    return {**words, "verdict": verdict.inner_text()}


def detail(page: Page, step: str) -> str:
    return page.locator(f"[data-step={step}] p").inner_text()


@pytest.mark.parametrize(
    ("event", "stream"),
    [
        ("lineage.recorded", "Holds"),
        ("model.appeared", "Holds"),
        ("policy.published", "Does not apply"),
        ("key.enrolled", "Does not apply"),
    ],
)
def test_a_true_entry_holds(page: Page, live_url: str, event: str, stream: str) -> None:
    entry = entry_of(event)
    open_entry(page, live_url, entry.sha256)
    found = verify(page)
    assert [found[name] for name in STEPS] == ["Holds"] * 4 + [stream]
    assert f"Everything holds: this entry is leaf {entry.leaf.leaf_index}" in found["verdict"]
    assert "Compare it with the one that you keep" in found["verdict"]
    assert leaf_hash(bytes(entry.envelope)).hex() in detail(page, "leaf")


def test_it_is_done_by_keyboard_and_said_to_those_who_listen(page: Page, live_url: str) -> None:
    open_entry(page, live_url, entry_of("lineage.recorded").sha256)
    field = page.get_by_label("Verifier key of the log")
    field.focus()
    page.keyboard.press("ControlOrMeta+A")
    # As it comes out of an e-mail: with white space around it.
    page.keyboard.insert_text(f"  {keyring().log.vkey}\n")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Verify in this page")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").filter(has_text="Everything holds")).to_be_visible()
    expect(page.locator("#verify-steps li")).to_have_count(len(STEPS))
    expect(page.get_by_text("comes from the server that you are checking")).to_be_visible()


def test_another_key_fails_at_the_checkpoint(page: Page, live_url: str) -> None:
    open_entry(page, live_url, entry_of("lineage.recorded").sha256)
    log = keyring().log
    same_name = NoteSigner(log.origin, Ed25519PrivateKey.generate()).vkey
    other_name = NoteSigner("other.example", Ed25519PrivateKey.generate()).vkey
    for vkey, why in (
        (same_name, "Your key did not sign this checkpoint"),
        (other_name, f"The checkpoint is of the log {log.origin}"),
    ):
        found = verify(page, vkey)
        assert found["checkpoint"] == "Fails"
        assert why in detail(page, "checkpoint")
        assert found["envelope"] == "Not checked"
        assert "What fails: Signature of the checkpoint." in found["verdict"]


@pytest.mark.parametrize("typed", ["", "nonsense", "a+00000000+AAAA", "WITNESS", "TYPO"])
def test_what_is_no_verifier_key_is_said_to_be_none(page: Page, live_url: str, typed: str) -> None:
    open_entry(page, live_url, entry_of("lineage.recorded").sha256)
    vkey = keyring().log.vkey
    typed = {
        "WITNESS": NoteSigner("w.example", Ed25519PrivateKey.generate(), cosigns_at=1).vkey,
        "TYPO": f"x{vkey}",
    }.get(typed, typed)
    field = page.get_by_label("Verifier key of the log")
    field.fill(typed or " ")
    page.get_by_role("button", name="Verify in this page").click()
    expect(page.locator("#verify-verdict")).to_contain_text("This is not a verifier key.")
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_be_focused()
    expect(page.locator("#verify-steps")).to_be_hidden()


@pytest.mark.parametrize("share", [0.02, 0.5, 0.98])
def test_a_flipped_byte_of_the_envelope_is_named(page: Page, live_url: str, share: float) -> None:
    entry = entry_of("lineage.recorded")

    def flip(route: Route) -> None:
        content = bytearray(route.fetch().body())
        content[int(share * (len(content) - 1))] ^= 1
        route.fulfill(body=bytes(content), content_type="application/json")

    page.route(f"**/log/entries/{entry.sha256}/envelope", flip)
    open_entry(page, live_url, entry.sha256)
    found = verify(page)
    assert (found["leaf"], found["path"], found["checkpoint"]) == ("Fails", "Fails", "Holds")
    assert found["envelope"] == "Fails"
    assert "What fails: Leaf hash, Path to the root, Signature of the envelope" in found["verdict"]
    assert "the server hands out other bytes" in detail(page, "leaf")


def test_a_changed_checkpoint_fails(page: Page, live_url: str) -> None:
    entry = entry_of("lineage.recorded")

    def shrink(route: Route) -> None:
        text = route.fetch().text()
        route.fulfill(body=re.sub(r"\n(\d+)\n", lambda m: f"\n{int(m[1]) + 1}\n", text, count=1))

    page.route(f"**/log/entries/{entry.sha256}/proof", shrink)
    open_entry(page, live_url, entry.sha256)
    assert verify(page)["checkpoint"] == "Fails"
    assert "The signature under your key does not verify" in detail(page, "checkpoint")


def test_another_envelope_as_the_one_before_fails(page: Page, live_url: str) -> None:
    entry = entry_of("lineage.recorded")
    assert entry.stream_seq
    before = LogEntry.objects.get(stream=entry.stream, stream_seq=entry.stream_seq - 1)
    other = LogEntry.objects.get(stream=entry.stream, stream_seq=entry.stream_seq - 2)
    page.route(
        f"**/log/entries/{before.sha256}/envelope",
        lambda route: route.fulfill(body=bytes(other.envelope)),
    )
    open_entry(page, live_url, entry.sha256)
    found = verify(page)
    assert [found[name] for name in STEPS] == ["Holds"] * 4 + ["Fails"]
    assert "the server hands out other bytes" in detail(page, "stream")


def test_a_session_that_ended_is_no_verdict(page: Page, live_url: str) -> None:
    open_entry(page, live_url, entry_of("lineage.recorded").sha256)
    page.context.clear_cookies()
    found = verify(page)
    assert found["leaf"] == "Not checked"
    assert "sign in and try again" in detail(page, "leaf")
    assert "Not everything could be checked" in found["verdict"]
    assert "Everything holds" not in found["verdict"]


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (
            """const real = crypto.subtle.importKey.bind(crypto.subtle);
            crypto.subtle.importKey = (format, key, algorithm, ...rest) =>
                algorithm === "Ed25519"
                    ? Promise.reject(new DOMException("no", "NotSupportedError"))
                    : real(format, key, algorithm, ...rest);""",
            "This browser cannot check Ed25519 signatures",
        ),
        (
            "Object.defineProperty(Crypto.prototype, 'subtle', {get: () => undefined});",
            "only for pages that come over https",
        ),
    ],
)
def test_a_browser_that_cannot_says_so_and_how_to_do_it_offline(
    page: Page, live_url: str, fault: str, said: str
) -> None:
    entry = entry_of("lineage.recorded")
    page.add_init_script(fault)
    open_entry(page, live_url, entry.sha256)
    page.get_by_role("button", name="Verify in this page").click()
    verdict = page.locator("#verify-verdict")
    expect(verdict).to_contain_text(said)
    expect(verdict).to_contain_text(f"muniment verify {entry.sha256[:16]}.bundle.json --vkey VKEY")
    expect(page.locator("#verify-steps")).to_be_hidden()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_steps_are_accessible_and_fit(
    browser: Browser, live_url: str, world: World, theme: str
) -> None:
    context = browser.new_context(color_scheme=theme, bypass_csp=True)  # type: ignore[arg-type]
    page = enter(context, live_url, "auditor")
    open_entry(page, live_url, entry_of("lineage.recorded").sha256)
    for vkey in (None, NoteSigner("other.example", Ed25519PrivateKey.generate()).vkey):
        verify(page, vkey)
        for width in (360, 1280):
            page.set_viewport_size({"width": width, "height": 900})
            keep_picture(page, f"verify-{'other' if vkey else 'own'}-{width}-{theme}")
            assert violations(page) == []
            assert page.evaluate(
                "document.scrollingElement.scrollWidth <= document.scrollingElement.clientWidth"
            )
    context.close()


# ---------------------------------------------------------------- logs that are not ours


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
