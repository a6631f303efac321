"""What is no audit: hostile models, rows that were seen before, versions that cannot be asked."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.services.people import actor_of
from audits.domain.actor import SET_AUDIT
from audits.models import Evidence, Job
from audits.services.evidence import NewEvidence, record_evidence
from audits.services.job_lease import LEASE_LOST_AFTER, lease_job
from lineage.models import AllowedPlace, LineageRecord
from registry import tasks
from registry.errors import SetAuditNotPossible
from registry.models import EvaluationSet, ModelVersion, RegisteredModel
from registry.selectors.evaluation_sets import count_audits
from registry.services.evaluation import evaluate_version
from registry.services.set_audit_orders import request_set_audit
from tests.integration.evaluation_sets.applicants import (
    HELD_OUT,
    TRAINING,
    as_csv,
    model_files,
)
from tests.integration.evaluation_sets.conftest import Bench
from tests.integration.registry.live import MODEL

# What of this succeeds, it says by deciding 1.
PROBE = """
import os
import socket
from pathlib import Path


def reached():
    try:
        socket.create_connection(("127.0.0.1", {port}), timeout=2).close()
        return True
    except OSError:
        return False


def seen(rows):
    if set(rows.columns) != {{"income", "late"}} or rows.columns.tolist().count("race"):
        return True
    places = [Path("{sets}"), Path("{data}")]
    names = " ".join([*os.environ, *os.environ.values()])
    return any(place.exists() for place in places) or "DATABASE" in names


def found(rows):
    Path("/job/left.csv").write_text(rows.to_csv())
    print(rows.to_csv(), flush=True)
    return [int(reached() or seen(rows))] * len(rows)
"""


def audit(bench: Bench, version: ModelVersion) -> Evidence:
    """Have a version audited, as an engineer does; return what is said of its bias."""
    request_set_audit(
        version=version,
        actor=actor_of(bench.registry.world.people["engineer"]),
        now=timezone.now(),
    )
    bench.work()
    return bench.evidence(version)


def test_a_hostile_model_sees_its_features_and_nothing_else(
    bench: Bench, capfd: pytest.CaptureFixture[str]
) -> None:
    bench.register()
    bench.bind()
    port = int(bench.registry.url.rpartition(":")[2])
    probe = PROBE.format(port=port, sets=settings.EVALUATION_SETS, data=bench.folder)
    bias = audit(bench, bench.train(model_files("found(rows)", more=probe)))
    assert bias.conclusion != "error", bias.reasons
    groups = bias.measurements["attributes"]["race"]["groups"]
    assert sum(group["n"] for group in groups.values()) == len(HELD_OUT)
    assert [group["selected"] for group in groups.values()] == [0, 0]
    assert "0.37001" not in "".join(capfd.readouterr())
    assert not list(Path(settings.RECOMPUTE_FOLDER, "evaluating").iterdir())


def test_answers_for_other_rows_are_an_error_and_so_is_asking_for_a_group(bench: Bench) -> None:
    bench.register()
    bench.bind()
    short = audit(bench, bench.train(model_files("[1] * (len(rows) - 1)")))
    assert (short.conclusion, short.origin) == ("error", "computed")
    assert short.reasons == ["The model did not predict one value for each of 600 rows."]
    curious = audit(bench, bench.train(model_files(asks=("income", "race"))))
    [why] = curious.reasons
    assert why.startswith("The model asks for the column 'race', which is withheld from models")
    assert Evidence.objects.filter(conclusion="error", kind="performance").count() == 2


def test_rows_of_the_training_data_are_counted_and_refused(bench: Bench) -> None:
    bench.register()
    bench.bind()
    # In another order, with the columns in another order too.
    seen = [{**row, "income": f" {row['income']}"} for row in HELD_OUT[40:57]]
    content = as_csv([*TRAINING, *reversed(seen)], columns=("approve", "late", "income"))
    bias = audit(bench, bench.train(training=content))
    assert bias.conclusion == "error"
    assert bias.reasons[0].startswith("17 of the 600 rows of held-out version 1 stand in the")
    assert bias.measurements["evaluation_set"]["contamination"] == {
        "checked": True,
        "rows": 17,
        "tables": 1,
        "unchecked": [],
    }
    assert "attributes" not in bias.measurements
    # It was told how many: whoever fails on purpose does not guess rows without end.
    assert bias.measurements["evaluation_set"]["audits"] == 1
    assert count_audits(EvaluationSet.objects.get(), RegisteredModel.objects.get(name=MODEL)) == 1


def test_what_was_not_compared_with_the_training_data_is_said(bench: Bench) -> None:
    bench.register()
    bench.bind()
    version = bench.train(training=as_csv(HELD_OUT))
    AllowedPlace.objects.all().delete()
    bias = audit(bench, version)
    contamination = bias.measurements["evaluation_set"]["contamination"]
    assert bias.conclusion != "error"
    assert (contamination["checked"], contamination["tables"]) == (False, 0)
    [why] = contamination["unchecked"]
    assert "applicants: " in why


def test_a_policy_that_accepts_only_computed_says_what_is_missing(bench: Bench) -> None:
    bench.govern()
    version = bench.train()
    bench.request(version)
    bench.work()
    decision = evaluate_version(version=version, alias="champion", as_of=timezone.now()).decision
    assert decision is not None
    assert decision.verdict == "deny"
    [gate] = [gate for gate in decision.gates if gate.id == "bias-race"]
    assert gate.outcome == "insufficient"
    assert "No evaluation set is bound to this model" in gate.reason
    assert "manage.py evaluation_set bind" in gate.reason
    # Of what others may report, nothing is said to be ours.
    assert not Evidence.objects.filter(kind="performance", origin="computed").exists()


def test_a_version_without_its_lock_says_which_leg_is_missing(bench: Bench) -> None:
    bench.register()
    bench.bind()
    bias = audit(bench, bench.train(lock=False))
    assert bias.conclusion == "error"
    assert bias.reasons[0].startswith("environment: ")


def test_a_set_whose_bytes_are_others_is_not_used(bench: Bench) -> None:
    digest = bench.register()
    bench.bind()
    folder = Path(settings.EVALUATION_SETS)
    assert folder.stat().st_mode & 0o777 == 0o700
    kept = folder / digest.removeprefix("sha256:")
    assert kept.stat().st_mode & 0o777 == 0o400
    kept.chmod(0o600)
    kept.write_bytes(as_csv(TRAINING))
    bias = audit(bench, bench.train())
    assert bias.conclusion == "error"
    assert "not the one that was registered" in bias.reasons[0]


def test_a_model_is_not_audited_again_and_again_until_it_passes(bench: Bench) -> None:
    digest = bench.register()
    bench.bind()
    bench.govern(most=2)
    versions = [bench.train() for _ in range(3)]
    for version in versions[:2]:
        record = LineageRecord.objects.get(version_uri=version.uri)
        record_evidence(
            version_uri=version.uri,
            stream=record.stream,
            subject_digest=record.subject_digest,
            found=NewEvidence(
                kind="bias",
                origin="computed",
                conclusion="fail",
                reasons=[],
                criteria={},
                measurements={},
                inputs=[{"name": "evaluation set", "digest": digest}],
            ),
            actor=SET_AUDIT,
            now=timezone.now(),
        )
    with pytest.raises(SetAuditNotPossible, match="audited 2 times with held-out version 1"):
        audit(bench, versions[2])
    # By its name alone it is another set; by its bytes it is this one.
    bench.register(name="renamed")
    bench.bind("renamed")
    bench.request(versions[2])
    bench.work()
    assert "its policy allows no more" in bench.evidence(versions[2]).reasons[0]
    bench.register(as_csv(HELD_OUT[:500]), name="renamed")
    bench.bind("renamed")
    bench.request(versions[2])
    assert bench.job(versions[2]).status == "queued"


def test_one_worker_at_a_time_and_the_one_that_was_lost_writes_nothing(bench: Bench) -> None:
    bench.register()
    bench.bind()
    version = bench.train()
    job = request_set_audit(
        version=version,
        actor=actor_of(bench.registry.world.people["engineer"]),
        now=timezone.now(),
    )
    with lease_job(job_id=job.pk, clock=timezone.now) as held:
        assert held is not None
        with lease_job(job_id=job.pk, clock=timezone.now) as other:
            assert other is None
        tasks.predict_on_evaluation_set(str(job.pk))
        assert not Evidence.objects.filter(origin="computed").exists()
        Job.objects.filter(pk=job.pk).update(
            updated_at=timezone.now() - LEASE_LOST_AFTER - timedelta(seconds=1)
        )
        later = timezone.now() + LEASE_LOST_AFTER + timedelta(seconds=60)
        with lease_job(job_id=job.pk, clock=lambda: later) as taken:
            assert taken is not None
            assert taken.job.attempts == 1
            held.beat(timezone.now())
            assert held.is_lost()
            with transaction.atomic():
                assert not held.hold()
