"""What a reviewer is shown of what changed since they approved."""

from __future__ import annotations

from audits.domain.actor import GATE
from registry.domain.since import Change, changes_between
from registry.services.decisions import decide_promotion
from tests.integration.approvals.conftest import Enter, changed_policy
from tests.integration.approvals.test_verdicts import CHANGED
from tests.integration.web.forms import text_of
from tests.integration.web.world import World, audit, lay_lineage


def test_a_reviewer_sees_what_changed_since_they_approved(world: World, enter: Enter) -> None:
    promotion = world.request(2)
    world.sign(promotion, "reviewer")
    page = f"/promotions/{promotion.pk}/"
    assert "Since your last approval" not in text_of(enter("reviewer").get(page))
    before = promotion.decisions.latest("entry_id").content
    audit(world, world.version(2), CHANGED)
    lay_lineage(world, world.version(2), params={"C": "0.4"})
    audit(world, world.version(2), CHANGED)
    decide_promotion(promotion_id=promotion.pk, actor=GATE, now=world.tick())
    changed_policy(world)
    said = text_of(enter("reviewer").get(page))
    assert "Since your last approval" in said
    assert "Policy credit-decision v" in said
    assert "Lineage record" in said
    assert "Evidence: bias" in said
    assert "Since your last approval" not in text_of(enter("reviewer2").get(page))
    after = promotion.decisions.latest("entry_id").content
    changes = changes_between(before, after)
    assert {change.what for change in changes} >= {
        "Policy",
        "Lineage record",
        "Evidence: bias",
        "Evidence: performance",
    }
    assert changes_between(after, after) == []


def test_records_that_lack_parts_are_compared_by_what_they_have() -> None:
    gate = {"title": "Lineage", "outcome": "not_applicable"}
    assert changes_between({}, {}) == []
    assert changes_between({}, {"gates": [gate], "policy": None, "inputs": "none"}) == [
        Change("Gate: Lineage", "", "not applicable")
    ]
    satisfied = {**gate, "outcome": "satisfied", "actual": 0.91234567}
    assert changes_between({"gates": [gate]}, {"gates": [satisfied]}) == [
        Change("Gate: Lineage", "not applicable", "satisfied (0.9123)")
    ]
