"""What stops an approved promotion on its way, and what nobody gets past."""

from __future__ import annotations

import uuid
from datetime import timedelta

import httpx
import pytest

from accounts.services.people import actor_of
from audits.models import LogEntry
from muniment.grant import HEADER
from registry.domain.promotion import PromotionStatus
from registry.errors import PromotionClosed
from registry.models import Grant, Promotion
from registry.services.execution import GIVE_UP_AFTER, Progress
from registry.services.promotions import withdraw_promotion
from tests.integration.registry.forwarder import Forwarder
from tests.integration.registry.live import (
    MODEL,
    LiveRegistry,
    behind_the_back,
)
from tests.integration.web.world import V2_RACE, audit

ALIAS_LINE = "POST /api/2.0/mlflow/registered-models/alias"


def events() -> list[str]:
    return list(LogEntry.objects.order_by("pk").values_list("event", flat=True))


@pytest.mark.parametrize("change", ["replaced", "added", "deleted"])
def test_files_that_changed_after_the_approvals_stop_it(live: LiveRegistry, change: str) -> None:
    promotion = live.approved()
    live.world.sequence()
    place = live.client.get_logged_model(
        promotion.version.source_uri.removeprefix("models:/")
    ).artifact_uri
    if change == "deleted":
        live.trainer.delete_on_disk(place)
    else:
        name = "model.pkl" if change == "replaced" else "backdoor.py"
        live.trainer.replace_on_disk(place, name, b"another thing")
    promotion = live.run(promotion)
    assert promotion.status == "failed"
    assert "artifacts changed after they were judged" in promotion.failure
    assert live.champion() is None
    assert events()[-1] == "promotion.failed"
    assert not Grant.objects.exclude(status=Grant.Status.VOID).exists()
    # It ended: nothing brings it back, and a new request is judged anew.
    assert live.run(promotion).status == "failed"


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
    promotion = live.executing(sealed, forwarder)
    engineer = actor_of(live.world.people["engineer"])
    with pytest.raises(PromotionClosed, match="is executing"):
        withdraw_promotion(promotion_id=promotion.pk, actor=engineer, now=live.world.tick())
    assert live.run(promotion).status == "executed"


def test_what_mlflow_goes_on_refusing_fails_with_its_words(
    live: LiveRegistry, sealed: Promotion, forwarder: Forwarder
) -> None:
    promotion = live.executing(sealed, forwarder)
    behind_the_back("DELETE FROM model_versions WHERE name = %s", MODEL)
    assert live.run(promotion).status == "executing"
    assert live.attempt(promotion, later=GIVE_UP_AFTER + timedelta(seconds=5)) is Progress.ENDED
    promotion.refresh_from_db()
    assert promotion.status == "failed"
    assert "MLflow refused the change" in promotion.failure
    assert not Grant.objects.exclude(status=Grant.Status.VOID).exists()


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
@pytest.mark.parametrize("header", [None, "forged", uuid.UUID(int=4711).hex])
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
