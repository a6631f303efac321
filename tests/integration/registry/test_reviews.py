"""Signing a review: on what, with which password, and at the same time as whom."""

from __future__ import annotations

from datetime import timedelta

import pytest

from accounts.errors import ReauthenticationFailed, SigningLocked
from accounts.models import SignatureAttempt
from accounts.services.people import add_person
from audits.domain.actor import GATE, SETUP
from audits.models import Disclosure, LogEntry
from audits.selectors import decoded_statement
from registry.domain.words import ReviewVerdict
from registry.errors import AlreadySigned, EvidenceChanged, InvalidRequest, PromotionClosed
from registry.models import Approval, Grant
from registry.services.decisions import decide_promotion
from registry.services.review_draft import MEANINGS
from tests.integration.registry.signing import at_once, sign
from tests.integration.web.world import PASSWORD, V2_RACE, World, audit

CHANGED = {**V2_RACE, "Black": (99, 90, 65, 7)}


def test_what_a_signature_means_says_the_verdict_whatever_the_signer_adds(world: World) -> None:
    promotion = world.request(2)
    sign(world, promotion, "reviewer", meaning="")
    sign(world, promotion, "reviewer2", meaning="I refuse.")
    sentence = MEANINGS[ReviewVerdict.APPROVE]
    assert [approval.meaning for approval in Approval.objects.order_by("entry_id")] == [
        sentence,
        sentence,
    ]


def test_two_reviewers_approve_and_a_grant_is_written_in_the_same_transaction(
    world: World,
) -> None:
    promotion = world.request(2)
    promotion = sign(world, promotion, "reviewer")
    assert promotion.status == "in_review"
    assert not Grant.objects.exists()
    promotion = sign(world, promotion, "reviewer2")
    assert promotion.status == "approved"
    grant = Grant.objects.get()
    assert (grant.promotion, grant.status) == (promotion, Grant.Status.WRITTEN)
    assert promotion.decisions.latest("entry_id").verdict == "allow"


def test_a_signature_names_its_time_meaning_and_evidence_and_no_person(world: World) -> None:
    promotion = world.request(2)
    sign(world, promotion, "reviewer", reason="The gap is gone.", meaning="I vouch for it.")
    approval = Approval.objects.get()
    predicate = decoded_statement(approval.entry).predicate
    assert predicate["meaning"] == MEANINGS[ReviewVerdict.APPROVE]
    assert predicate["evidence_digest"] == world.evidence_digest(promotion)
    assert predicate["role"] == "reviewer"
    assert predicate["person"]["id"] == str(world.people["reviewer"].pk)
    for secret in (b"Rita", b"Reyes", b"gap is gone", b"vouch"):
        assert secret not in bytes(approval.entry.envelope)
    opened = {row.commitment: row for row in Disclosure.objects.all()}
    assert opened[approval.person_commitment].printed_name == "Rita Reyes"
    assert opened[approval.reason_commitment].text == "The gap is gone.\n\nI vouch for it."


def test_a_refusal_needs_a_reason_and_ends_it(world: World) -> None:
    promotion = world.request(2)
    sign(world, promotion, "reviewer")
    with pytest.raises(InvalidRequest, match="reason"):
        sign(world, promotion, "reviewer2", verdict="refuse", reason="  ")
    refused = sign(world, promotion, "reviewer2", verdict="refuse", reason="Too small a sample.")
    assert refused.status == "refused"
    assert not Grant.objects.exists()
    for who in ("reviewer", "reviewer2"):
        with pytest.raises(PromotionClosed):
            sign(world, promotion, who)
    assert [entry.event for entry in LogEntry.objects.order_by("pk")][-2:] == [
        "approval.refused",
        "promotion.refused",
    ]


MALFORMED = [
    {"verdict": "allow"},
    {"verdict": ""},
    {"meaning": "m" * 201},
    {"reason": "r" * 4_001},
]


def test_a_malformed_review_signs_nothing_and_asks_for_no_password(world: World) -> None:
    promotion = world.request(2)
    for changed in MALFORMED:
        with pytest.raises(InvalidRequest):
            sign(world, promotion, "reviewer", password="wrong", **changed)
    assert not SignatureAttempt.objects.exists()
    assert not Approval.objects.exists()


def test_new_evidence_dismisses_approvals_and_the_old_page_signs_nothing(world: World) -> None:
    promotion = world.request(2)
    shown = world.evidence_digest(promotion)
    sign(world, promotion, "reviewer")
    audit(world, world.version(2), CHANGED)
    with pytest.raises(EvidenceChanged):
        sign(world, promotion, "reviewer2", evidence_digest=shown)
    assert Approval.objects.count() == 1
    decide_promotion(promotion_id=promotion.pk, actor=GATE, now=world.tick())
    approval = Approval.objects.get()
    assert approval.dismissal.entry.event == "approval.dismissed"
    assert decoded_statement(approval.dismissal.entry).predicate["evidence_digest"] == shown
    # The one whose signature was dismissed reads the new evidence and may sign it.
    sign(world, promotion, "reviewer")
    assert sign(world, promotion, "reviewer2").status == "approved"
    assert Approval.objects.count() == 3


def test_new_evidence_takes_an_approved_promotion_back_into_review(world: World) -> None:
    promotion = world.request(2)
    for who in ("reviewer", "reviewer2"):
        promotion = sign(world, promotion, who)
    assert promotion.status == "approved"
    audit(world, world.version(2), CHANGED)
    promotion = decide_promotion(promotion_id=promotion.pk, actor=GATE, now=world.tick())
    assert promotion.status == "in_review"
    assert Approval.objects.filter(dismissal__isnull=False).count() == 2


def test_only_the_evidence_that_was_shown_is_signed(world: World) -> None:
    promotion = world.request(2)
    for digest in ("", "0" * 64, "x" * 10_000):
        with pytest.raises(EvidenceChanged):
            sign(world, promotion, "reviewer", evidence_digest=digest)


def test_five_wrong_passwords_lock_signing_for_a_quarter_of_an_hour(world: World) -> None:
    promotion = world.request(2)
    entries = LogEntry.objects.count()
    for _ in range(5):
        with pytest.raises(ReauthenticationFailed):
            sign(world, promotion, "reviewer", password="guess")
    with pytest.raises(SigningLocked):
        sign(world, promotion, "reviewer")
    assert LogEntry.objects.count() == entries
    # Nobody else is locked out by it.
    sign(world, promotion, "reviewer2")
    locked_at = SignatureAttempt.objects.earliest("at").at
    with pytest.raises(SigningLocked):
        sign(world, promotion, "reviewer", now=locked_at + timedelta(minutes=14, seconds=59))
    world.now = locked_at + timedelta(minutes=15)
    assert sign(world, promotion, "reviewer").status == "approved"
    assert not SignatureAttempt.objects.filter(user=world.people["reviewer"]).exists()


def test_the_right_password_forgets_the_wrong_ones(world: World) -> None:
    promotion = world.request(2)
    for _ in range(4):
        with pytest.raises(ReauthenticationFailed):
            sign(world, promotion, "reviewer", password="guess")
    sign(world, promotion, "reviewer")
    assert not SignatureAttempt.objects.exists()


def test_only_the_own_password_signs(world: World) -> None:
    promotion = world.request(2)
    for password in ("", " ", PASSWORD + " ", PASSWORD.upper(), "x" * 100_000):
        with pytest.raises(ReauthenticationFailed):
            sign(world, promotion, "reviewer", password=password)
    assert not Approval.objects.exists()


def test_guessing_at_once_is_locked_like_guessing_in_turn(world: World) -> None:
    promotion = world.request(2)
    digest, now = world.evidence_digest(promotion), world.tick()

    def guess() -> None:
        sign(world, promotion, "reviewer", password="guess", evidence_digest=digest, now=now)

    raised = at_once(*[guess] * 12)
    kinds = [type(error) for error in raised]
    assert kinds.count(ReauthenticationFailed) == 5
    assert kinds.count(SigningLocked) == 7


def test_both_reviewers_at_once_approve_it_once(world: World) -> None:
    promotion = world.request(2)
    digest, now = world.evidence_digest(promotion), world.tick()
    raised = at_once(
        *(
            lambda who=who: sign(world, promotion, who, evidence_digest=digest, now=now)
            for who in ("reviewer", "reviewer2")
        )
    )
    assert raised == [None, None]
    promotion.refresh_from_db()
    assert promotion.status == "approved"
    assert Approval.objects.count() == 2
    assert Grant.objects.count() == 1
    assert LogEntry.objects.filter(event="promotion.approved").count() == 1


def test_one_reviewer_twice_at_once_signs_once(world: World) -> None:
    promotion = world.request(2)
    digest, now = world.evidence_digest(promotion), world.tick()
    raised = at_once(
        *[lambda: sign(world, promotion, "reviewer", evidence_digest=digest, now=now)] * 3
    )
    assert sorted(type(error).__name__ for error in raised) == [
        "AlreadySigned",
        "AlreadySigned",
        "NoneType",
    ]
    assert Approval.objects.count() == 1


def test_a_click_that_began_before_the_one_that_signed_signs_nothing(world: World) -> None:
    promotion = world.request(2)
    digest, earlier, now = world.evidence_digest(promotion), world.tick(), world.tick()
    sign(world, promotion, "reviewer", evidence_digest=digest, now=now)
    with pytest.raises(AlreadySigned):
        sign(world, promotion, "reviewer", evidence_digest=digest, now=earlier)
    sign(world, promotion, "reviewer2", evidence_digest=digest, now=earlier)
    promotion.refresh_from_db()
    assert promotion.status == "approved"
    assert [one.signed_at for one in Approval.objects.order_by("entry_id")] == [now, now]


def test_approving_and_refusing_at_once_never_approves_after_the_refusal(world: World) -> None:
    promotion = world.request(2)
    sign(world, promotion, "reviewer")
    digest, now = world.evidence_digest(promotion), world.tick()
    third = add_person(
        username="reviewer3",
        printed_name="Rho Rana",
        password=PASSWORD,
        roles=["reviewer"],
        actor=SETUP,
        now=now,
    )
    world.people["reviewer3"] = third
    raised = at_once(
        lambda: sign(world, promotion, "reviewer2", evidence_digest=digest, now=now),
        lambda: sign(
            world,
            promotion,
            "reviewer3",
            verdict="refuse",
            reason="No.",
            evidence_digest=digest,
            now=now,
        ),
    )
    promotion.refresh_from_db()
    if raised[1] is None:
        assert promotion.status == "refused"
        assert isinstance(raised[0], PromotionClosed)
    else:
        assert promotion.status == "approved"
        assert isinstance(raised[1], PromotionClosed)
