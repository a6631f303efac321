"""A report of a version to which a champion was put back verifies, and says why the alias moved."""

from __future__ import annotations

import io
from pathlib import Path

from django.utils import timezone
from pypdf import PdfReader

from accounts.services.people import actor_of
from audits.models import Report
from audits.services.signing import keyring
from muniment.verify.report import verify_report
from registry import tasks
from registry.services.reports import request_report
from tests.integration.rollback import story
from tests.integration.web.world import World


def test_a_report_tells_the_rollback_and_verifies(world: World, tmp_path: Path) -> None:
    rollback, _ = story.handed_out(world)
    story.see(world, 2, story.tag_of(rollback, at=world.tick()))
    story.review(world, rollback, "reject")
    world.sequence()
    auditor = actor_of(world.people["auditor"])
    job = request_report(version=world.version(2), actor=auditor, now=timezone.now())
    tasks.render_report_of_version(str(job.pk))
    pdf = bytes(Report.objects.get().pdf)
    text = " ".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages)
    # Without the white space that a narrow column puts into an id.
    assert f"rollbackgrant{rollback.pk}" in "".join(text.split())
    path = tmp_path / "report.pdf"
    path.write_bytes(pdf)
    found = verify_report(path, keyring().log.vkey)
    assert [finding for finding in found.findings if not finding.holds] == []
    assert found.holds
