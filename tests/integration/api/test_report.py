"""The signed report over REST: one at a time, current, and true after somebody was erased."""

from __future__ import annotations

import io
import threading
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone
from pypdf import PdfReader

from audits.models import Disclosure, Job, LogEntry, Report
from audits.services.signing import keyring
from muniment.verify.report import verify_report
from registry import tasks
from registry.downloads import pdf_response
from registry.services.execution import Progress
from registry.services.reports import ReportFailed, find_report, issue_report
from tests.integration.api.answers import require_problem
from tests.integration.api.conftest import Ask
from tests.integration.web.world import V2_RACE, World, audit

PATH = "/api/v1/models/boston-mortgage/versions/2/report.pdf"


@pytest.fixture(autouse=True)
def impatient(settings: Any) -> None:
    """Answer at once where the report is not there yet: no worker runs beside these tests."""
    settings.REPORT_WAIT_SECONDS = 0


def queued() -> list[Job]:
    return list(Job.objects.filter(kind=Job.Kind.REPORT, status=Job.Status.QUEUED))


def render() -> None:
    for job in queued():
        tasks.render_report_of_version(str(job.pk))


def pdf_of(answer: Any) -> bytes:
    assert answer.status_code == 200, answer.content[:300]
    assert answer["Content-Type"] == "application/pdf"
    content: bytes = answer.content
    assert content.startswith(b"%PDF-")
    return content


def text_of(pdf: bytes) -> str:
    return " ".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages)


def test_it_is_ordered_once_made_once_and_then_the_same(world: World, ask: Ask) -> None:
    answers: list[Any] = []

    def fetch() -> None:
        try:
            answers.append(ask(PATH, who="auditor"))
        finally:
            connections.close_all()

    ask("/api/v1/models/boston-mortgage/versions/2/gate?alias=champion", who="auditor")
    threads = [threading.Thread(target=fetch) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert [answer.status_code for answer in answers] == [202] * 6
    assert {answer["Retry-After"] for answer in answers} == {"3"}
    assert {answer.json()["status"] for answer in answers} == {"queued"}
    assert ask(PATH, headers={"Accept": "application/pdf"}).status_code == 202
    assert len(queued()) == 1
    render()
    first = pdf_of(ask(PATH, who="auditor"))
    assert pdf_of(ask(PATH, who="engineer")) == first
    for accept in ("application/pdf", "application/pdf, */*;q=0.1", "text/html"):
        assert pdf_of(ask(PATH, headers={"Accept": accept})) == first
    assert Report.objects.count() == 1
    assert LogEntry.objects.filter(event="report.issued").count() == 1
    assert queued() == []


def test_it_waits_for_the_log(world: World, ask: Ask) -> None:
    audit(world, world.version(2), V2_RACE)
    ask(PATH)
    (job,) = queued()
    assert issue_report(job_id=job.pk, clock=timezone.now) is Progress.WAITING
    assert ask(PATH).status_code == 202
    assert queued() == [job]
    world.sequence()
    assert issue_report(job_id=job.pk, clock=timezone.now) is Progress.ENDED
    pdf_of(ask(PATH))


def test_asking_by_turns_for_two_versions_does_not_grow_the_log(world: World, ask: Ask) -> None:
    other = PATH.replace("/2/", "/1/")
    for path in (PATH, other):
        ask(path)
        render()
        world.sequence()
    entries = LogEntry.objects.count()
    for _ in range(3):
        for path in (PATH, other):
            pdf_of(ask(path))
    assert LogEntry.objects.count() == entries


def test_what_is_said_while_it_is_rendered_is_in_the_next_one(world: World, ask: Ask) -> None:
    ask(PATH)
    (job,) = queued()
    readings = 0

    def clock() -> datetime:
        nonlocal readings
        readings += 1
        if readings == 3:  # it was read and rendered, and is about to be logged
            audit(world, world.version(2), V2_RACE)
        return timezone.now()

    assert issue_report(job_id=job.pk, clock=clock) is Progress.ENDED
    assert readings >= 3
    world.sequence()
    said_after = LogEntry.objects.filter(event="evidence.recorded").latest("pk")
    assert said_after.pk < Report.objects.get().entry_id
    assert ask(PATH).status_code == 202, "a report without the newest evidence passed for current"


def test_a_report_that_could_not_be_made_says_so_and_is_tried_again(
    world: World, ask: Ask, settings: Any
) -> None:
    ask(PATH)
    (job,) = queued()
    key, settings.PDF_KEY_FILE = settings.PDF_KEY_FILE, "/nowhere/pdf.pem"
    with pytest.raises(Exception, match="nowhere"):
        tasks.render_report_of_version(str(job.pk))
    settings.PDF_KEY_FILE = key
    assert queued() == [job]
    assert "nowhere" in queued()[0].error
    Job.objects.filter(pk=job.pk).update(status=Job.Status.FAILED)
    assert find_failure(job) == "report_failed"
    assert ask(PATH).status_code == 202
    assert len(queued()) == 1


def find_failure(job: Job) -> str:
    with pytest.raises(ReportFailed) as caught:
        find_report(job)
    return caught.value.code


def test_who_may_not_read_gets_none(world: World, ask: Ask) -> None:
    require_problem(ask(PATH, who=None), 401)
    world.people["auditor"].roles = []
    world.people["auditor"].save()
    require_problem(ask(PATH, who="auditor"), 403)
    assert queued() == []


def test_a_name_of_any_kind_makes_a_harmless_file_name() -> None:
    name = 'größe 模型"; filename="evil.exe\\..\r\nX: y'
    answer = pdf_response(Report(pdf=b"%PDF-", sha256="0"), name, 3)
    disposition = answer["Content-Disposition"]
    assert disposition.startswith('attachment; filename="muniment-gr--e')
    assert disposition.endswith('-v3.pdf"')
    assert disposition.isascii()
    assert disposition.count('"') == 2
    assert not {*"\\/;\r\n"} & {*disposition.partition('"')[2]}


def test_a_person_who_was_erased_is_not_in_it_and_it_still_verifies(
    world: World, ask: Ask, tmp_path: Path
) -> None:
    promotion = world.request(2, note="Please, for the spring campaign.")
    world.sign(promotion, "reviewer", reason="I looked at every group.")
    world.sign(promotion, "reviewer2")
    world.sequence()
    ask(PATH, who="auditor")
    render()
    before = pdf_of(ask(PATH, who="auditor"))
    assert "Rita Reyes" in text_of(before)
    rita = world.people["reviewer"]
    Disclosure.objects.filter(person_id=rita.pk).delete()
    rita.printed_name = "(erased)"
    rita.save()
    audit(world, world.version(3), V2_RACE)  # something new, so that a new report is made
    world.sequence()
    ask(PATH, who="auditor")
    render()
    after = pdf_of(ask(PATH, who="auditor"))
    said = text_of(after)
    assert "Rita" not in said
    assert "Reyes" not in said
    assert b"Rita" not in after
    assert "(erased)" in said
    assert "I looked at every group" not in said
    assert "Remy Roth" in said
    path = tmp_path / "report.pdf"
    for pdf in (before, after):
        path.write_bytes(pdf)
        found = verify_report(path, keyring().log.vkey)
        assert [finding for finding in found.findings if not finding.holds] == []
        assert found.holds
