"""Champions are recomputed on schedule: those whose last verdict is old, a few at a time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Notice
from accounts.services.people import actor_of
from audits.models import LogEntry
from lineage.domain.comparison import Verdict
from lineage.models import Recomputation
from registry import tasks
from registry.services.recomputation_orders import stop_recomputation
from registry.services.recomputation_schedule import MAX_OPEN, order_recomputations_of_champions
from tests.integration.recomputations.ordering import (
    CAPTURE,
    Computing,
    lay_captured,
    order,
    perform,
    recomputed,
)
from tests.integration.web.world import (
    World,
    lay_lineage,
    model_row,
    row_of_the_world,
    rows_of_the_world,
    version_row,
    walk,
)


def order_due(*, days: int = 30, later: timedelta = timedelta()) -> int:
    return order_recomputations_of_champions(days=days, now=timezone.now() + later)


def test_a_champion_is_recomputed_and_again_when_its_verdict_is_old(world: World) -> None:
    lay_captured(world, 1)
    lay_captured(world, 2)  # no champion
    assert order_due() == 1
    found = Recomputation.objects.get()
    assert (found.version_uri, found.requested_by) == (world.version(1).uri, None)
    assert found.negative_control is True
    entry = LogEntry.objects.get(event="recomputation.requested")
    assert (entry.actor_kind, entry.actor_id) == ("service", "schedule")
    assert order_due() == 0  # it is open
    perform(found, Computing())
    assert order_due(later=timedelta(days=29)) == 0
    assert order_due(later=timedelta(days=31)) == 1


def test_one_that_a_person_had_made_counts(world: World) -> None:
    lay_captured(world, 1)
    perform(order(world, 1), Computing())
    assert order_due(later=timedelta(days=2)) == 0


def test_one_that_was_cancelled_is_ordered_again_the_next_day_and_not_at_once(
    world: World,
) -> None:
    lay_captured(world, 1)
    order_due()
    stop_recomputation(
        recomputation_id=Recomputation.objects.get().pk,
        actor=actor_of(world.people["engineer"]),
        now=timezone.now(),
    )
    assert order_due(later=timedelta(hours=23)) == 0
    assert order_due(later=timedelta(hours=25)) == 1


def test_zero_days_is_never_and_what_was_not_captured_is_left_alone(world: World) -> None:
    assert order_due() == 0
    lay_captured(world, 1)
    assert order_due(days=0) == 0
    assert not Recomputation.objects.exists()


def test_however_many_champions_there_are_only_a_few_are_open(world: World, settings: Any) -> None:
    names = [f"model-{number}" for number in range(MAX_OPEN + 2)]
    walk(
        world,
        [row_of_the_world(), *(model_row(name, aliases={"champion": 1}) for name in names)],
        [*rows_of_the_world(), *(version_row(1, name) for name in names)],
    )
    for name in names:
        lay_lineage(world, world.version(1, name), capture=CAPTURE)
    settings.RECOMPUTE_CHAMPION_DAYS = 30
    for _ in range(2):
        tasks.order_champions_again()
    assert Recomputation.objects.filter(status="queued").count() == MAX_OPEN
    perform(Recomputation.objects.order_by("created_at")[0], Computing())
    tasks.order_champions_again()
    assert Recomputation.objects.filter(status="queued").count() == MAX_OPEN


@pytest.mark.parametrize("alias", ["challenger"])
def test_what_nobody_governs_is_not_recomputed(world: World, alias: str) -> None:
    lay_captured(world, 2)
    walk(
        world,
        [model_row(aliases={"champion": 1, alias: 2})],
        rows_of_the_world(),
    )
    assert order_due() == 0


@pytest.mark.parametrize("number", [1, 2])
def test_people_are_told_of_a_champion_that_did_not_come_out_again(
    world: World, number: int
) -> None:
    lay_captured(world, number)
    reason = "The metric accuracy differs by 0.1."
    perform(
        order(world, number),
        Computing(lambda one: recomputed(one.record_sha256, Verdict.DIVERGED, reason)),
    )
    told = list(Notice.objects.values_list("subject", "text", "path"))
    if number == 2:  # nobody is served by it
        assert told == []
        return
    [(subject, text, path)] = told
    assert subject == "A champion that was trained again did not come out as it was."
    assert text == f"boston-mortgage version 1: {reason}"
    assert path == f"/recomputations/{Recomputation.objects.get().pk}/"
    perform(order(world, 1), Computing())
    assert Notice.objects.count() == 1
