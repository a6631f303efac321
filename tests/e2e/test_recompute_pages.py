"""Recomputations in a real browser: both themes, three widths, followed by a script."""

from __future__ import annotations

import re

from django.utils import timezone
from playwright.sync_api import Browser, expect

from accounts.services.people import actor_of
from lineage.domain.comparison import Verdict
from lineage.models import Recomputation
from registry.services.recomputation_orders import stop_recomputation
from tests.e2e.browsing import barriers, enter
from tests.integration.recomputations.ordering import (
    Computing,
    Worker,
    lay_captured,
    order,
    perform,
    recomputed,
)
from tests.integration.web.world import World

LIST = "/models/boston-mortgage/versions/2/recomputations/"
LOG = b"".join(b"epoch %d  loss %.4f\n" % (one, 1 / one) for one in range(1, 60))


def test_they_are_accessible_and_fit_in_both_themes(
    browser: Browser, live_url: str, world: World
) -> None:
    complaints: list[str] = []
    for number in (1, 2):
        lay_captured(world, number)
    done = order(world, 2)
    perform(done, Computing(output=LOG))
    diverged = order(world, 2, repeats=3)
    reason = "The metric accuracy differs by 0.05: 0.906 was recorded and 0.856 came out."
    metrics = {"accuracy": {"recorded": 0.906, "recomputed": 0.856, "difference": 0.05}}
    spread = {"repeats": 3, "is_deterministic": True}
    perform(
        diverged,
        Computing(
            lambda one: recomputed(
                one.record_sha256, Verdict.DIVERGED, reason, metrics=metrics, spread=spread
            )
        ),
    )
    running = order(world, 1)
    compute = Computing(hold=True, output=LOG)
    worker = Worker(running, compute)
    pages = {
        "recomputations": LIST,
        "recomputations-none": "/models/boston-mortgage/versions/3/recomputations/",
        "recomputation-done": f"/recomputations/{done.pk}/",
        "recomputation-diverged": f"/recomputations/{diverged.pk}/",
        "recomputation-running": f"/recomputations/{running.pk}/",
    }
    try:
        context = browser.new_context()
        page = enter(context, live_url, "reviewer")
        for name, address in pages.items():
            page.goto(live_url + address)
            complaints += barriers(page, name)
        context.close()
    finally:
        compute.release.set()
        worker.join(15)
    assert complaints == []


def test_the_page_follows_a_training_until_it_is_cancelled(
    browser: Browser, live_url: str, world: World
) -> None:
    lay_captured(world, 2)
    context = browser.new_context()
    said: list[str] = []
    context.on("console", lambda message: said.append(message.text))
    page = enter(context, live_url, "engineer")
    page.goto(live_url + LIST)
    page.get_by_label("Train it so many times").fill("2")
    page.get_by_role("button", name="Recompute v2").click()
    expect(page.get_by_text("Waiting for a worker")).to_be_visible()
    found = Recomputation.objects.get()
    compute = Computing(hold=True, output=LOG)
    worker = Worker(found, compute)
    expect(page.get_by_text("Training it again")).to_be_visible(timeout=15_000)
    expect(page.get_by_label("The end of the training's log")).to_contain_text("epoch 59")
    page.get_by_text("Cancel it", exact=True).click()
    page.get_by_role("button", name="Yes, cancel it").click()
    expect(page.get_by_role("heading", name="Cancelled")).to_be_visible()
    worker.join(15)
    assert compute.was_cancelled
    page.get_by_role("button", name="Recompute it again").click()
    expect(page.get_by_text("Waiting for a worker")).to_be_visible()
    again = Recomputation.objects.get(status="queued")
    assert again.repeats == 2
    stop_recomputation(
        recomputation_id=again.pk,
        actor=actor_of(world.people["engineer"]),
        now=timezone.now(),
    )
    # Somebody else cancelled it: the page sees that by itself.
    expect(page.get_by_role("heading", name="Cancelled")).to_be_visible(timeout=15_000)
    assert not [line for line in said if re.search("Content Security|Refused", line)]
    context.close()
