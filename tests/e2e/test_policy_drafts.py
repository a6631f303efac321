"""A draft of a policy, written in a real browser, and shown beside what is published."""

from __future__ import annotations

from playwright.sync_api import Browser, expect

from registry.models import Policy, PolicyDraft
from tests.e2e.browsing import barriers, enter
from tests.integration.web.test_policy_drafts import NEXT
from tests.integration.web.world import World
from tests.unit.registry.every_kind import DOCUMENT


def test_a_draft_is_written_mended_and_compared(
    browser: Browser, live_url: str, world: World
) -> None:
    context = browser.new_context()
    page = enter(context, live_url, "admin")
    said: list[str] = []

    page.goto(f"{live_url}/policies/")
    page.get_by_role("link", name="New draft").click()
    said += barriers(page, "draft-new")
    page.get_by_label("Document").fill(NEXT.replace("count: 2", "count: none"))
    page.keyboard.press("Tab")
    page.get_by_role("button", name="Keep the draft").press("Enter")
    expect(page.get_by_role("rowheader", name="approvals.count")).to_be_visible()
    said += barriers(page, "draft-problems")
    page.get_by_label("Document").fill(NEXT.replace("count: 2", "count: 3"))
    page.get_by_role("button", name="Save the draft").click()
    expect(page.get_by_text("This is a policy that can be published.")).to_be_visible()
    expect(page.get_by_role("heading", name="Line by line")).to_be_visible()
    said += barriers(page, "draft")
    assert PolicyDraft.objects.get().document == NEXT.replace("count: 2", "count: 3")
    # A policy whose gates stand inside each other.
    page.goto(f"{live_url}/policies/drafts/new")
    page.get_by_label("Document").fill(DOCUMENT)
    page.get_by_role("button", name="Keep the draft").click()
    expect(page.get_by_text("At least one of these holds:")).to_be_visible()
    said += barriers(page, "draft-nested")
    page.goto(f"{live_url}/policies/{Policy.objects.get().digest.removeprefix('sha256:')}/compare")
    expect(page.get_by_text("There is nothing before this version")).to_be_visible()
    said += barriers(page, "compare-policies")
    context.close()
    assert said == []
