"""Waiving a gate: by whom, for how long, what it lets through, and what its end does."""

from __future__ import annotations

import io
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from pypdf import PdfReader

from accounts.errors import ReauthenticationFailed
from accounts.services.people import actor_of
from audits.errors import RoleRequired
from audits.models import Disclosure, LogEntry, Report
from audits.selectors import decoded_statement
from audits.services.signing import keyring
from muniment.verify.report import verify_report
from registry import tasks
from registry.errors import (
    InvalidRequest,
    ReviewNotAllowed,
    SignatureTooWeak,
    WaiverNotPossible,
)
from registry.models import GateWaiver, Promotion
from registry.services.evaluation import evaluate_version
from registry.services.reports import request_report
from registry.services.signing import Password
from registry.services.waivers import grant_waiver, revoke_waiver
from tests.integration.approvals.conftest import Enter, changed_policy
from tests.integration.web.forms import send, text_of
from tests.integration.web.world import PASSWORD, V1_RACE, V2_RACE, World, audit

GATE = "bias-race"


def waive(world: World, who: str = "admin", **changes: object) -> GateWaiver:
    now = world.tick()
    values = {
        "version": world.version(2),
        "gate_id": GATE,
        "reason": "The new campaign is judged on its own data in January.",
        "until": now + timedelta(days=30),
        "means": Password(PASSWORD),
        "actor": actor_of(world.people[who]),
        "now": now,
    }
    return grant_waiver(**(values | changes))  # type: ignore[arg-type]


def failing(world: World) -> None:
    """Let version 2 fail the gate that may be waived, and no other."""
    audit(world, world.version(2), V1_RACE)


def outcome(world: World) -> str:
    decision = evaluate_version(
        version=world.version(2), alias="champion", as_of=world.now
    ).decision
    assert decision is not None
    return next(gate.outcome.value for gate in decision.gates if gate.id == GATE)


def test_a_waived_gate_lets_through_and_its_end_and_its_revocation_close_it(
    waivable: World,
) -> None:
    world = waivable
    failing(world)
    assert world.request(2).status == "denied"
    waiver = waive(world)
    assert outcome(world) == "waived"
    promotion = world.request(2)
    assert promotion.status == "in_review"
    world.sign(promotion, "reviewer")
    approved = world.sign(promotion, "reviewer2")
    assert approved.status == "approved"
    world.tick(days=31)
    assert outcome(world) == "unsatisfied"
    world.now = waiver.granted_at
    revoke_waiver(
        waiver_id=waiver.pk,
        reason="The campaign was stopped.",
        actor=actor_of(world.people["reviewer"]),
        now=world.tick(seconds=60),
    )
    assert outcome(world) == "unsatisfied"
    promotion.refresh_from_db()
    assert promotion.status == "denied"


def test_a_waiver_is_stated_without_its_reason_or_a_name(waivable: World) -> None:
    waiver = waive(waivable)
    entry = LogEntry.objects.get(event="waiver.granted")
    detail = decoded_statement(entry).predicate["detail"]
    assert entry.stream == waivable.model().uri
    assert (detail["gate"], detail["role"], detail["waivable_by"]) == (GATE, "admin", ["admin"])
    assert detail["person"]["id"] == str(waivable.people["admin"].pk)
    assert b"January" not in bytes(entry.envelope)
    assert b"Adler" not in bytes(entry.envelope)
    assert "January" in Disclosure.objects.get(pk=waiver.reason_commitment).text


def test_a_waiver_that_may_not_be_signed_is_not(waivable: World) -> None:
    world = waivable
    for who in ("engineer", "auditor"):
        with pytest.raises(RoleRequired):
            waive(world, who)
    for who, changes, refusal in (
        ("reviewer", {}, ReviewNotAllowed),  # the policy names admins alone
        ("admin", {"gate_id": "bias-sex"}, ReviewNotAllowed),
        ("admin", {"gate_id": "no-such-gate"}, ReviewNotAllowed),
        ("admin", {"reason": "  "}, InvalidRequest),
        ("admin", {"until": world.now}, InvalidRequest),
        ("admin", {"until": world.now + timedelta(days=91)}, InvalidRequest),
        ("admin", {"means": Password("guessed")}, ReauthenticationFailed),
    ):
        with pytest.raises(refusal):
            waive(world, who, **changes)
    assert not GateWaiver.objects.exists()
    waiver = waive(world)
    with pytest.raises(WaiverNotPossible, match="waived until then already"):
        waive(world, until=waiver.until)


def test_whoever_asks_waives_nothing_before_or_after(waivable: World) -> None:
    world = waivable
    failing(world)
    engineer = world.people["engineer"]
    engineer.roles = ["admin", "engineer"]
    engineer.save()
    waive(world, "engineer")  # nobody asks for anything yet
    assert outcome(world) == "waived"
    promotion = world.request(2)
    assert promotion.status == "denied"
    audit(world, world.version(2), V2_RACE)
    assert world.request(2).status == "in_review"
    with pytest.raises(ReviewNotAllowed, match="their own work"):
        waive(world, "engineer", until=world.now + timedelta(days=60))


def test_a_waiver_dismisses_what_was_signed_without_it(waivable: World) -> None:
    world = waivable
    promotion = world.request(2)
    world.sign(promotion, "reviewer")
    waive(world)
    approval = Promotion.objects.get(pk=promotion.pk).approvals.get()
    assert approval.dismissal.entry.event == "approval.dismissed"


def test_a_waiver_ends_with_the_policy_that_it_was_signed_under(waivable: World) -> None:
    world = waivable
    failing(world)
    waive(world)
    assert outcome(world) == "waived"
    changed_policy(world)
    assert outcome(world) == "unsatisfied"


def test_a_waiver_is_granted_shown_and_taken_back_on_its_page(
    waivable: World, enter: Enter
) -> None:
    world = waivable
    failing(world)
    version = f"/models/{world.model().name}/versions/2/"
    page = f"{version}waivers/"
    assert f'href="{page}"' in enter("admin").get(version).content.decode()
    assert "You cannot waive a gate here." in text_of(enter("reviewer").get(page))
    entered = {"gate": GATE, "until": (timezone.now() + timedelta(days=9)).date().isoformat()}
    client = enter("admin")
    wrong = send(client, page, "/grant", **entered, reason="Kept text.", password="wrong")
    assert wrong.status_code == 403
    assert "Kept text." in wrong.content.decode()
    bad_day = send(client, page, "/grant", gate=GATE, until="soon", reason="No.", password=PASSWORD)
    assert bad_day.status_code == 400
    answer = send(client, page, "/grant", **entered, reason="<b>Known</b> gap.", password=PASSWORD)
    assert answer.status_code == 302
    assert "&lt;b&gt;Known" in client.get(page).content.decode()
    assert "Waived, not passed" in text_of(enter("auditor").get(version))
    assert send(client, page, "/revoke", reason="Done.").status_code == 302
    assert "Taken back" in text_of(client.get(page))
    assert "Waived, not passed" not in text_of(enter("auditor").get(version))


def test_the_gate_over_rest_says_waived(waivable: World, enter: Enter) -> None:
    failing(waivable)
    waive(waivable)
    name = waivable.model().name
    answer = enter("auditor").get(f"/api/v1/models/{name}/versions/2/gate?alias=champion")
    checks = {one["id"]: one for one in answer.json()["checks"]}
    assert checks[GATE]["conclusion"] == "waived"
    assert "without the waiver" in checks[GATE]["reason"]


def test_a_report_with_waivers_verifies_and_shows_them(waivable: World, tmp_path: Path) -> None:
    world = waivable
    failing(world)
    taken = waive(world)
    revoke_waiver(
        waiver_id=taken.pk,
        reason="A mistake.",
        actor=actor_of(world.people["admin"]),
        now=world.tick(),
    )
    waive(world)
    promotion = world.request(2)
    world.sign(promotion, "reviewer")
    world.sequence()
    auditor = actor_of(world.people["auditor"])
    job = request_report(version=world.version(2), actor=auditor, now=timezone.now())
    tasks.render_report_of_version(str(job.pk))
    pdf = bytes(Report.objects.get().pdf)
    text = "".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages)
    # Without the white space that a narrow column puts into it.
    assert "takenback" in "".join(text.split())
    assert "Awaivedgatewasnotpassed" in "".join(text.split())
    path = tmp_path / "report.pdf"
    path.write_bytes(pdf)
    found = verify_report(path, keyring().log.vkey)
    assert [finding for finding in found.findings if not finding.holds] == []
    assert found.holds


def test_a_password_waives_nothing_where_the_policy_asks_for_a_passkey(world: World) -> None:
    changed_policy(world, signature="passkey")
    failing(world)
    with pytest.raises(SignatureTooWeak, match="by passkey"):
        waive(world)
    assert not GateWaiver.objects.exists()
