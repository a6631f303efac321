"""Approvals in steps, as they are signed: who is asked changes with each, and nobody is early."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.services.people import actor_of
from registry.errors import ReviewNotAllowed
from registry.selectors.promotions import last_decision
from registry.services.approvals import sign_review
from registry.services.signing import Password
from tests.integration.web.forms import text_of
from tests.integration.web.world import PASSWORD, World, publish_and_bind
from tests.policies import lenient_credit_decision

STEPS = """approvals:
  distinct_from: [requester, trainer]
  steps:
    - {title: Validation, roles: [reviewer], count: 1}
    - {title: Model risk, roles: [admin], count: 1}
"""
GROUP = """approvals:
  count: 1
  groups: [model-risk]
  distinct_from: [requester, trainer]
"""


@pytest.fixture
def in_steps(world: World) -> World:
    """A world whose model is bound to a policy with two steps; Remy is reviewer and admin."""
    text = lenient_credit_decision(version=2)
    text = text[: text.index("approvals:\n")] + STEPS
    publish_and_bind(world, document=text)
    remy = world.people["reviewer2"]
    remy.roles = ["admin", "reviewer"]
    remy.save()
    return world


def test_the_second_step_opens_with_the_first(in_steps: World) -> None:
    promotion = in_steps.request(2)
    assert in_steps.sign(promotion, "reviewer").status == "in_review"
    decision = last_decision(promotion)
    assert decision is not None
    approvals = decision.content["approvals"]
    assert (approvals["given"], approvals["required"], approvals["roles"]) == (1, 2, ["admin"])
    assert [step["given"] for step in approvals["steps"]] == [1, 0]
    in_steps.people["third"] = in_steps.people["auditor"]
    in_steps.people["third"].roles = ["reviewer"]
    in_steps.people["third"].save()
    with pytest.raises(ReviewNotAllowed, match="a review by: admin"):
        in_steps.sign(promotion, "third")
    assert in_steps.sign(promotion, "reviewer2").status == "approved"
    assert promotion.approvals.order_by("entry_id").last().role == "admin"


def test_a_group_is_asked_and_read_again_when_it_signs(world: World) -> None:
    text = lenient_credit_decision(version=2)
    text = text[: text.index("approvals:\n")] + GROUP
    publish_and_bind(world, document=text)
    promotion = world.request(2)
    with pytest.raises(ReviewNotAllowed, match="a review by: the group model-risk"):
        world.sign(promotion, "reviewer")
    remy = world.people["reviewer2"]
    remy.roles = ["group:model-risk", "reviewer"]
    remy.save()
    stale = actor_of(remy)  # a page that was opened while they were a member
    remy.roles = ["reviewer"]
    remy.save()
    with pytest.raises(ReviewNotAllowed):
        sign_review(
            promotion_id=promotion.pk,
            verdict="approve",
            reason="",
            meaning="I approve.",
            evidence_digest=world.evidence_digest(promotion),
            means=Password(PASSWORD),
            actor=stale,
            now=world.tick(),
        )
    remy.roles = ["group:model-risk", "reviewer"]
    remy.save()
    assert world.sign(promotion, "reviewer2").status == "approved"
    assert promotion.approvals.get().role == "group:model-risk"


@pytest.mark.parametrize(
    ("order", "said"), [("", "One after the other:"), ("  in_order: false\n", "In any order:")]
)
def test_the_policy_says_whether_the_order_counts(world: World, order: str, said: str) -> None:
    text = lenient_credit_decision(version=2)
    publish_and_bind(world, document=text[: text.index("approvals:\n")] + STEPS + order)
    client = Client()
    client.force_login(world.people["auditor"])
    page = text_of(client.get(f"/policies/{world.policy.digest.removeprefix('sha256:')}/"))
    assert said in page
