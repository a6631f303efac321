"""The periodic review of a champion collects approvals, and changes nothing in MLflow."""

from __future__ import annotations

from registry.models import AliasChange
from tests.integration.approvals.conftest import changed_policy
from tests.integration.registry.forwarder import Forwarder
from tests.integration.registry.live import MODEL, LiveRegistry
from tests.integration.registry.test_execution import ALIAS_LINE


def test_the_review_of_a_champion_changes_nothing_in_mlflow(
    live: LiveRegistry, forwarder: Forwarder
) -> None:
    promotion = live.approved()
    live.world.sequence()
    assert live.run(promotion).status == "executed"
    changed_policy(live.world, name=MODEL, review_every_days=30)
    moves = AliasChange.objects.count()
    forwarder.take()
    again = live.world.request(1, name=MODEL)
    for reviewer in ("reviewer", "reviewer2"):
        again = live.world.sign(again, reviewer)
    # As everywhere: first the approvals stand under a signed checkpoint.
    assert live.run(again).status == "approved"
    live.world.sequence()
    assert live.run(again).status == "executed"
    assert live.champion() == 1
    assert AliasChange.objects.count() == moves
    assert ALIAS_LINE not in forwarder.take()
