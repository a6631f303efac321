"""Going back, at once or by a grant, is signed as strongly as the policy asks."""

from __future__ import annotations

import pytest

from accounts.services.people import actor_of
from registry.errors import SignatureTooWeak
from registry.models import EmergencyApproval, Promotion, RollbackGrant
from registry.services.emergencies import previous_holder, roll_back_now, shown_evaluation
from registry.services.rollback_reviews import sign_rollback
from registry.services.signing import Means, Password
from tests.authenticator import SoftKey
from tests.integration.approvals.conftest import changed_policy
from tests.integration.registry.signing import by_passkey, enrol, require_own
from tests.integration.rollback import story
from tests.integration.web.world import PASSWORD, World


def test_a_password_alone_takes_nothing_back_where_the_policy_asks_for_a_passkey(
    world: World,
) -> None:
    changed_policy(world, signature="passkey")
    key = enrol(world, "reviewer", SoftKey())
    rollback = story.request(world)
    version = previous_holder(world.model(), "champion")
    now = world.tick()
    shown = shown_evaluation(version, "champion", now)[0].decision
    assert shown is not None
    reviewer = actor_of(world.people["reviewer"])

    def granting(means: Means) -> RollbackGrant:
        return sign_rollback(
            rollback_id=rollback.pk,
            verdict="approve",
            reason="",
            means=means,
            actor=reviewer,
            now=now,
        )

    def at_once(means: Means) -> Promotion:
        return roll_back_now(
            registered_model=world.model(),
            alias="champion",
            to_version=version.version,
            evidence_digest=shown.evidence_digest,
            reason="Version 3 refuses everybody.",
            means=means,
            actor=reviewer,
            now=now,
        )

    for call in (granting, at_once):
        with pytest.raises(SignatureTooWeak, match="by passkey"):
            call(Password(PASSWORD))
    granted = by_passkey(granting, "reviewer", key)
    require_own(granted.approvals.get().entry, key)
    promotion = by_passkey(at_once, "reviewer", key)
    require_own(EmergencyApproval.objects.get().entry, key)
    assert (promotion.status, Promotion.objects.filter(emergency="rollback").count()) == (
        "approved",
        1,
    )


def test_where_nobody_knows_the_trainer_one_more_signs_a_grant(world: World) -> None:
    changed_policy(world, unknown_trainer_adds=1)
    rollback = story.request(world)
    story.sign(world, rollback, "reviewer")
    assert story.sign(world, rollback, "reviewer2").status == "requested"
    third = world.people["auditor"]
    third.roles = ["reviewer"]
    third.save()
    assert story.sign(world, rollback, "auditor").status == "approved"
