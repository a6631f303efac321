"""What tests do in a real browser: sign in as a person does, and look for barriers."""

from __future__ import annotations

import os
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Page, expect

from tests.integration.web.world import PASSWORD

SERIOUS = ("serious", "critical")
# Pictures of every page are left here where this names a folder.
PICTURES = os.environ.get("PAGE_PICTURES", "")


def keep_picture(page: Page, name: str) -> None:
    """Leave a picture of the whole page, where pictures are asked for."""
    if PICTURES:
        Path(PICTURES).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=Path(PICTURES) / f"{name}.png", full_page=True)


def enter(context: BrowserContext, url: str, username: str) -> Page:
    """Sign in as a person does."""
    page = context.new_page()
    page.goto(f"{url}/sign-in")
    page.get_by_label("User name").fill(username)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Models", exact=True)).to_be_visible()
    return page


def violations(page: Page) -> list[str]:
    """Return what axe finds serious or critical, with the element and the reason."""
    return [
        " ".join([item["id"], node["html"][:160], *(why["message"] for why in node["any"][:1])])
        for item in Axe().run(page).response["violations"]
        if item["impact"] in SERIOUS
        for node in item["nodes"][:3]
    ]
