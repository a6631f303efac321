"""Executing a promotion against a real MLflow: exactly once, whatever breaks where."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from django.utils import timezone

from accounts.services.people import actor_of
from audits.models import LogEntry
from audits.selectors import decoded_statement
from lineage.errors import MlflowUnavailable
from lineage.mlflow import MlflowClient
from muniment.grant import HEADER
from registry.domain.promotion import PromotionStatus
from registry.errors import InvalidRequest, PromotionClosed
from registry.models import AliasChange, Grant, ModelAlias, Promotion
from registry.services.evaluation import evaluate_version
from registry.services.execution import GIVE_UP_AFTER, Progress, execute_promotion
from registry.services.grants import RESERVATION_TTL, issue_token, reserve_grant
from registry.services.promotions import withdraw_promotion
from tests.integration.registry.forwarder import Forwarder
from tests.integration.registry.live import HURRIED, MODEL, LiveRegistry, behind_the_back
from tests.integration.registry.predictions import predictions_of
from tests.integration.registry.test_reviews import at_once
from tests.integration.web.world import V2_RACE, audit

ALIAS_LINE = "POST /api/2.0/mlflow/registered-models/alias"


@pytest.fixture
def forwarder(live: LiveRegistry, settings: Any) -> Iterator[Forwarder]:
    """Between Muniment and MLflow."""
    with Forwarder(live.url) as between:
        settings.MLFLOW_TRACKING_URI = between.url
        yield between


@pytest.fixture
def sealed(live: LiveRegistry) -> Promotion:
    """A promotion whose two approvals stand under a checkpoint."""
    promotion = live.approved()
    live.world.sequence()
    return promotion


def attempt(live: LiveRegistry, promotion: Promotion, *, later: timedelta) -> Progress:
    """Take it one attempt further at a later time."""
    return execute_promotion(
        promotion_id=promotion.pk, client=live.client, clock=lambda: timezone.now() + later
    )


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
    assert events()[-4:] == [
        "promotion.approved",
        "promotion.execution_started",
        "alias.set",
        "promotion.executed",
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


def executing(live: LiveRegistry, promotion: Promotion, forwarder: Forwarder) -> Promotion:
    """Bring it to where its grant may be used, and nobody has."""
    forwarder.lose_alias_requests()
    with pytest.raises(MlflowUnavailable):
        live.run(promotion)
    forwarder.heal()
    return Promotion.objects.get(pk=promotion.pk)


def test_mlflow_dies_between_the_reservation_and_the_change(
    live: LiveRegistry, sealed: Promotion, forwarder: Forwarder
) -> None:
    promotion = executing(live, sealed, forwarder)
    token = issue_token(promotion=promotion, now=timezone.now())
    assert token is not None
    first = reserve_grant(token=token, now=timezone.now())
    # The reservation may still come to something: nothing is done twice meanwhile.
    forwarder.take()
    assert live.run(promotion).status == "executing"
    assert ALIAS_LINE not in forwarder.take()
    assert attempt(live, promotion, later=RESERVATION_TTL + timedelta(seconds=1)) is Progress.ENDED
    assert live.champion() == 1
    first.refresh_from_db()
    assert first.status == Grant.Status.VOID
    assert Grant.objects.exclude(pk=first.pk).get().status == Grant.Status.CONFIRMED


def test_a_change_that_was_made_and_never_confirmed_is_settled_by_the_alias(
    live: LiveRegistry, sealed: Promotion, forwarder: Forwarder
) -> None:
    promotion = executing(live, sealed, forwarder)
    token = issue_token(promotion=promotion, now=timezone.now())
    assert token is not None
    reserve_grant(token=token, now=timezone.now())
    set_behind_the_back(1)
    assert live.run(promotion).status == "executed"
    assert Grant.objects.get().status == Grant.Status.CONFIRMED
    assert not AliasChange.objects.filter(is_violation=True).exists()


def set_behind_the_back(version: int) -> None:
    behind_the_back("DELETE FROM registered_model_aliases WHERE name = %s", MODEL)
    behind_the_back(
        "INSERT INTO registered_model_aliases (workspace, name, alias, version)"
        " VALUES ('default', %s, 'champion', %s)",
        *(MODEL, version),
    )


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
    set_behind_the_back(2)
    assert live.run(sealed).status == "executed"
    live.walk()
    assert ModelAlias.objects.get().version.version == 2
    last = AliasChange.objects.latest("pk")
    assert (last.after and last.after.version, last.is_violation) == (2, True)


@pytest.mark.parametrize("change", ["replaced", "added", "deleted"])
def test_files_that_changed_after_the_approvals_stop_it(live: LiveRegistry, change: str) -> None:
    promotion = live.approved()
    live.world.sequence()
    place = live.client.get_logged_model(
        promotion.version.source_uri.removeprefix("models:/")
    ).artifact_uri
    if change == "deleted":
        live.trainer.delete(place)
    else:
        name = "model.pkl" if change == "replaced" else "backdoor.py"
        live.trainer.put(place, name, b"another thing")
    promotion = live.run(promotion)
    assert promotion.status == "failed"
    assert "artifacts changed after they were judged" in promotion.failure
    assert live.champion() is None
    assert events()[-1] == "promotion.failed"
    assert not Grant.objects.exclude(status=Grant.Status.VOID).exists()
    # It ended: nothing brings it back, and a new request is judged anew.
    assert live.run(promotion).status == "failed"


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


def test_new_evidence_before_the_execution_takes_it_back(
    live: LiveRegistry, sealed: Promotion
) -> None:
    audit(live.world, live.version(1), {**V2_RACE, "Black": (99, 90, 65, 7)})
    assert live.run(sealed).status == "in_review"
    assert live.champion() is None


def test_it_can_be_withdrawn_until_it_is_executed(live: LiveRegistry, sealed: Promotion) -> None:
    engineer = actor_of(live.world.people["engineer"])
    withdraw_promotion(promotion_id=sealed.pk, actor=engineer, now=live.world.tick())
    assert live.run(sealed).status == "withdrawn"
    assert live.champion() is None
    assert Promotion.objects.get().status == PromotionStatus.WITHDRAWN


def test_what_is_executing_is_not_withdrawn(
    live: LiveRegistry, sealed: Promotion, forwarder: Forwarder
) -> None:
    promotion = executing(live, sealed, forwarder)
    engineer = actor_of(live.world.people["engineer"])
    with pytest.raises(PromotionClosed, match="is executing"):
        withdraw_promotion(promotion_id=promotion.pk, actor=engineer, now=live.world.tick())
    assert live.run(promotion).status == "executed"


def test_what_mlflow_goes_on_refusing_fails_with_its_words(
    live: LiveRegistry, sealed: Promotion, forwarder: Forwarder
) -> None:
    promotion = executing(live, sealed, forwarder)
    behind_the_back("DELETE FROM model_versions WHERE name = %s", MODEL)
    assert live.run(promotion).status == "executing"
    assert attempt(live, promotion, later=GIVE_UP_AFTER + timedelta(seconds=5)) is Progress.ENDED
    promotion.refresh_from_db()
    assert promotion.status == "failed"
    assert "MLflow refused the change" in promotion.failure
    assert not Grant.objects.exclude(status=Grant.Status.VOID).exists()


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


def test_a_promotion_that_is_overtaken_is_reviewed_again(live: LiveRegistry) -> None:
    first, second = live.approved(), live.approved()
    live.world.sequence()
    assert live.run(first).status == "executed"
    # What it would be compared with has changed, and so has what was signed.
    second.refresh_from_db()
    assert second.status == "in_review"
    assert live.run(second).status == "in_review"
    assert live.champion() == 1


@pytest.mark.parametrize("alias", ["champion", "Champion", "CHAMPION"])
@pytest.mark.parametrize("route", ["api/2.0", "ajax-api/2.0"])
@pytest.mark.parametrize("header", [None, "forged", uuid.uuid4().hex])
def test_a_direct_change_is_refused_while_muniment_is_not_running(
    mlflow_server: str, route: str, alias: str, header: str | None
) -> None:
    url = f"{mlflow_server}/{route}/mlflow/registered-models"
    name = f"direct-{uuid.uuid4().hex[:8]}"
    headers = {HEADER: header} if header else {}
    with httpx.Client(trust_env=False, timeout=30, headers=headers) as client:
        assert client.post(f"{url}/create", json={"name": name}).status_code == 200
        version = {"name": name, "source": "s3://bucket/model"}
        versions = url.replace("registered-models", "model-versions")
        assert client.post(f"{versions}/create", json=version).status_code == 200
        change = {"name": name, "alias": alias, "version": "1"}
        answer = client.post(f"{url}/alias", json=change)
        assert answer.status_code == 403
        assert answer.json()["error_code"] == "PERMISSION_DENIED"
        assert "refused" in answer.json()["message"]
        found = client.get(f"{url}/get", params={"name": name}).json()
        assert not found["registered_model"].get("aliases")
