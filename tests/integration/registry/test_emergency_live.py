"""An emergency in a real MLflow: the alias goes back, and to nothing but what was judged."""

from __future__ import annotations

import pytest

from accounts.services.people import actor_of
from registry.models import AliasChange, Certificate, Promotion
from registry.services.emergencies import previous_holder, roll_back_now, shown_evaluation
from registry.services.signing import Password
from tests.integration.registry.live import LiveRegistry
from tests.integration.web.world import PASSWORD


@pytest.fixture
def ordered(live: LiveRegistry) -> Promotion:
    """An emergency from version 2 back to version 1, signed and under a checkpoint."""
    for _ in (1, 2):
        promotion = live.approved()
        live.world.sequence()
        assert live.run(promotion).status == "executed"
    model = live.version(1).registered_model
    version = previous_holder(model, "champion")
    evaluation, _ = shown_evaluation(version, "champion", live.world.tick())
    assert evaluation.decision is not None
    promotion = roll_back_now(
        registered_model=model,
        alias="champion",
        to_version=1,
        evidence_digest=evaluation.decision.evidence_digest,
        reason="Version 2 refuses everybody.",
        means=Password(PASSWORD),
        actor=actor_of(live.world.people["reviewer"]),
        now=live.world.tick(),
    )
    assert live.run(promotion).status == "approved"
    assert live.champion() == 2
    live.world.sequence()
    return promotion


def test_the_alias_goes_back_in_mlflow_and_the_move_is_explained(
    live: LiveRegistry, ordered: Promotion
) -> None:
    assert live.run(ordered).status == "executed"
    assert live.champion() == 1
    change = AliasChange.objects.latest("pk")
    assert (change.promotion, change.is_violation) == (ordered, False)
    # No policy decided it, so nothing certifies it.
    assert not Certificate.objects.filter(promotion=ordered).exists()
    assert live.walk() == []


def test_other_bytes_than_those_that_were_judged_are_not_put_back(
    live: LiveRegistry, ordered: Promotion
) -> None:
    next(path for path in live.stored_files().rglob("*") if path.is_file()).write_bytes(b"other")
    failed = live.run(ordered)
    assert failed.status == "failed"
    assert live.champion() == 2
