"""Rollback grants in a real browser: both themes, narrow, by keyboard, under the strict policy."""

from __future__ import annotations

from playwright.sync_api import Browser, expect

from tests.e2e.browsing import barriers, enter
from tests.integration.rollback import story
from tests.integration.web.world import PASSWORD, World


def test_they_are_accessible_and_fit_and_are_signed_by_keyboard_without_a_script(
    browser: Browser, live_url: str, world: World
) -> None:
    complaints: list[str] = []
    story.promote_twice(world)
    used, _ = story.handed_out(world)
    story.see(world, 2, story.tag_of(used, at=world.tick()))
    story.promote(world, 3)
    asked = story.request(world, note="If version 3 goes wrong\nat night. " * 20)
    pages = {
        "rollbacks": "/rollbacks/",
        "rollback-requested": f"/rollbacks/{asked.pk}/",
        "rollback-used": f"/rollbacks/{used.pk}/",
        "rollback-panel": "/models/boston-mortgage/versions/2/",
    }
    reviewer = world.people["reviewer"]
    reviewer.roles = ["engineer", "reviewer"]  # who is offered everything
    reviewer.save()
    context = browser.new_context()
    page = enter(context, live_url, "reviewer")
    for name, address in pages.items():
        page.goto(live_url + address)
        complaints += barriers(page, name)
    context.close()
    assert complaints == []
    sign_by_keyboard(browser, f"{live_url}/rollbacks/{asked.pk}/", live_url)


def sign_by_keyboard(browser: Browser, address: str, live_url: str) -> None:
    """Sign as a reviewer does who has no mouse, and no script in the browser."""
    context = browser.new_context(java_script_enabled=False)
    page = enter(context, live_url, "reviewer")
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.goto(address)
    page.get_by_role("radio", name="Approve").focus()
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    page.keyboard.type("Version 2 held for a year.")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_text("Your decision is signed.")).to_be_visible()
    expect(page.get_by_text("1 of 2 signatures")).to_be_visible()
    expect(page.get_by_text("Version 2 held for a year.")).to_be_visible()
    assert not [line for line in said if "Content Security Policy" in line]
    context.close()
