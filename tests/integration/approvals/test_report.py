"""A report of a version whose review had everything in it verifies offline."""

from __future__ import annotations

from pathlib import Path

from django.utils import timezone

from accounts.services.people import actor_of
from audits.models import Report
from audits.services.signing import keyring
from muniment.verify.report import verify_report
from registry import tasks
from registry.services.assignments import assign_reviewers
from registry.services.reports import request_report
from registry.services.review_answers import comment_on_promotion
from tests.integration.approvals.test_verdicts import ask_for_changes, take_back
from tests.integration.approvals.test_waivers import failing, waive
from tests.integration.web.world import World


def test_a_report_with_every_step_of_a_review_verifies(waivable: World, tmp_path: Path) -> None:
    world = waivable
    failing(world)
    waive(world)
    promotion = world.request(2)
    auditor = actor_of(world.people["auditor"])
    assign_reviewers(
        promotion_id=promotion.pk,
        people=[str(world.people["reviewer"].pk)],
        actor=actor_of(world.people["engineer"]),
        now=world.tick(),
    )
    comment_on_promotion(
        promotion_id=promotion.pk, text="Why is it waived?", actor=auditor, now=world.tick()
    )
    ask_for_changes(world, promotion)
    take_back(world, promotion, "reviewer")
    world.sign(promotion, "reviewer2")
    world.sequence()
    job = request_report(version=world.version(2), actor=auditor, now=timezone.now())
    tasks.render_report_of_version(str(job.pk))
    path = tmp_path / "report.pdf"
    path.write_bytes(bytes(Report.objects.get().pdf))
    found = verify_report(path, keyring().log.vkey)
    assert [finding for finding in found.findings if not finding.holds] == []
    assert found.holds
