"""Query counts of pages, frozen: they do not grow with what a page lists."""

from __future__ import annotations

from collections.abc import Callable

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.services.notices import post_notice
from tests.integration.web.world import (
    V1_RACE,
    World,
    audit,
    lay_lineage,
    model_row,
    publish_and_bind,
    version_row,
    walk,
)

Enter = Callable[[str], Client]
# Reading the session and the person included; lower it when a page gets cheaper.
FROZEN = {
    "/": 22,
    "/models/boston-mortgage/": 20,
    "/models/boston-mortgage/versions/2/": 36,
    "/models/boston-mortgage/versions/2/recomputations/": 13,
    "/models/boston-mortgage/versions/2/graph/": 20,
    "/models/boston-mortgage/versions/2/compare/1/": 14,
    "/models/boston-mortgage/aliases/": 13,
    "/aliases/": 13,
    "/plan/": 18,
    "/trace/?of=scikit-learn%3D%3D1.9.1": 17,
    "/withdrawals/": 10,
    "/promotions/": 16,
    "/rollbacks/": 11,
    "/log/": 16,
    "/log/?subject=boston-mortgage&actor=Erin+Engel&from=2026-01-01": 18,
    "/log/health": 15,
    "/notices/": 13,
    "/policies/": 10,
    "/evaluation-sets/": 10,
}


def count(client: Client, page: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert client.get(page).status_code == 200
    return len(captured)


def tell(world: World, number: int) -> None:
    post_notice(
        kind="log",
        subject="Something happened.",
        text="",
        path="/log/health",
        audience=["reviewer"],
        dedup_key=f"test:{number}",
        now=world.tick(),
    )


def test_query_counts_do_not_grow_with_rows(world: World, enter: Enter) -> None:
    world.request(2)
    tell(world, 0)
    client = enter("reviewer")
    before = {page: count(client, page) for page in FROZEN}
    names = [f"model-{number}" for number in range(12)]
    aliases = {"champion": 1}
    walk(
        world,
        [model_row(aliases=aliases), *(model_row(name, aliases=aliases) for name in names)],
        [
            *(version_row(number) for number in range(1, 9)),
            *(version_row(1, name) for name in names),
        ],
    )
    for number in range(4, 9):
        version = world.version(number)
        lay_lineage(world, version)
        audit(world, version, V1_RACE)
        world.request(number)
    for name in names[:4]:
        version = world.version(1, name)
        publish_and_bind(world, name)
        tell(world, version.pk)
        lay_lineage(world, version)
        audit(world, version, V1_RACE)
    world.sequence()
    after = {page: count(client, page) for page in FROZEN}
    assert after == before


def test_query_counts_are_frozen(world: World, enter: Enter) -> None:
    world.request(2)
    tell(world, 0)
    client = enter("reviewer")
    over = {
        page: (counted, frozen)
        for page, frozen in FROZEN.items()
        if (counted := count(client, page)) > frozen
    }
    assert over == {}


def test_the_review_screen_does_not_ask_more_for_more_signatures(
    world: World, enter: Enter
) -> None:
    promotion = world.request(2)
    client = enter("auditor")
    page = f"/promotions/{promotion.pk}/"
    before = count(client, page)
    world.sign(promotion, "reviewer")
    world.sign(promotion, "reviewer2")
    assert count(client, page) <= before
