"""A policy that asks for a recomputation: ordered, waited for, and judged with the rest."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.services.people import actor_of
from audits.selectors import decoded_statement
from lineage.domain.comparison import Verdict
from lineage.models import Recomputation
from registry.domain.evidence import EvidenceItem
from registry.domain.replay import replay_decision
from registry.models import Promotion
from registry.services.evaluation import load_view
from registry.services.policies import document_of
from registry.services.recomputation_orders import stop_recomputation
from tests.integration.recomputations.ordering import (
    Computing,
    lay_captured,
    order,
    perform,
    recomputed,
)
from tests.integration.web.forms import text_of
from tests.integration.web.world import V2_RACE, World, audit


def outcome(promotion: Promotion) -> tuple[str, str]:
    promotion.refresh_from_db()
    gates = promotion.decisions.latest("entry_id").content["gates"]
    return promotion.status, next(one["outcome"] for one in gates if one["id"] == "reproduced")


def test_a_request_orders_the_recomputation_and_its_verdict_opens_the_review(
    asking: World, enter: Callable[[str], Client]
) -> None:
    promotion = asking.request(2)
    assert outcome(promotion) == ("evaluating", "pending")
    found = Recomputation.objects.get()
    assert (found.status, found.requested_by) == ("queued", asking.people["engineer"].pk)
    assert found.negative_control is True
    page = enter("reviewer").get(f"/promotions/{promotion.pk}/")
    assert "Recomputation evidence is being produced now." in text_of(page)
    assert f'href="/recomputations/{found.pk}/"' in page.content.decode()
    perform(found, Computing())
    assert outcome(promotion) == ("in_review", "satisfied")
    for who in ("reviewer", "reviewer2"):
        asking.tick(minutes=1)
        asking.now = max(asking.now, timezone.now())
        asking.sign(promotion, who)
    promotion.refresh_from_db()
    assert promotion.status == "approved"


@pytest.mark.parametrize("verdict", [Verdict.DIVERGED, Verdict.NOT_REPRODUCIBLE])
def test_what_did_not_come_out_again_denies_and_is_not_ordered_a_second_time(
    asking: World, verdict: Verdict
) -> None:
    promotion = asking.request(2)
    other = {"predictions": None, "artifacts": {"compared": 1, "differing_count": 1}}
    metrics = {"accuracy": {"recorded": 0.906, "recomputed": 0.7, "difference": 0.206}}
    compute = Computing(
        lambda one: recomputed(one.record_sha256, verdict, "So.", metrics=metrics, **other)
    )
    perform(Recomputation.objects.get(), compute)
    assert outcome(promotion) == ("denied", "unsatisfied")
    asking.now = timezone.now()
    assert outcome(asking.request(2)) == ("denied", "unsatisfied")
    assert Recomputation.objects.count() == 1


def test_a_cancelled_or_failed_recomputation_denies_and_a_new_request_orders_another(
    asking: World,
) -> None:
    promotion = asking.request(2)
    stop_recomputation(
        recomputation_id=Recomputation.objects.get().pk,
        actor=actor_of(asking.people["admin"]),
        now=asking.tick(),
    )
    assert outcome(promotion) == ("denied", "insufficient")
    again = asking.request(2)
    assert outcome(again) == ("evaluating", "pending")
    found = Recomputation.objects.get(status="queued")
    for _ in range(3):
        with pytest.raises(RuntimeError):
            perform(found, Computing(fails=RuntimeError("no")))
    assert outcome(again) == ("denied", "insufficient")


def test_a_verdict_that_stands_is_not_made_again_and_goes_stale(asking: World) -> None:
    perform(order(asking, 2), Computing())
    asking.now = timezone.now()
    assert outcome(asking.request(2)) == ("in_review", "satisfied")
    assert Recomputation.objects.count() == 1


def test_a_stale_verdict_or_one_without_the_control_is_made_again(asking: World) -> None:
    compute = Computing(lambda one: recomputed(one.record_sha256, negative_control=None))
    perform(order(asking, 2, negative_control=False), compute)
    asking.now = timezone.now()
    promotion = asking.request(2)
    assert outcome(promotion) == ("evaluating", "pending")
    perform(Recomputation.objects.get(status="queued"), Computing())
    assert outcome(promotion) == ("in_review", "satisfied")
    asking.now = timezone.now() + timedelta(days=31)
    audit(asking, asking.version(2), V2_RACE)
    later = asking.request(3)  # not this one's
    assert later.status != "in_review"


def test_a_newer_lineage_record_makes_the_verdict_one_about_another(asking: World) -> None:
    perform(order(asking, 2), Computing())
    lay_captured(asking, 2)
    asking.now = timezone.now()
    assert outcome(asking.request(2)) == ("evaluating", "pending")


def test_the_decision_is_replayed_from_the_log_alone(asking: World) -> None:
    promotion = asking.request(2)
    perform(Recomputation.objects.get(), Computing())
    decision = promotion.decisions.latest("entry_id")
    view = load_view(version=asking.version(2), alias="champion")
    items: list[EvidenceItem] = [*view.items, *(view.champion.items if view.champion else ())]
    stated = decoded_statement(decision.entry).predicate["decision"]
    assert decision.policy is not None
    replayed = replay_decision(
        stated,
        policy=document_of(decision.policy),
        evidence={item.digest: item for item in items},
    )
    assert replayed.to_mapping() == stated
