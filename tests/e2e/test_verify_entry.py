"""“Verify in this page” in a real browser: it accepts what is true, and says what is not."""

from __future__ import annotations

import re

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from playwright.sync_api import Browser, Page, Route, expect

from audits.models import LogEntry
from audits.services.signing import keyring
from muniment.attest.merkle import leaf_hash
from muniment.attest.note import NoteSigner
from tests.e2e.browsing import barriers, enter
from tests.e2e.verifying import STEPS, detail, entry_of, open_entry, verify
from tests.integration.web.world import World


@pytest.mark.parametrize(
    ("event", "stream"),
    [
        ("lineage.recorded", "Holds"),
        ("model.adopted", "Holds"),
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


def test_the_steps_are_accessible_and_fit(browser: Browser, live_url: str, world: World) -> None:
    context = browser.new_context()
    page = enter(context, live_url, "auditor")
    open_entry(page, live_url, entry_of("lineage.recorded").sha256)
    for vkey in (None, NoteSigner("other.example", Ed25519PrivateKey.generate()).vkey):
        verify(page, vkey)
        name = f"verify-{'other' if vkey else 'own'}"
        assert barriers(page, name, looked_at=(360, 1280)) == []
    context.close()
