"""The bell and the page of notices in a real browser."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from accounts.selectors import unread_count
from accounts.services.notices import post_notice, settle_notice
from tests.e2e.browsing import barriers, enter
from tests.integration.web.world import World


@pytest.fixture
def told(world: World) -> World:
    """An auditor was told two things, of which one is over, in words as long as they come."""
    for number, text in enumerate(["x" * 400, "MLflow was changed. Look at it. " * 12]):
        post_notice(
            kind="registry",
            subject=("Something happened " * 8) if number else "credit-" + "x" * 120,
            text=text,
            path="/log/health",
            audience=["auditor"],
            dedup_key=f"test:{number}",
            now=world.tick(),
        )
    settle_notice(dedup_key="test:0", now=world.tick())
    return world


def test_notices_are_read_by_keyboard_alone(told: World, page: Page) -> None:
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    bell = page.get_by_role("link", name="Notices")
    expect(bell).to_have_accessible_name(re.compile("2 unread"))
    bell.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Notices", level=1)).to_be_visible()
    page.get_by_role("button", name=re.compile("^Mark as read")).first.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Notices")).to_have_accessible_name(re.compile("1 unread"))
    page.get_by_role("button", name="Mark all as read").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Mark all as read")).to_have_count(0)
    assert unread_count(told.people["auditor"]) == 0
    page.get_by_label("Your address").fill("audrey@bank.example")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")  # alarms about the log: no, thank you
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").filter(has_text="is saved")).to_be_visible()
    expect(page.get_by_label("Alarms about the log")).not_to_be_checked()
    expect(page.get_by_label("Alarms about MLflow")).to_be_checked()
    assert said == []


def test_notices_are_accessible_and_fit_in_both_themes(
    browser: Browser, live_url: str, told: World
) -> None:
    context = browser.new_context()
    page = enter(context, live_url, "auditor")
    complaints = []
    for address in ("/notices/", "/notices/?show=unread"):
        page.goto(live_url + address)
        complaints += barriers(page, "notices" + address.partition("=")[2])
    context.close()
    assert complaints == []
