"""Pages in a real browser: both themes, narrow and wide, by keyboard, under the strict policy."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.utils import timezone
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from pytest_django.fixtures import Settings
from pytest_django.plugin import DjangoDbBlocker

from accounts.models import User
from accounts.services.people import actor_of
from audits.models import Evidence, LogEntry
from config.embedded import EmbeddedStack
from registry.models import Policy, Promotion
from registry.services.reports import request_report
from tests.integration.web.world import PASSWORD, World, load_world
from tests.integration.web.world_database import QUICK_HASHERS, world_database

CHROMIUM = "/usr/bin/chromium"
# Pictures of every page are left here where this names a folder.
PICTURES = os.environ.get("PAGE_PICTURES", "")
SERIOUS = ("serious", "critical")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # Playwright keeps an event loop in this thread, and Django's check for one takes every query
    # of the fixtures for a mistake.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
            ],
        )
        yield chromium
        chromium.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture(scope="session")
def template_database(
    postgres: EmbeddedStack,
    redis: EmbeddedStack,
    template_database: str,
    django_db_blocker: DjangoDbBlocker,
) -> Iterator[str]:
    """For these tests a test's own database starts with the world in it."""
    with world_database(postgres, template_database, django_db_blocker) as name:
        yield name


@pytest.fixture
def world(committed_database: str, settings: Settings) -> World:
    settings.PASSWORD_HASHERS = QUICK_HASHERS
    return load_world()


@pytest.fixture
def reviewed(world: World) -> Promotion:
    """v1 was denied and v2 is in review, with one of two approvals."""
    promotion = world.request(2, note="Fairer than v1, at the same accuracy.")
    world.sign(promotion, "reviewer2", reason="The gap by race is gone, and accuracy held.")
    world.sequence()
    return promotion


def enter(context: BrowserContext, url: str, username: str) -> Page:
    """Sign in as a person does."""
    page = context.new_page()
    page.goto(f"{url}/sign-in")
    page.get_by_label("User name").fill(username)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Models", exact=True)).to_be_visible()
    return page


def addresses(promotion: Promotion) -> dict[str, str]:
    bias = Evidence.objects.get(version_uri=promotion.version.uri, kind="bias")
    entry = LogEntry.objects.filter(event="approval.given").get()
    auditor = actor_of(User.objects.get(username="auditor"))
    report = request_report(version=promotion.version, actor=auditor, now=timezone.now())
    return {
        "inventory": "/",
        "model": "/models/boston-mortgage/",
        "version": "/models/boston-mortgage/versions/2/",
        "version-denied": "/models/boston-mortgage/versions/1/",
        "promotions": "/promotions/",
        "review": f"/promotions/{promotion.pk}/",
        "evidence": f"/evidence/{bias.pk}/",
        "log": "/log/",
        "entry": f"/log/entries/{entry.sha256}/",
        "policies": "/policies/",
        "policy": f"/policies/{policy_hex()}/",
        "report": f"/reports/jobs/{report.pk}/",
        "missing": "/no-such-page",
    }


def policy_hex() -> str:
    return Policy.objects.get().digest.removeprefix("sha256:")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pages_are_accessible_and_fit_in_both_themes(
    browser: Browser, live_url: str, world: World, reviewed: Promotion, theme: str
) -> None:
    complaints: list[str] = []
    # axe is put into the page as a script, which our policy refuses: bypassed for axe alone.
    context = browser.new_context(color_scheme=theme, bypass_csp=True)  # type: ignore[arg-type]
    page = enter(context, live_url, "reviewer")
    for name, address in {**addresses(reviewed), "sign-in": "/sign-in"}.items():
        if name == "sign-in":
            context.clear_cookies()
        page.goto(live_url + address)
        for width in (360, 768, 1280):
            page.set_viewport_size({"width": width, "height": 900})
            overflow = page.evaluate(
                "document.scrollingElement.scrollWidth - document.scrollingElement.clientWidth"
            )
            if overflow > 0:
                complaints.append(f"{name} at {width} px is {overflow} px too wide")
            if PICTURES:
                folder = Path(PICTURES)
                folder.mkdir(parents=True, exist_ok=True)
                page.screenshot(path=folder / f"{name}-{width}-{theme}.png", full_page=True)
        page.evaluate("document.querySelectorAll('details.fold').forEach(d => d.open = true)")
        widths = (360, 1280) if name == "review" else (1280,)
        for width in widths:
            page.set_viewport_size({"width": width, "height": 900})
            complaints += [f"{name}, {theme}, {width} px: {found}" for found in violations(page)]
    context.close()
    assert complaints == []


def violations(page: Page) -> list[str]:
    """Return what axe finds serious or critical, with the element and the reason."""
    return [
        " ".join([item["id"], node["html"][:160], *(why["message"] for why in node["any"][:1])])
        for item in Axe().run(page).response["violations"]
        if item["impact"] in SERIOUS
        for node in item["nodes"][:3]
    ]


def test_no_page_breaks_the_content_security_policy(
    browser: Browser, live_url: str, world: World, reviewed: Promotion
) -> None:
    said: list[str] = []
    context = browser.new_context()
    context.on("console", lambda message: said.append(message.text))
    context.on("weberror", lambda error: said.append(str(error.error)))
    page = enter(context, live_url, "reviewer")
    for name, address in addresses(reviewed).items():
        answer = page.goto(live_url + address)
        assert answer is not None
        policy = answer.headers["content-security-policy"]
        assert "unsafe" not in policy, name
        page.wait_for_load_state("networkidle")
    context.close()
    assert [line for line in said if "404" not in line] == []


def test_the_theme_is_chosen_by_button_and_kept(
    browser: Browser, live_url: str, world: World
) -> None:
    context = browser.new_context(color_scheme="light")
    page = enter(context, live_url, "auditor")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    button = page.get_by_role("button", name=re.compile("^Theme"))
    button.click()  # automatic, then light
    button.click()
    assert page.locator("html").get_attribute("data-bs-theme") == "dark"
    dark = page.evaluate(ground)
    assert dark != light
    page.reload()
    assert page.evaluate(ground) == dark
    context.close()


def test_a_review_is_signed_by_keyboard_alone(
    browser: Browser, live_url: str, world: World, reviewed: Promotion
) -> None:
    context = browser.new_context()
    page = enter(context, live_url, "reviewer")
    page.goto(f"{live_url}/promotions/{reviewed.pk}/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    focused = "document.activeElement.name || document.activeElement.textContent.trim()"
    for _ in range(200):
        page.keyboard.press("Tab")
        match page.evaluate(focused):
            case "verdict":
                page.keyboard.press("Space")
            case "reason":
                page.keyboard.type("Checked the intersections too.")
            case "password":
                page.keyboard.type(PASSWORD)
                page.keyboard.press("Enter")
                break
    expect(page.get_by_text("Your approval is signed.")).to_be_visible()
    reviewed.refresh_from_db()
    assert reviewed.status == "approved"
    context.close()


def test_a_form_that_comes_back_shows_why(
    browser: Browser, live_url: str, world: World, reviewed: Promotion
) -> None:
    context = browser.new_context()
    page = enter(context, live_url, "reviewer")
    page.get_by_role("link", name=re.compile("^Review boston-mortgage")).click()
    expect(page.get_by_role("heading", name="Your decision")).to_be_in_viewport()
    page.get_by_label("Refuse").check()
    page.get_by_label("Your password, again").fill(PASSWORD)
    page.get_by_role("button", name="Sign as Rita Reyes").click()
    problem = page.get_by_role("alert")
    expect(problem).to_have_text("Give the reason for which you refuse.")
    expect(problem).to_be_focused()
    expect(problem).to_be_in_viewport()
    expect(page.get_by_label("Reason")).to_have_attribute("aria-invalid", "true")
    expect(page.locator("nav").get_by_role("link", name="Promotions")).to_have_attribute(
        "aria-current", "page"
    )
    assert reviewed.approvals.count() == 1
    context.close()


def test_a_digest_is_copied_whole(
    browser: Browser, live_url: str, world: World, reviewed: Promotion
) -> None:
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    page = enter(context, live_url, "auditor")
    page.goto(f"{live_url}/policies/")
    page.get_by_role("button", name="Copy policy digest").click()
    expect(page.locator("#said")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == f"sha256:{policy_hex()}"
    context.close()


def test_pages_work_without_a_script(
    browser: Browser, live_url: str, world: World, reviewed: Promotion
) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = enter(context, live_url, "reviewer")
    page.goto(f"{live_url}/promotions/{reviewed.pk}/")
    page.get_by_label("Refuse").check()
    page.get_by_label("Reason").fill("The race × sex cells are too small to trust.")
    page.get_by_label("Your password, again").fill("not the password at all")
    page.get_by_role("button", name="Sign as Rita Reyes").click()
    expect(page.get_by_role("alert")).to_contain_text("password is not right")
    expect(page.get_by_role("alert")).to_be_in_viewport()
    expect(page.get_by_label("Refuse")).to_be_checked()
    expect(page.get_by_label("Reason")).to_have_value(re.compile("too small to trust"))
    page.get_by_label("Your password, again").fill(PASSWORD)
    page.get_by_role("button", name="Sign as Rita Reyes").click()
    expect(page.get_by_text("Your refusal is signed.")).to_be_visible()
    page.get_by_text("Rita Reyes").first.click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    context.close()
