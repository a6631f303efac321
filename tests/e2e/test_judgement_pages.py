"""What is decided about, and by whom, in a real browser: findings, waivers, people, changes."""

from __future__ import annotations

from playwright.sync_api import Browser

from accounts.services.people import actor_of, add_person
from accounts.services.people_changes import role_change
from accounts.services.proposals import propose
from audits.domain.actor import SETUP
from tests.e2e.browsing import barriers, enter
from tests.integration.approvals.conftest import changed_policy
from tests.integration.approvals.test_findings import answer, find
from tests.integration.approvals.test_waivers import failing, waive
from tests.integration.web.world import PASSWORD, World


def test_they_are_accessible_and_fit_in_both_themes(
    browser: Browser, live_url: str, world: World
) -> None:
    changed_policy(world)
    second = add_person(
        username="admin2",
        printed_name="Abe Adams",
        password=PASSWORD,
        roles=["admin"],
        actor=SETUP,
        now=world.tick(),
    )
    change = propose(
        change=role_change(world.people["auditor"], ["auditor", "reviewer"]),
        password=PASSWORD,
        actor=actor_of(second),
        now=world.tick(),
    )
    failing(world)
    waive(world)
    promotion = world.request(2, note="Fairer than v1, at the same accuracy.")
    answer(world, find(world, promotion))
    find(world, promotion, "reviewer2", severity="high")
    version = "/models/boston-mortgage/versions/2/"
    pages = {
        "review-with-findings": f"/promotions/{promotion.pk}/",
        "version-waived": version,
        "statements": f"{version}statements",
        "replay-promotion": f"/promotions/{promotion.pk}/replay",
        "people": "/people/",
        "person": f"/people/{world.people['auditor'].pk}/",
        "changes": "/changes/",
        "change": f"/changes/{change.pk}/",
        "model-admin": "/models/boston-mortgage/",
    }
    said: list[str] = []
    context = browser.new_context()
    page = enter(context, live_url, "admin")
    for name, address in pages.items():
        page.goto(live_url + address)
        said += barriers(page, name)
    context.close()
    assert said == []
