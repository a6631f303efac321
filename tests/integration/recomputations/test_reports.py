"""A report of a version that was recomputed says what came out, and verifies offline."""

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
from tests.integration.recomputations.ordering import Computing, perform
from tests.integration.web.world import World


def test_a_report_under_a_policy_with_the_gate_tells_the_verdict_and_verifies(
    asking: World, tmp_path: Path
) -> None:
    from lineage.models import Recomputation

    promotion = asking.request(2)
    # Two hours ago, as all of this world: nothing that the report shows is of the moment itself.
    perform(Recomputation.objects.get(), Computing(), clock=asking.tick)
    asking.sign(promotion, "reviewer")
    asking.sequence()
    auditor = actor_of(asking.people["auditor"])
    job = request_report(version=asking.version(2), actor=auditor, now=timezone.now())
    tasks.render_report_of_version(str(job.pk))
    pdf = bytes(Report.objects.get().pdf)
    text = "".join(
        " ".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages).split()
    )
    assert "Trainedagainfromthisrecord" in text
    assert "200rows,allthesametothelastbit" in text
    assert "Trainedagain,itcomesoutthesame" in text  # the gate
    assert "recomputationrequested:version2" in text
    path = tmp_path / "report.pdf"
    path.write_bytes(pdf)
    found = verify_report(path, keyring().log.vkey)
    assert [finding for finding in found.findings if not finding.holds] == []
    assert found.holds
