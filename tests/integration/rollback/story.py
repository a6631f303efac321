"""A champion that came by two promotions, and a rollback grant to the one before."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction

from accounts.services.people import actor_of
from audits.domain.actor import EXECUTOR
from muniment.grant import RollbackUse, rollback_tag
from registry.domain.promotion import PromotionEvent
from registry.models import Promotion, RollbackGrant
from registry.services.aliases import record_alias
from registry.services.rollback_handout import Handout, await_token, seal_token, take_token
from registry.services.rollback_reviews import review_rollback, sign_rollback
from registry.services.rollbacks import request_rollback
from registry.services.signing import Password
from registry.services.stating import move_promotion
from tests.integration.web.world import (
    PASSWORD,
    V2_RACE,
    World,
    audit,
    build_world,
    lay_lineage,
    model_row,
    rows_of_the_world,
    walk,
)


def promote(world: World, number: int) -> Promotion:
    """Promote a version as the executor does, who has been to MLflow."""
    promotion = world.request(number)
    assert promotion.status == "in_review", promotion.decisions.latest("entry_id").content
    for reviewer in ("reviewer", "reviewer2"):
        promotion = world.sign(promotion, reviewer)
    with transaction.atomic():
        for event in (PromotionEvent.EXECUTION_STARTED, PromotionEvent.EXECUTED):
            if event is PromotionEvent.EXECUTED:
                record_alias(
                    registered_model=promotion.version.registered_model,
                    alias="champion",
                    version=promotion.version,
                    actor=EXECUTOR,
                    now=world.tick(),
                )
            move_promotion(promotion=promotion, event=event, actor=EXECUTOR, now=world.tick())
    return promotion


def twice_promoted() -> World:
    """Make version 3 champion after version 2; version 1 was it before Muniment watched."""
    return promote_twice(build_world())


def promote_twice(world: World) -> World:
    """Make version 3 champion after version 2."""
    promote(world, 2)
    lay_lineage(world, world.version(3), params={"C": "3.0"})
    audit(world, world.version(3), V2_RACE)
    promote(world, 3)
    see(world, 3)
    world.sequence()
    return world


def see(world: World, champion: int | None, tags: dict[str, str] | None = None) -> None:
    """Walk an MLflow whose champion is this version and whose model has these tags more."""
    walk(
        world,
        [
            model_row(
                description="Approves or refuses mortgage applications.",
                tags={"team": "credit", **(tags or {})},
                aliases={} if champion is None else {"champion": champion},
            )
        ],
        rows_of_the_world(),
    )


def request(world: World, to: int = 2, *, who: str = "engineer", **changed: Any) -> RollbackGrant:
    values: dict[str, Any] = {
        "version": world.version(to),
        "alias": "champion",
        "note": "If the new one goes wrong at night.",
        "actor": actor_of(world.people[who]),
        "now": world.tick(),
    }
    return request_rollback(**(values | changed))


def sign(world: World, rollback: RollbackGrant, who: str, **changed: Any) -> RollbackGrant:
    values: dict[str, Any] = {
        "rollback_id": rollback.pk,
        "verdict": "approve",
        "reason": "",
        "means": Password(PASSWORD),
        "actor": actor_of(world.people[who]),
        "now": world.tick(),
    }
    return sign_rollback(**(values | changed))


def review(world: World, rollback: RollbackGrant, verdict: str, **changed: Any) -> RollbackGrant:
    values: dict[str, Any] = {
        "rollback_id": rollback.pk,
        "verdict": verdict,
        "reason": "Version 3 refused everybody from six o'clock on.",
        "means": Password(PASSWORD),
        "actor": actor_of(world.people["reviewer"]),
        "now": world.tick(),
    }
    return review_rollback(**(values | changed))


def approved(world: World, **changed: Any) -> RollbackGrant:
    rollback = request(world, **changed)
    for reviewer in ("reviewer", "reviewer2"):
        rollback = sign(world, rollback, reviewer)
    assert rollback.status == "approved"
    return rollback


def waiting(world: World, rollback: RollbackGrant, who: str = "engineer") -> Handout:
    return await_token(rollback_id=rollback.pk, actor=actor_of(world.people[who]), now=world.tick())


def seal(world: World, handout: Handout) -> None:
    """Do what the worker does."""
    seal_token(rollback_id=handout.rollback_id, reader=handout.reader.address, clock=world.tick)


def take(world: World, handout: Handout) -> str | None:
    return take_token(handout=handout, actor=actor_of(world.people["engineer"]), now=world.tick())


def handed_out(world: World, **changed: Any) -> tuple[RollbackGrant, str]:
    """Return a rollback grant that lies in a safe, and its token."""
    rollback = approved(world, **changed)
    world.sequence()
    handout = waiting(world, rollback)
    seal(world, handout)
    token = take(world, handout)
    assert token is not None
    return RollbackGrant.objects.get(pk=rollback.pk), token


def tag_of(
    rollback: RollbackGrant, *, at: datetime, origin: int = 3, target: int = 2
) -> dict[str, str]:
    """Return the tag by which a registry remembers a use."""
    return {rollback_tag(rollback.pk): RollbackUse(origin, target, at).to_tag_value()}
