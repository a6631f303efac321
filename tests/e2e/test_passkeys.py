"""Enrolling a passkey and signing with it, in a real browser with an authenticator of its own."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone
from playwright.sync_api import Browser, BrowserContext, CDPSession, Page, expect

from accounts.models import Credential
from accounts.services.people import actor_of
from audits.models import Report
from audits.services.signing import keyring
from muniment.verify.report import verify_report
from registry.models import Approval, Promotion
from registry.services.reports import issue_report, request_report
from tests.e2e.browsing import barriers, enter, keep_picture
from tests.integration.registry.signing import ask_for
from tests.integration.web.world import PASSWORD, World


@pytest.fixture
def promotion(world: World) -> Promotion:
    ask_for(world, "passkey")
    return world.request(2)


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context()
    yield context
    context.close()


def authenticator(page: Page, *, verifies: bool = True) -> tuple[CDPSession, str]:
    """Put an authenticator into the page's browser, which is touched as soon as it is asked."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options: dict[str, Any] = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasUserVerification": True,
        "isUserVerified": verifies,
        "hasResidentKey": True,
        "automaticPresenceSimulation": True,
    }
    added = session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return session, str(added["authenticatorId"])


def enrol(page: Page, url: str) -> None:
    page.goto(f"{url}/credentials/")
    form = page.locator("form[data-passkey=create]")
    form.get_by_label("Name").fill("This computer")
    form.get_by_label("Your password").fill(PASSWORD)
    form.get_by_role("button", name="Add the passkey").press("Enter")


def report(world: World, promotion: Promotion, path: Path) -> None:
    """Do a worker's part: make the report, and leave it in a file."""
    try:
        actor = actor_of(world.people["auditor"])
        job = request_report(version=promotion.version, actor=actor, now=timezone.now())
        issue_report(job_id=job.pk, clock=timezone.now)
        path.write_bytes(bytes(Report.objects.get().pdf))
    finally:
        connections.close_all()


def fill_review(page: Page) -> None:
    page.get_by_text("approve the promotion").first.click()
    page.get_by_label("Reason").fill("Read twice.\nAll of it.")
    page.locator("#password").fill(PASSWORD)


def raise_finding(page: Page) -> None:
    page.get_by_text("Approve under a condition").click()
    form = page.locator("form[action$='/findings']")
    form.get_by_label("What has to be put right").fill("Measure the small cells.")
    form.get_by_label("Last day").fill((timezone.now() + timedelta(days=9)).date().isoformat())
    form.get_by_label("Your password").fill(PASSWORD)
    form.get_by_role("button", name="Sign with your passkey").click()


def test_a_reviewer_enrols_a_passkey_and_signs_what_the_page_shows(
    context: BrowserContext,
    live_url: str,
    world: World,
    promotion: Promotion,
    tmp_path: Path,
) -> None:
    page = enter(context, live_url, "reviewer")
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    authenticator(page)
    enrol(page, live_url)
    expect(page.get_by_text("Your passkey is enrolled")).to_be_visible()
    keep_picture(page, "credentials")
    page.goto(f"{live_url}/promotions/{promotion.pk}/")
    raise_finding(page)
    expect(page.get_by_text("The finding is signed")).to_be_visible()
    fill_review(page)
    keep_picture(page, "review-passkey")
    decide = page.locator("form[action*='/review']")
    decide.get_by_role("button", name="Sign with your passkey").click()
    expect(page.get_by_text("Your approval is signed")).to_be_visible()
    approval = Approval.objects.get()
    assert (approval.signature, approval.person) == ("passkey", world.people["reviewer"])
    assert complaints == []
    world.sequence()
    path = tmp_path / "report.pdf"
    # In a thread of its own: Playwright's event loop runs in this one.
    with ThreadPoolExecutor(1) as worker:
        worker.submit(report, world, promotion, path).result()
        found = worker.submit(verify_report, path, keyring().log.vkey).result()
    assert [finding for finding in found.findings if not finding.holds] == []
    (own,) = [finding for finding in found.findings if finding.id == "approvals.passkeys"]
    assert own.detail == (
        "1 of 1 review signed with the signer's own passkey; and 1 other statement"
    )


def test_a_key_that_verifies_nobody_or_a_wrong_password_enrols_nothing_and_says_so(
    context: BrowserContext, live_url: str, world: World
) -> None:
    page = enter(context, live_url, "reviewer")
    session, name = authenticator(page, verifies=False)
    enrol(page, live_url)
    problem = page.locator("form[data-passkey=create] [data-passkey-problem]")
    expect(problem).to_contain_text("was not used")
    session.send("WebAuthn.setUserVerified", {"authenticatorId": name, "isUserVerified": True})
    form = page.locator("form[data-passkey=create]")
    form.get_by_label("Your password").fill("guess")
    form.get_by_role("button", name="Add the passkey").click()
    expect(problem).to_contain_text("The password is not right")
    assert not Credential.objects.exists()


def test_a_page_that_was_opened_by_number_says_how_to_open_it(
    context: BrowserContext, live_url: str, world: World, settings: Any
) -> None:
    by_number = live_url.replace("localhost", "127.0.0.1")
    settings.ALLOWED_HOSTS = ["*"]
    page = enter(context, by_number, "reviewer")
    page.goto(f"{by_number}/credentials/")
    problem = page.locator("form[data-passkey=create] [data-passkey-problem]")
    expect(problem).to_contain_text("you opened 127.0.0.1")
    expect(page.get_by_role("button", name="Add the passkey")).to_be_disabled()


def test_the_pages_of_credentials_are_accessible_and_fit(
    browser: Browser, live_url: str, world: World
) -> None:
    context = browser.new_context()
    page = enter(context, live_url, "reviewer")
    page.goto(f"{live_url}/credentials/")
    codes = page.locator("form", has=page.get_by_role("button", name="Go on to the code"))
    codes.get_by_label("Name").fill("Phone")
    codes.get_by_label("Your password").fill(PASSWORD)
    codes.get_by_role("button").click()
    expect(page.get_by_role("img", name="QR code")).to_be_visible()
    for address in ("/credentials/codes/confirm", "/credentials/"):
        page.goto(live_url + address)
        assert barriers(page, address.strip("/").replace("/", "-")) == []
    context.close()
