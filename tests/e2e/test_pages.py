"""Pages in a real browser: both themes, narrow and wide, by keyboard, under the strict policy."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, expect

from accounts.models import User
from accounts.services.people import actor_of
from audits.models import Evidence, LogEntry
from audits.services.alarms import LOG_NOT_SEQUENCED, LOG_NOT_VERIFIED, clear_alarm, raise_alarm
from audits.services.log_verification import verify_log
from lineage.models import ArtifactNode
from registry.models import Policy, Promotion, Violation, Withdrawal
from registry.services.reports import request_report
from registry.services.signing import Password
from registry.services.withdrawals import propose_withdrawal
from tests.e2e.browsing import barriers, enter
from tests.integration.web.intruder import write_entry
from tests.integration.web.world import (
    PASSWORD,
    World,
    row_of_the_world,
    rows_of_the_world,
    version_row,
    walk,
)

WITHOUT_SESSION = {"sign-in": "/sign-in", "new-password": "/new-password"}


def addresses(promotion: Promotion) -> dict[str, str]:
    bias = Evidence.objects.get(version_uri=promotion.version.uri, kind="bias")
    entry = LogEntry.objects.filter(event="approval.given").get()
    refused = LogEntry.objects.get(event="alias.moved", actor_id="nightly-job")
    auditor = actor_of(User.objects.get(username="auditor"))
    report = request_report(version=promotion.version, actor=auditor, now=timezone.now())
    return {
        "inventory": "/",
        "model": "/models/boston-mortgage/",
        "version": "/models/boston-mortgage/versions/2/",
        "version-denied": "/models/boston-mortgage/versions/1/",
        "graph": "/models/boston-mortgage/versions/2/graph/",
        "compare": "/models/boston-mortgage/versions/3/compare/2/",
        "trace": "/trace/?of=scikit-learn%3D%3D1.9.1",
        "trace-nothing": "/trace/",
        "withdrawals": "/withdrawals/",
        "withdrawal": f"/withdrawals/{Withdrawal.objects.get().pk}/",
        "withdrawal-new": "/withdrawals/new?dataset=sha256:" + "0" * 64,
        "plan": "/plan/",
        "promotions": "/promotions/",
        "review": f"/promotions/{promotion.pk}/",
        "evidence": f"/evidence/{bias.pk}/",
        "log": "/log/",
        "log-nothing": "/log/?subject=nobody&from=2026-02-30",
        "log-refused": "/log/?state=refused",
        "log-health": "/log/health",
        "entry": f"/log/entries/{entry.sha256}/",
        "entry-refused": f"/log/entries/{refused.sha256}/",
        "aliases": f"/aliases/?at={timezone.now():%Y-%m-%d}",
        "aliases-of-model": f"/models/boston-mortgage/aliases/?at={timezone.now():%Y-%m-%d}",
        "aliases-no-time": "/aliases/?at=yesterday",
        "violations": "/violations/?state=all",
        "violation": f"/violations/{Violation.objects.get().pk}/",
        "policies": "/policies/",
        "emergency": "/models/boston-mortgage/emergency",
        "evaluation-sets": "/evaluation-sets/",
        "replay": "/policies/replay/?policy=credit-decision@1",
        "policy": f"/policies/{policy_hex()}/",
        "report": f"/reports/jobs/{report.pk}/",
        "missing": "/no-such-page",
    }


@pytest.fixture
def troubled(world: World, reviewed: Promotion) -> None:
    """Somebody wrote into the log's table, and changed MLflow; alarms are open, and one is over."""
    change_stage(world)
    used = ArtifactNode.objects.filter(edges__role="training", edges__name="loanapp")
    withdraw(world, used.distinct().get().key)
    write_entry(event="alias.moved", actor_id="nightly-job", actor_kind="service")
    world.sequence()
    now = timezone.now()
    started = now - timedelta(hours=2)
    verify_log(now=started, clock=lambda: started + timedelta(seconds=4))
    raise_alarm(
        LOG_NOT_SEQUENCED, "No entry got a place for 4 minutes.", now=now - timedelta(days=2)
    )
    clear_alarm(LOG_NOT_SEQUENCED, now=now - timedelta(days=1))
    raise_alarm(
        LOG_NOT_VERIFIED,
        "The log does not verify: the leaf hash of leaf 7 is not that of its entry's bytes.",
        now=now - timedelta(minutes=3),
    )


def withdraw(world: World, dataset: str) -> None:
    """Let one person ask that a dataset is withdrawn."""
    propose_withdrawal(
        dataset=dataset,
        cause="consent",
        reason="A borrower took back the consent.",
        means=Password(PASSWORD),
        actor=actor_of(world.people["admin"]),
        now=world.tick(),
    )


def change_stage(world: World) -> None:
    """Let a walk see a version in another stage: a violation that touches no promotion."""
    walk(
        world, [row_of_the_world()], [*rows_of_the_world()[:2], version_row(3, stage="Production")]
    )


def policy_hex() -> str:
    return Policy.objects.get().digest.removeprefix("sha256:")


def test_pages_are_accessible_fit_in_both_themes_and_keep_to_the_content_security_policy(
    browser: Browser, live_url: str, world: World, reviewed: Promotion, troubled: None
) -> None:
    said: list[str] = []
    context = browser.new_context()
    context.on("console", lambda message: said.append(message.text))
    context.on("weberror", lambda error: said.append(str(error.error)))
    page = enter(context, live_url, "reviewer")
    for name, address in {**addresses(reviewed), **WITHOUT_SESSION}.items():
        if name in WITHOUT_SESSION:
            context.clear_cookies()
        answer = page.goto(live_url + address)
        assert answer is not None
        assert "unsafe" not in answer.headers["content-security-policy"], name
        said += barriers(page, name, looked_at=(360, 1280) if name == "review" else (1280,))
    context.close()
    # Two pages are refusals, and the browser says so.
    assert [line for line in said if "status of 40" not in line] == []


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
    page.locator("#password").fill(PASSWORD)
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


def test_an_admin_answers_for_a_violation_on_a_narrow_screen_without_a_script(
    browser: Browser, live_url: str, world: World
) -> None:
    change_stage(world)
    context = browser.new_context(java_script_enabled=False, viewport={"width": 360, "height": 800})
    page = enter(context, live_url, "admin")
    page.get_by_role("link", name="See the violations").click()
    page.get_by_role("link", name="stage of boston-mortgage version 3 changed").click()
    expect(page.get_by_role("row", name="stage")).to_contain_text("Production")
    page.get_by_label("Why this change is accepted").fill("Agreed with the owner of the model.")
    page.get_by_role("button", name="Answer for it as Ada Adler").click()
    expect(page.get_by_text("You answer for this change.")).to_be_visible()
    expect(page.get_by_text("Agreed with the owner of the model.")).to_be_visible()
    expect(page.get_by_role("link", name="See the violations")).to_have_count(0)
    assert Violation.objects.get().status == "accepted"
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
    page.locator("#password").fill("not the password at all")
    page.get_by_role("button", name="Sign as Rita Reyes").click()
    expect(page.get_by_role("alert")).to_contain_text("password is not right")
    expect(page.get_by_role("alert")).to_be_in_viewport()
    expect(page.get_by_label("Refuse")).to_be_checked()
    expect(page.get_by_label("Reason")).to_have_value(re.compile("too small to trust"))
    page.locator("#password").fill(PASSWORD)
    page.get_by_role("button", name="Sign as Rita Reyes").click()
    expect(page.get_by_text("Your refusal is signed.")).to_be_visible()
    page.get_by_text("Rita Reyes").first.click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    context.close()
