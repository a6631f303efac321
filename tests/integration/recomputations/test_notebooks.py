"""A notebook's code is weak until the committed one ran from top to bottom and gave the model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from django.utils import timezone

from accounts.services.people import actor_of
from audits.models import Report
from audits.selectors import decoded_statement
from audits.services.signing import keyring
from lineage.domain.comparison import Verdict
from lineage.domain.grading import NOTEBOOK_ALONE
from lineage.domain.leg import Grade, Leg
from lineage.models import ArtifactEdge, LineageRecord, Recomputation
from muniment.lineage_file import LineageFile
from muniment.verify.report import verify_report
from registry import tasks
from registry.domain.evidence import EvidenceItem
from registry.domain.replay import replay_decision
from registry.models import Promotion
from registry.services.evaluation import load_view
from registry.services.policies import document_of
from registry.services.reports import request_report
from tests.integration.recomputations.ordering import (
    CAPTURE,
    Computing,
    order,
    perform,
    recomputed,
)
from tests.integration.web.world import World, lay_lineage

NOTEBOOK = replace(CAPTURE, mode="notebook", code=replace(CAPTURE.code, notebook="train.ipynb"))


def lay_notebook(
    world: World, reason: str = NOTEBOOK_ALONE, capture: LineageFile = NOTEBOOK
) -> LineageRecord:
    code = Leg("code", Grade.WEAK, reason, f"gitCommit:{capture.code.commit}")
    return lay_lineage(world, world.version(2), capture=capture, code=code)


def records(world: World) -> list[LineageRecord]:
    uri = world.version(2).uri
    return list(LineageRecord.objects.filter(version_uri=uri).order_by("entry_id"))


def gates_of(promotion: Promotion) -> dict[str, str]:
    found = promotion.decisions.latest("entry_id").content["gates"]
    return {one["id"]: one["outcome"] for one in found}


def test_a_notebook_that_came_out_again_is_recorded_and_the_whole_verifies_offline(
    asking: World, tmp_path: Path
) -> None:
    weak = lay_notebook(asking)
    promotion = asking.request(2)
    assert gates_of(promotion)["lineage"] == "unsatisfied"
    found = Recomputation.objects.get()
    perform(found, Computing(), clock=asking.tick)
    found.refresh_from_db()
    assert found.evidence is not None
    now = records(asking)[-1]
    assert now.legs["code"]["grade"] == "recorded"
    assert now.legs["code"]["digest"] == weak.legs["code"]["digest"]
    assert found.evidence.entry.sha256 in now.legs["code"]["reason"]
    assert {name: now.legs[name] for name in now.legs if name != "code"} == {
        name: weak.legs[name] for name in weak.legs if name != "code"
    }
    # What it says again it says in the log too, and the record before stands as it was.
    said = decoded_statement(now.entry).predicate["buildDefinition"]
    assert said["internalParameters"]["muniment_repeated"] == {
        "record": weak.entry.sha256,
        "evidence": found.evidence.entry.sha256,
    }
    before = decoded_statement(weak.entry).predicate["buildDefinition"]
    assert before["internalParameters"]["muniment_legs"]["code"]["grade"] == "weak"
    assert said["resolvedDependencies"] == before["resolvedDependencies"]
    drawn = [
        sorted(ArtifactEdge.objects.filter(record=one).values_list("role", "node__key"))
        for one in (weak, now)
    ]
    assert drawn[0] == drawn[1] != []
    # The verdict counts for the record that says the same again.
    assert Promotion.objects.get().status == "denied"
    promotion = asking.request(2)
    assert promotion.status == "in_review"
    decision = promotion.decisions.latest("entry_id")
    outcomes = gates_of(promotion)
    assert (outcomes["lineage"], outcomes["reproduced"]) == ("satisfied", "satisfied")
    view = load_view(version=asking.version(2), alias="champion")
    items: list[EvidenceItem] = [*view.items, *(view.champion.items if view.champion else ())]
    stated = decoded_statement(decision.entry).predicate["decision"]
    assert decision.policy is not None
    replayed = replay_decision(
        stated,
        policy=document_of(decision.policy),
        evidence={item.digest: item for item in items},
    )
    assert replayed.to_mapping() == stated
    asking.sign(promotion, "reviewer")
    asking.sequence()
    auditor = actor_of(asking.people["auditor"])
    job = request_report(version=asking.version(2), actor=auditor, now=timezone.now())
    tasks.render_report_of_version(str(job.pk))
    path = tmp_path / "report.pdf"
    path.write_bytes(bytes(Report.objects.get().pdf))
    verified = verify_report(path, keyring().log.vkey)
    assert [finding for finding in verified.findings if not finding.holds] == []
    assert verified.holds


@pytest.mark.parametrize(
    ("reason", "capture", "verdict"),
    [
        (NOTEBOOK_ALONE, NOTEBOOK, Verdict.DIVERGED),
        (NOTEBOOK_ALONE, NOTEBOOK, Verdict.NOT_REPRODUCIBLE),
        (f"{NOTEBOOK_ALONE} The run is deleted in MLflow.", NOTEBOOK, Verdict.IDENTICAL),
        (
            "A commit is named, but no remote is named to fetch it from.",
            NOTEBOOK,
            Verdict.IDENTICAL,
        ),
        # Nobody knows which notebook it was: another command was run.
        (NOTEBOOK_ALONE, replace(CAPTURE, mode="notebook"), Verdict.IDENTICAL),
    ],
)
def test_nothing_less_makes_it_any_better(
    asking: World, reason: str, capture: LineageFile, verdict: Verdict
) -> None:
    weak = lay_notebook(asking, reason, capture)
    compute = Computing(lambda one: recomputed(one.record_sha256, verdict, "So."))
    perform(order(asking, 2), compute, clock=asking.tick)
    assert records(asking)[-1] == weak


def test_a_record_that_was_made_meanwhile_is_not_superseded(asking: World) -> None:
    lay_notebook(asking)
    later: list[LineageRecord] = []

    def train(one: object) -> object:
        later.append(lay_notebook(asking))
        return recomputed(one.record_sha256)  # type: ignore[attr-defined]

    perform(order(asking, 2), Computing(train), clock=asking.tick)  # type: ignore[arg-type]
    assert records(asking)[-1] == later[0]
    assert gates_of(asking.request(2))["lineage"] == "unsatisfied"


def test_recorded_again_it_is_weak_again(asking: World) -> None:
    lay_notebook(asking)
    perform(order(asking, 2), Computing(), clock=asking.tick)
    assert records(asking)[-1].legs["code"]["grade"] == "recorded"
    lay_notebook(asking)
    assert gates_of(asking.request(2))["lineage"] == "unsatisfied"
