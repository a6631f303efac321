"""Rollback grants: for which move, signed by whom, handed out once, revoked."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings
from django.db import IntegrityError, connection

from accounts.errors import ReauthenticationFailed
from accounts.models import Notice
from accounts.services.people import actor_of, add_person
from audits.domain.actor import SETUP
from audits.errors import RoleRequired
from audits.models import Disclosure, LogEntry
from audits.selectors import decoded_statement
from audits.services.signing import keyring
from muniment.grant import read_grant
from registry.domain.rollback import RollbackTooLong
from registry.errors import (
    GrantRefused,
    InvalidRequest,
    NoPolicyBound,
    NotGoverned,
    ReviewNotAllowed,
    RollbackNotPossible,
)
from registry.models import PolicyBinding, RollbackApproval, RollbackGrant
from registry.services.grants import reserve_grant
from registry.services.rollbacks import revoke_rollback
from registry.services.signing import Password
from tests.integration.registry.signing import at_once
from tests.integration.rollback import story
from tests.integration.web.world import PASSWORD, World


def revoke(world: World, rollback: RollbackGrant, who: str) -> RollbackGrant:
    return revoke_rollback(
        rollback_id=rollback.pk, actor=actor_of(world.people[who]), now=world.tick()
    )


def events() -> list[str]:
    entries = LogEntry.objects.filter(event__startswith="rollback.").order_by("pk")
    return list(entries.values_list("event", flat=True))


def test_from_asking_to_a_token_that_the_registry_store_honours(world: World) -> None:
    rollback, token = story.handed_out(world)
    (key,) = keyring().for_use("grant")
    grant = read_grant(token, key.public_key_pem, now=world.tick())
    assert (grant.grant_id, grant.operation, grant.source) == (
        rollback.pk,
        "rollback_alias",
        "default",
    )
    assert (grant.model, grant.alias) == ("boston-mortgage", "champion")
    assert (grant.from_version, grant.version) == ("3", "2")
    assert grant.expires_at == rollback.expires_at
    assert grant.promotion_url == f"{settings.MUNIMENT_URL}/rollbacks/{rollback.pk}/"
    assert rollback.expires_at - rollback.requested_at == timedelta(days=30)
    assert events() == [
        "rollback.requested",
        "rollback.approved",
        "rollback.approved",
        "rollback.handed_out",
    ]
    # Muniment itself is never asked about it.
    with pytest.raises(GrantRefused, match="no such grant"):
        reserve_grant(token=token, now=world.tick())


def test_the_log_names_nobody_and_the_token_stands_nowhere(world: World) -> None:
    rollback, token = story.handed_out(world)
    assert rollback.token_sha256 == hashlib.sha256(token.encode()).hexdigest()
    assert rollback.sealed_token is None
    for entry in LogEntry.objects.filter(event__startswith="rollback."):
        envelope = bytes(entry.envelope)
        for secret in (token.encode(), b"goes wrong", b"Rita", b"Erin"):
            assert secret not in envelope
    signed = LogEntry.objects.filter(event="rollback.approved").earliest("pk")
    detail = decoded_statement(signed).predicate["detail"]
    assert detail["verdict"] == "approve"
    assert detail["from_version"] == 3
    opened = {row.commitment: row for row in Disclosure.objects.all()}
    assert opened[detail["person"]["commitment"]].printed_name == "Rita Reyes"
    asked = LogEntry.objects.get(event="rollback.requested")
    commitment = decoded_statement(asked).predicate["detail"]["reason_commitment"]
    assert opened[commitment].text == rollback.note


NOT_TO_BE_HAD: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"who": "reviewer"}, RoleRequired, "request a rollback grant"),
    ({"who": "admin"}, RoleRequired, "request a rollback grant"),
    ({"alias": "challenger"}, NotGoverned, "not governed"),
    ({"note": "  "}, InvalidRequest, "when this rollback may be needed"),
    ({"valid_days": 0}, RollbackTooLong, "1 to 90 days"),
    ({"valid_days": 91}, RollbackTooLong, "1 to 90 days"),
    ({"to": 3}, RollbackNotPossible, "Version 3 is champion now"),
    ({"to": 1}, RollbackNotPossible, "never became champion by a promotion"),
]


def test_what_may_not_be_asked_for(world: World) -> None:
    for changed, error, words in NOT_TO_BE_HAD:
        with pytest.raises(error, match=words):
            story.request(world, **changed)
    assert not RollbackGrant.objects.exists()
    assert events() == []
    ghost = RollbackGrant(pk=uuid4())
    with pytest.raises(RollbackNotPossible, match="no such rollback grant"):
        revoke(world, ghost, "engineer")
    # Without a policy nobody is named who could sign.
    PolicyBinding.objects.all().delete()
    with pytest.raises(NoPolicyBound):
        story.request(world)


def test_nothing_goes_back_to_a_version_that_is_not_what_was_judged(world: World) -> None:
    rollback = story.request(world)
    row = world.version(2).row
    world.version(2).violations.create(
        registered_model=world.model(),
        event="artifacts.changed",
        before=None,
        after=row,
        status="open",
        can_be_undone=False,
        found_at=world.tick(),
        entry=LogEntry.objects.latest("pk"),
    )
    with pytest.raises(RollbackNotPossible, match="not what was judged"):
        story.request(world)
    with pytest.raises(RollbackNotPossible, match="not what was judged"):
        story.sign(world, rollback, "reviewer")
    # It can still be refused.
    story.sign(world, rollback, "reviewer", verdict="refuse", reason="Its files changed.")


def test_one_grant_a_move_at_a_time(world: World) -> None:
    raised = at_once(*[lambda: story.request(world) for _ in range(3)])
    assert sum(error is None for error in raised) == 1
    assert all(isinstance(error, RollbackNotPossible) for error in raised if error)
    rollback = RollbackGrant.objects.get()
    revoke(world, rollback, "engineer")
    story.request(world)


def test_as_many_sign_as_the_policy_asks_for_and_each_once(world: World) -> None:
    rollback = story.request(world)
    with pytest.raises(ReauthenticationFailed):
        story.sign(world, rollback, "reviewer", means=Password("guess"))
    for who in ("engineer", "auditor", "admin"):
        with pytest.raises(RoleRequired):
            story.sign(world, rollback, who)
    assert not RollbackApproval.objects.exists()
    assert story.sign(world, rollback, "reviewer").status == "requested"
    with pytest.raises(ReviewNotAllowed, match="already signed"):
        story.sign(world, rollback, "reviewer")
    with pytest.raises(RollbackNotPossible, match="is requested"):
        story.waiting(world, rollback)
    assert story.sign(world, rollback, "reviewer2").status == "approved"
    with pytest.raises(RollbackNotPossible, match="is approved"):
        story.sign(world, rollback, "reviewer2")


def test_reviewers_are_told_until_it_is_decided(world: World) -> None:
    ended = []
    for verdict, who in (("approve", "reviewer2"), ("refuse", "reviewer2"), ("", "engineer")):
        rollback = story.request(world)
        notice = Notice.objects.latest("posted_at")
        assert (notice.path, notice.audience) == (f"/rollbacks/{rollback.pk}/", ["reviewer"])
        story.sign(world, rollback, "reviewer")
        assert Notice.objects.get(pk=notice.pk).settled_at is None
        if verdict:
            story.sign(world, rollback, who, verdict=verdict, reason="So it is.")
        if verdict != "refuse":
            revoke(world, rollback, who)
        ended.append(Notice.objects.get(pk=notice.pk).settled_at is not None)
    assert ended == [True] * 3


def test_one_refusal_ends_it(world: World) -> None:
    rollback = story.request(world)
    with pytest.raises(InvalidRequest, match="reason"):
        story.sign(world, rollback, "reviewer", verdict="refuse", reason=" ")
    refused = story.sign(world, rollback, "reviewer", verdict="refuse", reason="Not this one.")
    assert refused.status == "refused"
    with pytest.raises(RollbackNotPossible, match="is refused"):
        story.sign(world, rollback, "reviewer2")
    with pytest.raises(RollbackNotPossible, match="nothing left to revoke"):
        revoke(world, rollback, "engineer")


def test_nobody_signs_their_own_request_and_the_database_says_so_too(world: World) -> None:
    world.people["both"] = add_person(
        username="both",
        printed_name="Bo Both",
        password=PASSWORD,
        roles=["engineer", "reviewer"],
        actor=SETUP,
        now=world.tick(),
    )
    rollback = story.request(world, who="both")
    with pytest.raises(ReviewNotAllowed, match="nobody reviews their own request"):
        story.sign(world, rollback, "both")
    for requester, constraint in (
        ("both", "rollback_not_by_requester"),
        ("admin", "rollback_requester_is_true"),
    ):
        forged = RollbackApproval(
            rollback=rollback,
            person=world.people["both"],
            requester=world.people[requester],
            verdict="approve",
            signed_at=world.tick(),
            entry=LogEntry.objects.latest("pk"),
        )
        with pytest.raises(IntegrityError, match=constraint):
            forged.save(force_insert=True)
    for who in ("reviewer", "reviewer2"):
        story.sign(world, rollback, who)
    for statement in (
        "UPDATE registry_rollback_approval SET verdict = 'refuse'",
        "DELETE FROM registry_rollback_approval",
    ):
        with (
            pytest.raises(Exception, match="permission denied"),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)


def test_the_token_is_handed_out_once_and_to_the_one_who_asked(world: World) -> None:
    rollback = story.approved(world)
    handout = story.waiting(world, rollback)
    story.seal(world, handout)
    assert story.take(world, handout) is None  # the signatures stand under no checkpoint yet
    world.sequence()
    with pytest.raises(ReviewNotAllowed, match="the person who asked for it"):
        story.waiting(world, rollback, "reviewer")
    handout = story.waiting(world, rollback)
    assert story.take(world, handout) is None  # the worker has not been there yet
    story.seal(world, handout)
    assert story.take(world, handout) is not None
    for again in (
        lambda: story.take(world, handout),
        lambda: story.waiting(world, rollback),
    ):
        with pytest.raises(RollbackNotPossible, match="handed out"):
            again()
    assert events().count("rollback.handed_out") == 1


def test_an_expired_one_is_neither_signed_nor_handed_out(world: World) -> None:
    rollback = story.request(world, valid_days=1)
    world.tick(days=1)
    with pytest.raises(RollbackNotPossible, match="expired"):
        story.sign(world, rollback, "reviewer")
    rollback = story.approved(world, valid_days=1)
    world.sequence()
    handout = story.waiting(world, rollback)
    story.seal(world, handout)
    world.tick(days=1)
    with pytest.raises(RollbackNotPossible, match="expired"):
        story.take(world, handout)
    with pytest.raises(RollbackNotPossible, match="expired"):
        story.waiting(world, rollback)


def test_revoked_by_who_asked_or_a_reviewer_or_an_admin(world: World) -> None:
    for who in ("engineer", "reviewer", "admin"):
        rollback, _ = story.handed_out(world)
        assert revoke(world, rollback, who).status == "revoked"
        assert events()[-1] == "rollback.revoked"


def test_nobody_else_revokes_and_nothing_revoked_is_handed_out(world: World) -> None:
    rollback = story.approved(world)
    world.sequence()
    with pytest.raises(RoleRequired):
        revoke(world, rollback, "auditor")
    handout = story.waiting(world, rollback)
    story.seal(world, handout)
    revoke(world, rollback, "engineer")
    assert RollbackGrant.objects.get().sealed_token is None
    with pytest.raises(RollbackNotPossible, match="is revoked"):
        story.take(world, handout)


def test_only_the_page_that_waits_can_open_what_the_worker_left_and_once(world: World) -> None:
    rollback = story.approved(world)
    world.sequence()
    first, second = story.waiting(world, rollback), story.waiting(world, rollback)
    story.seal(world, first)
    sealed = RollbackGrant.objects.get().sealed_token
    assert sealed is not None
    assert b"rollback_alias" not in bytes(sealed)
    assert story.take(world, second) is None
    story.seal(world, second)
    assert story.take(world, first) is None
    taken: list[str | None] = []
    raised = at_once(*[lambda: taken.append(story.take(world, second)) for _ in range(4)])
    assert len([token for token in taken if token]) == 1
    assert [type(error) for error in raised if error] == [RollbackNotPossible] * 3
