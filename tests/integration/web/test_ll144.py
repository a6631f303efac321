"""Local Law 144's tables on the evidence page and as a download."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from io import StringIO
from uuid import uuid4

from django.test import Client

from audits.domain.actor import PREDICTIONS_AUDIT
from audits.domain.bias import BiasCriteria, judge
from audits.domain.measurements import AttributeMetrics, GroupMetrics, to_json
from audits.models import Evidence
from audits.services.evidence import NewEvidence, record_evidence
from tests.integration.web.forms import text_of
from tests.integration.web.world import World
from tests.unit.audits.counted import counted

Enter = Callable[[str], Client]
CRITERIA = BiasCriteria(
    attributes=("sex",),
    intersections=(),
    cutoff="median",
    ll144=True,
    exclude_below=Fraction(1, 50),
    exclude_because="Too few to say anything of.",
)
SEX = {"Female": (50, 100), "Male": (45, 97), "=1+1": (2, 2), "unknown": (1, 2)}


def record(world: World) -> Evidence:
    found = judge(replace(counted(sex=SEX), cutoff="median"), CRITERIA)
    return record_evidence(
        version_uri=world.version(3).uri,
        stream=world.version(3).registered_model.uri,
        subject_digest=f"dirHash:{'a' * 64}",
        found=NewEvidence(
            *("bias", "reported", found.conclusion, found.reasons),
            *(CRITERIA.to_mapping(), to_json(found), []),
        ),
        actor=PREDICTIONS_AUDIT,
        now=world.tick(),
    )


def test_the_tables_are_shown_and_downloaded_as_they_are_published(
    world: World, enter: Enter
) -> None:
    item = record(world)
    client = enter("auditor")
    answer = client.get(f"/evidence/{item.pk}/")
    said = text_of(answer)
    assert "Local Law 144: to publish" in said
    assert "Scored above the median Scoring rate Impact ratio" in said
    assert "Female 100 50 50.0% 1.000" in said
    assert "=1+1 2 2 100.0% excluded" in said
    assert "2 more people are in no known category of sex" in said
    assert "Too few to say anything of." in said
    assert "Pass screening" in said
    assert "Scores cut at median" in said
    assert "excluded: compared with nobody" in said  # in the picture
    assert "Pass, screening" in answer.content.decode()  # in the picture
    link = f"/evidence/{item.pk}/ll144.csv"
    assert link in answer.content.decode()
    download = client.get(link)
    assert download["Content-Type"].startswith("text/csv")
    rows = list(csv.DictReader(StringIO(download.getvalue().decode())))
    assert [row["category"] for row in rows] == ["'=1+1", "Female", "Male", "unknown"]
    assert rows[1]["scored_above"] == "50"
    assert rows[1]["scoring_rate"] == "0.5"
    assert (rows[0]["impact_ratio"], rows[0]["excluded"]) == ("", "Too few to say anything of.")
    assert rows[3]["applicants"] == "2"


def test_other_evidence_has_no_tables(world: World, enter: Enter) -> None:
    item = Evidence.objects.get(version_uri=world.version(2).uri, kind="bias")
    client = enter("auditor")
    assert "Local Law 144" not in text_of(client.get(f"/evidence/{item.pk}/"))
    assert client.get(f"/evidence/{item.pk}/ll144.csv").status_code == 404
    assert client.get(f"/evidence/{uuid4()}/ll144.csv").status_code == 404
    assert Client().get(f"/evidence/{item.pk}/ll144.csv").status_code == 302


def test_calibration_is_shown_by_group(world: World, enter: Enter) -> None:
    criteria = replace(CRITERIA, exclude_below=Fraction(0), exclude_because="", cutoff=None)
    found = judge(counted(sex=SEX), criteria)
    curve = ((0.2, 40, 0.25, 0.3), (0.9, 60, 0.95, 0.9))
    metrics = {"sex": AttributeMetrics(groups={"Male": GroupMetrics(calibration=curve)})}
    item = record_evidence(
        version_uri=world.version(3).uri,
        stream=world.version(3).registered_model.uri,
        subject_digest=f"dirHash:{'a' * 64}",
        found=NewEvidence(
            *("bias", "reported", found.conclusion, found.reasons),
            *(criteria.to_mapping(), to_json(found, metrics), []),
        ),
        actor=PREDICTIONS_AUDIT,
        now=world.tick(),
    )
    said = text_of(enter("auditor").get(f"/evidence/{item.pk}/"))
    assert "Calibration by sex" in said
    assert "Male 0.2–0.3 40 0.250 0.300 Male 0.9–1.0 60 0.950 0.900" in said
