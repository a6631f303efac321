"""Going forward in an emergency: two passkeys move what the gates refuse, for a day."""

from __future__ import annotations

import io
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import transaction
from django.utils import timezone
from pypdf import PdfReader

from accounts.services.people import actor_of
from audits.domain.actor import EXECUTOR
from audits.models import Alarm, Report
from audits.services.signing import keyring
from muniment.verify.report import verify_report
from registry import tasks
from registry.domain.promotion import PromotionEvent
from registry.errors import InvalidRequest, RollbackNotPossible, SignatureTooWeak
from registry.models import Certificate, Grant, Promotion
from registry.services.aliases import record_alias
from registry.services.champion_watch import refresh_lapsed_alarm
from registry.services.emergencies import previous_holder
from registry.services.promotions import request_promotion
from registry.services.reports import request_report
from registry.services.signing import PasskeyAnswer
from registry.services.stating import move_promotion
from tests.authenticator import SoftKey
from tests.integration.registry.signing import enrol, prepare, sign, sign_by_passkey
from tests.integration.web.world import World, model_row, version_row, walk


def request(world: World, note: str = "Version 2 refuses everybody.") -> Promotion:
    return request_promotion(
        version=world.version(1),
        alias="champion",
        note=note,
        is_emergency=True,
        actor=actor_of(world.people["engineer"]),
        now=world.tick(),
    )


@pytest.fixture
def refused(world: World) -> World:
    """A world in which version 1, which the policy denies, holds nothing."""
    walk(world, [model_row()], [version_row(number) for number in (1, 2, 3)])
    assert world.request(1).status == "denied"
    return world


@pytest.fixture
def keys(refused: World) -> dict[str, SoftKey]:
    return {who: enrol(refused, who, SoftKey()) for who in ("reviewer", "reviewer2")}


def execute(world: World, promotion: Promotion) -> Promotion:
    """Do what the executor does, who has been to MLflow."""
    with transaction.atomic():
        move_promotion(
            promotion=promotion,
            event=PromotionEvent.EXECUTION_STARTED,
            actor=EXECUTOR,
            now=world.tick(),
        )
        record_alias(
            registered_model=promotion.version.registered_model,
            alias="champion",
            version=promotion.version,
            actor=EXECUTOR,
            now=world.tick(),
        )
        return move_promotion(
            promotion=promotion, event=PromotionEvent.EXECUTED, actor=EXECUTOR, now=world.tick()
        )


def test_two_passkeys_allow_what_the_gates_deny_and_the_decision_says_deny(
    refused: World, keys: dict[str, SoftKey]
) -> None:
    promotion = request(refused)
    assert (promotion.status, promotion.emergency) == ("in_review", "forward")
    promotion = sign_by_passkey(refused, promotion, "reviewer", keys["reviewer"])
    assert promotion.status == "in_review"
    promotion = sign_by_passkey(refused, promotion, "reviewer2", keys["reviewer2"])
    assert promotion.status == "approved"
    assert promotion.decisions.latest("entry_id").verdict == "deny"
    assert Grant.objects.get(promotion=promotion).status == Grant.Status.WRITTEN


def test_a_password_signs_no_emergency(refused: World, keys: dict[str, SoftKey]) -> None:
    promotion = request(refused)
    with pytest.raises(SignatureTooWeak, match="An emergency asks for a signature by passkey"):
        sign(refused, promotion, "reviewer")


def test_an_emergency_says_what_it_is(refused: World) -> None:
    with pytest.raises(InvalidRequest, match="what the emergency is"):
        request(refused, note=" ")


def test_one_refusal_ends_it(refused: World, keys: dict[str, SoftKey]) -> None:
    promotion = request(refused)
    sign_by_passkey(refused, promotion, "reviewer", keys["reviewer"])
    said = {"verdict": "refuse", "reason": "It is no emergency.", "meaning": ""}
    answer = keys["reviewer2"].get(prepare(refused, promotion, "reviewer2", **said))
    given = PasskeyAnswer(session="reviewer2", answer=answer)
    promotion = sign(refused, promotion, "reviewer2", password="", passkey=given, **said)
    assert promotion.status == "refused"


def test_it_ends_after_a_day_alarms_and_is_reviewed_like_any_other(
    refused: World, keys: dict[str, SoftKey], tmp_path: Path
) -> None:
    promotion = request(refused)
    for who, key in keys.items():
        promotion = sign_by_passkey(refused, promotion, who, key)
    executed = execute(refused, promotion)
    refresh_lapsed_alarm(now=executed.updated_at + timedelta(hours=23))
    assert not Alarm.objects.filter(cleared_at=None, message__contains="emergency").exists()
    refresh_lapsed_alarm(now=executed.updated_at + timedelta(hours=24))
    (alarm,) = Alarm.objects.filter(cleared_at=None, message__contains="emergency")
    assert "boston-mortgage version 1" in alarm.message
    assert not Certificate.objects.exists()
    # It is reviewed by the usual rules, which still deny it.
    assert refused.request(1).status == "denied"

    refused.sequence()
    auditor = actor_of(refused.people["auditor"])
    job = request_report(version=refused.version(1), actor=auditor, now=timezone.now())
    tasks.render_report_of_version(str(job.pk))
    pdf = bytes(Report.objects.get().pdf)
    text = " ".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages)
    assert "emergency requested" in " ".join(text.split())
    path = tmp_path / "report.pdf"
    path.write_bytes(pdf)
    found = verify_report(path, keyring().log.vkey)
    assert [finding for finding in found.findings if not finding.holds] == []


def test_an_emergency_is_no_promotion_that_one_signature_goes_back_to(
    refused: World, keys: dict[str, SoftKey]
) -> None:
    promotion = request(refused)
    for who, key in keys.items():
        promotion = sign_by_passkey(refused, promotion, who, key)
    execute(refused, promotion)
    model = refused.version(1).registered_model
    with transaction.atomic():
        record_alias(
            registered_model=model,
            alias="champion",
            version=refused.version(2),
            actor=EXECUTOR,
            now=refused.tick(),
        )
    with pytest.raises(RollbackNotPossible, match="never became champion by a promotion"):
        previous_holder(model, "champion")
