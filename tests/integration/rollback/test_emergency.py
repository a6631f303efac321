"""Putting the champion back at once: one signature, and what is said of it."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone
from pypdf import PdfReader

from accounts.models import Notice
from accounts.services.people import actor_of
from audits.domain.actor import EXECUTOR
from audits.models import LogEntry, Report
from audits.selectors import decoded_statement
from audits.services.signing import keyring
from muniment.verify.report import verify_report
from registry import tasks
from registry.domain.promotion import PromotionEvent
from registry.models import EmergencyApproval, Grant, Promotion
from registry.services.aliases import record_alias
from registry.services.execution import approvals_are_sealed
from registry.services.reports import request_report
from registry.services.stating import move_promotion
from tests.integration.rollback import story
from tests.integration.web.forms import forms_of, post, send, text_of
from tests.integration.web.world import MODEL, PASSWORD, World

Enter = Callable[[str], Client]
PAGE = f"/models/{MODEL}/emergency"
REASON = "Version 3 refused everybody from six o'clock on."


def sign(client: Client, **changed: str) -> object:
    return send(client, PAGE, "/emergency", reason=REASON, password=PASSWORD, **changed)


def test_one_signature_orders_the_move_and_says_what_it_skips(world: World, enter: Enter) -> None:
    world.tick(days=120)  # the evidence on version 2 is stale by now
    reviewer = enter("reviewer")
    assert PAGE in reviewer.get(f"/models/{MODEL}/").content.decode()
    said = text_of(reviewer.get(PAGE))
    assert "v3 moves to v2" in said
    answer = send(reviewer, PAGE, "/emergency", reason=REASON, password=PASSWORD)
    promotion = Promotion.objects.get(emergency="rollback")
    assert (answer.status_code, answer["Location"]) == (302, f"/promotions/{promotion.pk}/")
    assert (promotion.status, promotion.version.version) == ("approved", 2)
    assert Grant.objects.get(promotion=promotion).status == Grant.Status.WRITTEN
    entry = EmergencyApproval.objects.get().entry
    stated = decoded_statement(entry).predicate["detail"]
    assert (stated["kind"], stated["from_version"], stated["to_version"]) == ("rollback", 3, 2)
    assert stated["person"]["id"] == str(world.people["reviewer"].pk)
    assert REASON.encode() not in b"".join(
        bytes(envelope) for envelope in LogEntry.objects.values_list("envelope", flat=True)
    )
    assert "An emergency: Rita Reyes put the alias back" in text_of(
        reviewer.get(f"/promotions/{promotion.pk}/")
    )
    notice = Notice.objects.get(dedup_key=f"emergency:{promotion.pk}")
    assert "champion of boston-mortgage, from version 3 to 2" in notice.text


def test_nothing_moves_before_the_signature_stands_under_a_checkpoint(
    world: World, enter: Enter
) -> None:
    sign(enter("admin"))
    promotion = Promotion.objects.get(emergency="rollback")
    assert not approvals_are_sealed(promotion)
    world.sequence()
    assert approvals_are_sealed(promotion)


@pytest.mark.parametrize("who", ["engineer", "auditor"])
def test_who_may_not_sign_sees_no_form_and_is_refused(world: World, enter: Enter, who: str) -> None:
    client = enter(who)
    assert not forms_of(client.get(PAGE)).keys() & {PAGE}
    answer = post(client, PAGE, to_version="2", reason=REASON, password=PASSWORD)
    assert answer.status_code == 403
    assert not Promotion.objects.exclude(emergency="").exists()


def test_a_wrong_password_signs_nothing_and_keeps_what_was_typed(
    world: World, enter: Enter
) -> None:
    answer = send(enter("reviewer"), PAGE, "/emergency", reason=REASON, password="guess")
    assert answer.status_code == 403
    said = answer.content.decode()
    assert "six o&#x27;clock" in said
    assert "Nothing was signed" in text_of(answer)
    assert not Promotion.objects.exclude(emergency="").exists()


def test_what_was_not_shown_is_not_signed(world: World, enter: Enter) -> None:
    client = enter("reviewer")
    fields = forms_of(client.get(PAGE))[PAGE]
    story.lay_lineage(world, world.version(2), params={"C": "9.0"})
    answer = post(client, PAGE, **(fields | {"reason": REASON, "password": PASSWORD}))
    assert answer.status_code == 409
    assert "has changed since this page was shown" in text_of(answer)
    assert not Promotion.objects.exclude(emergency="").exists()


def test_a_version_against_which_a_violation_stands_is_not_gone_back_to(
    world: World, enter: Enter
) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE registry_modelversion SET gone_at = now() WHERE version = 2")
    said = text_of(enter("reviewer").get(PAGE))
    assert "There is nothing to go back to" in said


def test_a_double_click_is_one_move(world: World, enter: Enter) -> None:
    client, other = enter("reviewer"), enter("reviewer2")
    fields = forms_of(client.get(PAGE))[PAGE] | {"reason": REASON, "password": PASSWORD}
    others = forms_of(other.get(PAGE))[PAGE] | {"reason": REASON, "password": PASSWORD}
    statuses: list[int] = []

    def press(who: Client, what: dict[str, str]) -> None:
        try:
            statuses.append(post(who, PAGE, **what).status_code)
        finally:
            connection.close()

    pressed = [
        threading.Thread(target=press, args=(client, fields)),
        threading.Thread(target=press, args=(client, fields)),
        threading.Thread(target=press, args=(other, others)),
    ]
    for one in pressed:
        one.start()
    for one in pressed:
        one.join()
    assert sorted(statuses) == [302, 409, 409]
    assert Promotion.objects.filter(emergency="rollback").count() == 1


def test_the_next_emergency_does_not_undo_the_last_one(world: World, enter: Enter) -> None:
    sign(enter("reviewer"))
    promotion = Promotion.objects.get(emergency="rollback")
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
    assert "There is nothing to go back to" in text_of(enter("reviewer2").get(PAGE))


def test_a_report_tells_the_emergency_and_verifies(
    world: World, enter: Enter, tmp_path: Path
) -> None:
    sign(enter("reviewer"))
    world.sequence()
    auditor = actor_of(world.people["auditor"])
    job = request_report(version=world.version(2), actor=auditor, now=timezone.now())
    tasks.render_report_of_version(str(job.pk))
    pdf = bytes(Report.objects.get().pdf)
    text = " ".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages)
    assert "emergency rollback" in " ".join(text.split())
    path = tmp_path / "report.pdf"
    path.write_bytes(pdf)
    found = verify_report(path, keyring().log.vkey)
    assert [finding for finding in found.findings if not finding.holds] == []
