"""Who may sign: not the requester, not the trainer, nobody twice, and the database agrees."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.utils import ProgrammingError

from accounts.services.people import add_person
from audits.domain.actor import EXECUTOR, GATE, SETUP
from audits.errors import RoleRequired
from audits.models import LogEntry
from registry.errors import ReviewNotAllowed
from registry.models import Approval, Promotion
from tests.integration.registry.signing import sign
from tests.integration.web.world import PASSWORD, World


def test_only_a_reviewer_signs(world: World) -> None:
    promotion = world.request(2)
    for username in ("engineer", "auditor", "admin"):
        with pytest.raises(RoleRequired):
            sign(world, promotion, username)
    assert not Approval.objects.exists()


def test_no_service_signs(world: World) -> None:
    promotion = world.request(2)
    for actor in (EXECUTOR, GATE, SETUP):
        with pytest.raises(RoleRequired):
            sign(world, promotion, "reviewer", actor=actor)


def test_nobody_approves_their_own_request_whatever_their_roles(world: World) -> None:
    both = add_person(
        username="both",
        printed_name="Bo Both",
        password=PASSWORD,
        roles=["engineer", "reviewer", "admin", "auditor"],
        actor=SETUP,
        now=world.tick(),
    )
    world.people["engineer"] = world.people["both"] = both
    promotion = world.request(2)
    with pytest.raises(ReviewNotAllowed, match="nobody reviews their own request"):
        sign(world, promotion, "both")
    with pytest.raises(ReviewNotAllowed):
        sign(world, promotion, "both", verdict="refuse", reason="Mine.")
    assert not Approval.objects.exists()


def approval_values(world: World, promotion: Promotion, **changed: Any) -> dict[str, Any]:
    """Return a row as the runtime role could try to insert it, past every service."""
    entry = LogEntry.objects.filter(event="promotion.requested").latest("pk")
    return {
        "id": uuid4(),
        "promotion_id": promotion.pk,
        "person_id": promotion.requester_id,
        "requester_id": promotion.requester_id,
        "trainer_id": None,
        "role": "reviewer",
        "verdict": "approve",
        "meaning": "I approve.",
        "person_commitment": "0" * 64,
        "reason_commitment": "",
        "evidence_digest": "0" * 64,
        "signed_at": world.tick(),
        "entry_id": entry.pk,
    } | changed


def insert(values: dict[str, Any]) -> None:
    places = ", ".join(["%s"] * len(values))
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT current_user")
        assert cursor.fetchone() == ("muniment_runtime",)
        cursor.execute(
            f"INSERT INTO registry_approval ({', '.join(values)}) VALUES ({places})",
            list(values.values()),
        )


def test_the_database_itself_refuses_the_requesters_approval(world: World) -> None:
    promotion = world.request(2)
    with pytest.raises(IntegrityError, match="approval_not_by_requester"):
        insert(approval_values(world, promotion))


def test_a_forged_requester_does_not_get_past_the_database(world: World) -> None:
    promotion = world.request(2)
    forged = approval_values(world, promotion, requester_id=world.people["admin"].pk)
    with pytest.raises(IntegrityError, match="approval_requester_is_true"):
        insert(forged)


def test_the_requester_of_a_signed_promotion_cannot_be_changed(world: World) -> None:
    promotion = world.request(2)
    sign(world, promotion, "reviewer")
    with pytest.raises(IntegrityError, match="approval_requester_is_true"), transaction.atomic():
        Promotion.objects.update(requester=world.people["admin"])


def test_the_trainer_does_not_approve_either(world: World) -> None:
    promotion = world.request(2)
    Promotion.objects.update(trainer=world.people["reviewer"])
    with pytest.raises(ReviewNotAllowed, match="You trained this version"):
        sign(world, promotion, "reviewer")
    trained = approval_values(
        world,
        promotion,
        person_id=world.people["reviewer"].pk,
        trainer_id=world.people["reviewer"].pk,
    )
    with pytest.raises(IntegrityError, match="approval_not_by_trainer"):
        insert(trained)


def test_a_signed_approval_is_neither_changed_nor_taken_away(world: World) -> None:
    promotion = world.request(2)
    sign(world, promotion, "reviewer")
    with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
        Approval.objects.update(verdict="refuse")
    with (
        pytest.raises(ProgrammingError, match="permission denied"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute("DELETE FROM registry_approval")


def test_the_same_reviewer_counts_once(world: World) -> None:
    promotion = world.request(2)
    sign(world, promotion, "reviewer")
    with pytest.raises(ReviewNotAllowed, match="already signed"):
        sign(world, promotion, "reviewer")
    with pytest.raises(ReviewNotAllowed, match="already signed"):
        sign(world, promotion, "reviewer", verdict="refuse", reason="On second thought.")
    assert Approval.objects.count() == 1
    promotion.refresh_from_db()
    assert promotion.status == "in_review"
