"""The team's predictions are looked at where they can count, and nowhere else."""

from __future__ import annotations

import pytest

from audits.domain.actor import GATE
from audits.models import Job
from registry.services.promotions import order_missing_evidence
from tests.integration.web.world import World, publish_and_bind
from tests.policies import lenient_credit_decision


@pytest.mark.parametrize(
    ("accepts", "is_ordered"),
    [("[computed]", False), ("[reported, computed]", True)],
)
def test_an_audit_of_predictions_is_ordered_where_a_gate_reads_it(
    world: World, accepts: str, is_ordered: bool
) -> None:
    text = lenient_credit_decision(version=2)
    head, gates = text.split("  - id: bias-race")
    gates = gates.replace("accepts: [reported, computed]", f"accepts: {accepts}")
    # Stale at once, so that it would be made again.
    document = f"{head}  - id: bias-race{gates}".replace("max_age_days: 90", "max_age_days: 1")
    publish_and_bind(world, document=document)
    version = world.version(2)
    Job.objects.filter(version_uri=version.uri).delete()
    later = world.tick().replace(year=world.now.year + 1)
    order_missing_evidence(version=version, actor=GATE, now=later)
    ordered = Job.objects.filter(version_uri=version.uri, kind=Job.Kind.PREDICTIONS_AUDIT)
    assert ordered.exists() is is_ordered
