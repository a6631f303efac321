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

# Colours that move to the other theme's are looked at when they have arrived.
ARRIVED = """new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(drawn)))
    .then(() => Promise.allSettled(document.getAnimations().map(one => one.finished)))
    .then(() => true)"""


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


def barriers(page: Page, name: str, *, looked_at: tuple[int, ...] = (1280,)) -> list[str]:
    """Say what keeps people from using the page that is shown, in either theme.

    It must fit phones, tablets and desktops, and axe must find nothing serious in it with all
    that folds opened. The dark theme has other colours and nothing else, so the contrast is all
    that is looked at again there.

    Args:
        looked_at: the widths at which axe looks at it.
    """
    said: list[str] = []
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    page.evaluate(ARRIVED)
    for width in (360, 768, 1280):
        _set_width(page, width)
        overflow = page.evaluate(
            "document.scrollingElement.scrollWidth - document.scrollingElement.clientWidth"
        )
        if overflow > 0:
            said.append(f"{name} at {width} px is {overflow} px too wide")
        keep_picture(page, f"{name}-{width}-light")
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    for width in looked_at:
        _set_width(page, width)
        said += [f"{name}, light, {width} px: {found}" for found in _violations(page)]
    page.emulate_media(color_scheme="dark")
    page.evaluate(ARRIVED)
    keep_picture(page, f"{name}-{looked_at[-1]}-dark")
    said += [f"{name}, dark: {found}" for found in _violations(page, "color-contrast")]
    return said


def _set_width(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})


def _violations(page: Page, *rules: str) -> list[str]:
    """Return what axe finds serious or critical, with the element and the reason."""
    options = {"resultTypes": ["violations"]} | ({"runOnly": list(rules)} if rules else {})
    return [
        " ".join([item["id"], node["html"][:160], *(why["message"] for why in node["any"][:1])])
        for item in Axe().run(page, options=options).response["violations"]
        if item["impact"] in SERIOUS
        for node in item["nodes"][:3]
    ]
