"""Versions asked about the evaluation set, with a real MLflow and a real sandbox."""

from __future__ import annotations

from collections import Counter

from django.utils import timezone

from audits.models import Evidence, Job
from registry.services.evaluation import load_view
from registry.services.work import order_job
from tests.integration.evaluation_sets.applicants import HELD_OUT, decide
from tests.integration.evaluation_sets.conftest import Bench
from tests.integration.registry.live import MODEL
from tests.integration.registry.predictions import parquet


def perfect() -> bytes:
    """Return predictions that say that every decision was right and no group is worse off."""
    return parquet(
        {
            "row_id": [row["row"] for row in HELD_OUT],
            "label": [row["approve"] for row in HELD_OUT],
            "prediction": [row["approve"] for row in HELD_OUT],
            "race": [row["race"] for row in HELD_OUT],
            "sex": [row["sex"] for row in HELD_OUT],
        }
    )


def test_what_muniment_computes_is_what_the_model_decides_whatever_the_team_reports(
    bench: Bench,
) -> None:
    digest = bench.register()
    bench.registry.bind(MODEL)
    bench.bind()
    version = bench.train(predictions=perfect())
    assert bench.evidence(version, "performance").measurements["accuracy"] == 1.0
    bench.request(version)
    assert bench.job(version).status == "queued"
    bench.work()
    bias, performance = bench.evidence(version), bench.evidence(version, "performance")
    assert (bias.origin, performance.origin) == ("computed", "computed")
    expected = Counter(
        (row["race"], decide(row), row["approve"] == decide(row)) for row in HELD_OUT
    )
    for race, group in bias.measurements["attributes"]["race"]["groups"].items():
        assert group["selected"] == expected[race, 1, True] + expected[race, 1, False]
        assert group["tp"] == expected[race, 1, True]
    right = sum(count for (_, _, is_right), count in expected.items() if is_right)
    assert performance.measurements["accuracy"] == right / len(HELD_OUT) < 1.0
    named = {one["name"]: one["digest"] for one in bias.inputs}
    assert named["evaluation set"] == digest
    assert named["model"] == bias.subject_digest
    assert named["predictions"].startswith("sha256:")
    stated = bias.measurements["evaluation_set"]
    assert (stated["name"], stated["version"], stated["audits"]) == ("held-out", 1, 1)
    assert stated["contamination"] == {"checked": True, "rows": 0, "tables": 1, "unchecked": []}
    # Reported once more, and later: what was computed about the same bytes stays what counts.
    order_job(
        kind=Job.Kind.PREDICTIONS_AUDIT,
        version_uri=version.uri,
        requested_by=None,
        now=timezone.now(),
    )
    bench.work()
    assert Evidence.objects.filter(version_uri=version.uri).latest("entry_id").origin == "reported"
    assert bench.evidence(version, "performance").pk == performance.pk
    view = load_view(version=version, alias="champion")
    assert {item.origin for item in view.items if item.superseded_by is None} == {"computed"}
