"""Pressing “Verify in this page”, and reading what it says."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from audits.models import LogEntry

STEPS = ("leaf", "path", "checkpoint", "envelope", "stream")


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
