"""Approving under a condition: findings, their owners, and what an overdue one does."""

from __future__ import annotations

import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.errors import ReauthenticationFailed
from accounts.selectors import notices_of
from accounts.services.people import actor_of
from audits.errors import RoleRequired
from audits.models import Alarm, LogEntry, Report
from audits.selectors import decoded_statement
from audits.services.signing import keyring
from muniment.verify.report import verify_report
from registry import tasks
from registry.domain.replay import replay_decision
from registry.errors import (
    FindingNotPossible,
    InvalidRequest,
    ReviewNotAllowed,
    SignatureTooWeak,
)
from registry.models import FindingClosure, Promotion, ReviewFinding
from registry.services.champion_watch import decide_lapsed_promotions, refresh_lapsed_alarm
from registry.services.evaluation import evaluate_version
from registry.services.findings import answer_finding, close_finding, raise_finding
from registry.services.policies import document_of
from registry.services.reports import request_report
from registry.services.signing import Password
from tests.integration.approvals.conftest import Enter, changed_policy
from tests.integration.rollback.story import promote
from tests.integration.web.forms import send, text_of
from tests.integration.web.world import PASSWORD, World


def find(world: World, promotion: Promotion, who: str = "reviewer", **changed: Any) -> Any:
    now = world.tick()
    values: dict[str, Any] = {
        "promotion_id": promotion.pk,
        "severity": "medium",
        "text": "Measure the small cells on the data of January.",
        "owner_id": str(world.people["engineer"].pk),
        "due_at": now + timedelta(days=30),
        "means": Password(PASSWORD),
        "actor": actor_of(world.people[who]),
        "now": now,
    }
    return raise_finding(**(values | changed))


def answer(world: World, finding: ReviewFinding, who: str = "engineer") -> None:
    answer_finding(
        finding_id=finding.pk,
        text="Measured: they hold.",
        actor=actor_of(world.people[who]),
        now=world.tick(),
    )


def close(world: World, finding: ReviewFinding, who: str = "reviewer2", **changed: Any) -> None:
    values = {
        "finding_id": finding.pk,
        "means": Password(PASSWORD),
        "actor": actor_of(world.people[who]),
        "now": world.tick(),
    }
    close_finding(**(values | changed))


def verdict(world: World) -> tuple[str, tuple[str, ...]]:
    decision = evaluate_version(
        version=world.version(2), alias="champion", as_of=world.now
    ).decision
    assert decision is not None
    return decision.verdict.value, decision.reasons


def look(world: World) -> str:
    decide_lapsed_promotions(now=world.now)
    refresh_lapsed_alarm(now=world.now)
    alarm = Alarm.objects.filter(code="registry.champion_lapsed", cleared_at=None).first()
    return alarm.message if alarm else ""


def test_a_condition_lets_through_until_it_is_due_and_closes_the_gate_then(world: World) -> None:
    promotion = world.request(2)
    shown = world.evidence_digest(promotion)
    world.sign(promotion, "reviewer2")
    finding = find(world, promotion)
    # It was no condition of theirs, and it dismisses nothing that they signed.
    assert world.evidence_digest(promotion) == shown
    assert world.sign(promotion, "reviewer").status == "approved"
    world.now = finding.due_at - timedelta(seconds=1)
    assert verdict(world)[0] == "allow"
    world.now = finding.due_at
    said, reasons = verdict(world)
    assert said == "deny"
    assert reasons[0].startswith("A finding of severity medium")
    look(world)
    promotion.refresh_from_db()
    assert promotion.status == "denied"


def test_a_champion_with_an_overdue_finding_alarms_until_a_reviewer_confirms(
    world: World,
) -> None:
    promotion = world.request(2)
    finding = find(world, promotion)
    promotion.status = "withdrawn"
    Promotion.objects.filter(pk=promotion.pk).update(status="withdrawn")
    promote(world, 2)
    assert look(world) == ""
    world.now = finding.due_at
    assert "a finding is overdue" in look(world)
    answer(world, finding)
    assert "a finding is overdue" in look(world)
    close(world, finding)
    assert look(world) == ""
    assert verdict(world)[0] == "allow"


def test_who_may_raise_answer_and_close(world: World) -> None:
    promotion = world.request(2)
    for who in ("engineer", "auditor", "admin"):
        with pytest.raises(RoleRequired):
            find(world, promotion, who)
    for changed, refusal in (
        ({"means": Password("guess")}, ReauthenticationFailed),
        ({"severity": "huge"}, InvalidRequest),
        ({"text": " "}, InvalidRequest),
        ({"owner_id": str(world.people["reviewer"].pk)}, InvalidRequest),
        ({"owner_id": "nobody"}, InvalidRequest),
        ({"due_at": world.now - timedelta(days=1)}, InvalidRequest),
        ({"due_at": world.now + timedelta(days=366)}, InvalidRequest),
    ):
        with pytest.raises(refusal):
            find(world, promotion, **changed)
    assert not ReviewFinding.objects.exists()
    finding = find(world, promotion, owner_id=str(world.people["reviewer2"].pk))
    with pytest.raises(ReviewNotAllowed, match="Only its owner"):
        answer(world, finding, "engineer")
    with pytest.raises(FindingNotPossible, match="not said yet"):
        close(world, finding, "reviewer")
    answer(world, finding, "reviewer2")
    with pytest.raises(ReviewNotAllowed, match="their own work"):
        close(world, finding, "reviewer2")
    with pytest.raises(ReauthenticationFailed):
        close(world, finding, "reviewer", means=Password("guess"))
    with pytest.raises(IntegrityError), transaction.atomic():
        FindingClosure.objects.create(
            finding=finding,
            person=world.people["reviewer2"],
            owner=world.people["reviewer2"],
            at=world.tick(),
            entry=LogEntry.objects.latest("pk"),
        )
    close(world, finding, "reviewer")
    with pytest.raises(FindingNotPossible, match="is closed"):
        close(world, finding, "reviewer")


def test_it_is_stated_without_its_words_replays_and_a_report_verifies(
    world: World, tmp_path: Path
) -> None:
    promotion = world.request(2)
    finding = find(world, promotion)
    told = notices_of(world.people["engineer"]).first()
    assert told is not None
    assert told.subject == "An approval depends on something that you put right."
    entry = LogEntry.objects.get(event="finding.raised")
    assert b"small cells" not in bytes(entry.envelope)
    assert decoded_statement(entry).predicate["detail"]["severity"] == "medium"
    world.sign(promotion, "reviewer")
    recorded = promotion.decisions.latest("entry_id").content
    assert recorded["inputs"]["findings"][0]["digest"] == finding.entry.sha256
    evaluation = evaluate_version(version=world.version(2), alias="champion", as_of=world.now)
    assert evaluation.binding is not None
    again = replay_decision(
        recorded,
        policy=document_of(evaluation.binding.policy),
        evidence={item.digest: item for item in _items(evaluation.view)},
    )
    assert again.to_mapping() == recorded
    answer(world, finding)
    close(world, finding)
    world.sequence()
    job = request_report(
        version=world.version(2), actor=actor_of(world.people["auditor"]), now=timezone.now()
    )
    tasks.render_report_of_version(str(job.pk))
    path = tmp_path / "report.pdf"
    path.write_bytes(bytes(Report.objects.get().pdf))
    found = verify_report(path, keyring().log.vkey)
    assert [one for one in found.findings if not one.holds] == []
    pages = subprocess.run(
        ["pdftotext", "-layout", path, "-"], capture_output=True, text=True, check=True
    ).stdout
    for said in ("Measure the small cells", "Measured: they hold.", "Medium", "Closed"):
        assert said in pages


def _items(view: Any) -> tuple[Any, ...]:
    return (*view.items, *(view.champion.items if view.champion else ()))


def test_the_page_takes_a_finding_its_answer_and_its_closure(world: World, enter: Enter) -> None:
    promotion = world.request(2)
    page = f"/promotions/{promotion.pk}/"
    reviewer = enter("reviewer")
    sent = send(
        reviewer,
        page,
        "/findings",
        text="<b>Measure</b> again.",
        severity="high",
        owner=str(world.people["engineer"].pk),
        due=(timezone.now() + timedelta(days=9)).date().isoformat(),
        password=PASSWORD,
    )
    assert sent.status_code == 302, text_of(sent)
    assert "&lt;b&gt;Measure&lt;/b&gt; again." in reviewer.get(page).content.decode()
    assert send(enter("engineer"), page, "/answer", text="Done.").status_code == 302
    said = text_of(enter("auditor").get(page))
    assert "Answer: Done." in said
    assert send(enter("reviewer2"), page, "/close", password=PASSWORD).status_code == 302
    assert "Confirmed by Remy Roth" in text_of(enter("auditor").get(page))


def test_whoever_asked_for_the_version_confirms_nothing_that_was_found_in_it(world: World) -> None:
    finding = find(world, world.request(2), owner_id=str(world.people["admin"].pk))
    answer(world, finding, "admin")
    asked = world.people["engineer"]
    asked.roles = ["engineer", "reviewer"]
    asked.save(update_fields=["roles"])
    with pytest.raises(ReviewNotAllowed, match="asked for this version"):
        close(world, finding, "engineer")
    assert not FindingClosure.objects.exists()


def test_a_password_confirms_no_finding_where_the_policy_asks_for_a_passkey(world: World) -> None:
    finding = find(world, world.request(2))
    answer(world, finding)
    changed_policy(world, signature="passkey")
    with pytest.raises(SignatureTooWeak, match="by passkey"):
        close(world, finding)
    assert not FindingClosure.objects.exists()
