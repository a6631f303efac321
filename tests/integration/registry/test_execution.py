"""Executing a promotion against a real MLflow: exactly once, whatever breaks where."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from audits.models import LogEntry
from audits.selectors import decoded_statement
from lineage.errors import MlflowUnavailable
from lineage.mlflow import MlflowClient
from registry.errors import InvalidRequest
from registry.models import AliasChange, Grant, ModelAlias, Promotion
from registry.selectors.alias_periods import histories_of
from registry.services.evaluation import evaluate_version
from registry.services.execution import Progress, execute_promotion
from registry.services.grants import RESERVATION_TTL, issue_token, reserve_grant
from tests.integration.registry.forwarder import Forwarder
from tests.integration.registry.live import (
    HURRIED,
    MODEL,
    LiveRegistry,
    set_alias_behind_the_back,
)
from tests.integration.registry.predictions import predictions_of
from tests.integration.registry.signing import at_once

ALIAS_LINE = "POST /api/2.0/mlflow/registered-models/alias"


def events() -> list[str]:
    return list(LogEntry.objects.order_by("pk").values_list("event", flat=True))


def test_from_training_to_champion(live: LiveRegistry) -> None:
    live.new_model()
    logged = live.train(MODEL)
    live.trainer.put(logged.run_place, "predictions.parquet", predictions_of("v2"))
    live.walk()
    live.bind()
    live.work()
    promotion = live.world.request(1, name=MODEL)
    assert promotion.status == "in_review", promotion.decisions.get().content["reasons"]
    for reviewer in ("reviewer", "reviewer2"):
        promotion = live.world.sign(promotion, reviewer)
    assert live.champion() is None

    # No promotion is executed before its approvals stand under a signed checkpoint.
    promotion = live.run(promotion)
    assert promotion.status == "approved"
    assert live.champion() is None
    live.world.sequence()

    promotion = live.run(promotion)
    assert promotion.status == "executed"
    assert live.champion() == 1
    assert Grant.objects.get().status == Grant.Status.CONFIRMED
    change = AliasChange.objects.get()
    assert (change.promotion, change.is_violation) == (promotion, False)
    told = histories_of([live.version(1).registered_model])[0].periods[-1]
    assert told.origin is not None
    assert (told.period.version, told.period.since) == (1, change.at)
    assert (told.origin.cause, told.origin.promotion_id) == ("promotion", str(promotion.pk))
    assert events()[-5:] == [
        "promotion.approved",
        "promotion.execution_started",
        "alias.set",
        "promotion.executed",
        "certificate.issued",
    ]
    assert live.walk() == []
    decision = evaluate_version(
        version=live.version(1), alias="champion", as_of=timezone.now()
    ).decision
    assert decision is not None
    assert decision.allowed, decision.reasons
    with pytest.raises(InvalidRequest, match="champion already"):
        live.world.request(1, name=MODEL)


def test_running_it_again_changes_nothing(live: LiveRegistry, sealed: Promotion) -> None:
    live.run(sealed)
    entries = LogEntry.objects.count()
    assert live.run(sealed).status == "executed"
    assert LogEntry.objects.count() == entries


def test_a_request_that_never_reached_mlflow_is_made_again(
    live: LiveRegistry, sealed: Promotion, forwarder: Forwarder
) -> None:
    forwarder.lose_alias_requests()
    with pytest.raises(MlflowUnavailable):
        live.run(sealed)
    sealed.refresh_from_db()
    assert sealed.status == "executing"
    assert live.champion() is None
    forwarder.heal()
    assert live.run(sealed).status == "executed"
    assert live.champion() == 1
    assert Grant.objects.get().status == Grant.Status.CONFIRMED


def test_a_change_whose_answer_was_lost_is_not_made_again(
    live: LiveRegistry, sealed: Promotion, forwarder: Forwarder
) -> None:
    forwarder.lose_alias_answers()
    with pytest.raises(MlflowUnavailable):
        live.run(sealed)
    assert live.champion() == 1
    sealed.refresh_from_db()
    assert sealed.status == "executing"
    forwarder.heal()
    forwarder.take()
    assert live.run(sealed).status == "executed"
    assert ALIAS_LINE not in forwarder.take()
    assert AliasChange.objects.count() == 1
    assert events().count("promotion.executed") == 1


def test_the_mirror_sees_the_change_before_the_worker_settles_it(
    live: LiveRegistry, sealed: Promotion, forwarder: Forwarder
) -> None:
    forwarder.lose_alias_answers()
    with pytest.raises(MlflowUnavailable):
        live.run(sealed)
    forwarder.heal()
    (seen,) = live.walk()
    assert (seen.event, seen.is_violation) == ("alias.set", False)
    assert decoded_statement(seen).predicate["detail"]["promotion_id"] == str(sealed.pk)
    assert live.run(sealed).status == "executed"
    assert AliasChange.objects.count() == 1


def test_mlflow_dies_between_the_reservation_and_the_change(
    live: LiveRegistry, sealed: Promotion, forwarder: Forwarder
) -> None:
    promotion = live.executing(sealed, forwarder)
    token = issue_token(promotion=promotion, now=timezone.now())
    assert token is not None
    first = reserve_grant(token=token, now=timezone.now())
    # The reservation may still come to something: nothing is done twice meanwhile.
    forwarder.take()
    assert live.run(promotion).status == "executing"
    assert ALIAS_LINE not in forwarder.take()
    assert live.attempt(promotion, later=RESERVATION_TTL + timedelta(seconds=1)) is Progress.ENDED
    assert live.champion() == 1
    first.refresh_from_db()
    assert first.status == Grant.Status.VOID
    assert Grant.objects.exclude(pk=first.pk).get().status == Grant.Status.CONFIRMED


def test_a_change_that_was_made_and_never_confirmed_is_settled_by_the_alias(
    live: LiveRegistry, sealed: Promotion, forwarder: Forwarder
) -> None:
    promotion = live.executing(sealed, forwarder)
    token = issue_token(promotion=promotion, now=timezone.now())
    assert token is not None
    reserve_grant(token=token, now=timezone.now())
    set_alias_behind_the_back("champion", 1)
    assert live.run(promotion).status == "executed"
    assert Grant.objects.get().status == Grant.Status.CONFIRMED
    assert not AliasChange.objects.filter(is_violation=True).exists()


def test_what_the_store_confirmed_was_executed_whatever_happened_since(
    live: LiveRegistry, sealed: Promotion, forwarder: Forwarder
) -> None:
    """The worker dies after the change, and then somebody moves the alias around us."""
    live.train(MODEL)
    live.walk()
    forwarder.lose_alias_answers()
    with pytest.raises(MlflowUnavailable):
        live.run(sealed)
    forwarder.heal()
    assert Grant.objects.get().status == Grant.Status.CONFIRMED
    set_alias_behind_the_back("champion", 2)
    assert live.run(sealed).status == "executed"
    live.walk()
    assert ModelAlias.objects.get().version.version == 2
    last = AliasChange.objects.latest("pk")
    assert (last.after and last.after.version, last.is_violation) == (2, True)


def test_mlflow_down_is_waited_for_and_nothing_is_lost(
    live: LiveRegistry, sealed: Promotion, settings: Any
) -> None:
    settings.MLFLOW_TRACKING_URI = "http://127.0.0.1:9"
    down = MlflowClient("http://127.0.0.1:9", patience=HURRIED)
    for hours in range(3):
        with pytest.raises(MlflowUnavailable):
            execute_promotion(
                promotion_id=sealed.pk,
                client=down,
                clock=lambda hours=hours: timezone.now() + timedelta(hours=hours),  # type: ignore[misc]
            )
    settings.MLFLOW_TRACKING_URI = live.url
    assert live.run(sealed).status == "executed"
    assert live.champion() == 1


def test_two_workers_at_once_execute_it_once(live: LiveRegistry, sealed: Promotion) -> None:
    raised = at_once(*[lambda: live.run(sealed)] * 3)
    sealed.refresh_from_db()
    if sealed.status == "executing":
        live.run(sealed)
    assert [error for error in raised if error is not None] == []
    assert live.champion() == 1
    assert Promotion.objects.get().status == "executed"
    assert Grant.objects.filter(status=Grant.Status.CONFIRMED).count() == 1
    assert events().count("promotion.executed") == 1
    assert AliasChange.objects.count() == 1


def test_the_alias_moves_from_one_promotion_to_the_next(live: LiveRegistry) -> None:
    for number in (1, 2):
        promotion = live.approved()
        live.world.sequence()
        assert live.run(promotion).status == "executed"
        assert live.champion() == number
    last = AliasChange.objects.latest("pk")
    assert (last.before and last.before.version, last.after and last.after.version) == (1, 2)
    assert not AliasChange.objects.filter(is_violation=True).exists()
    assert live.walk() == []
