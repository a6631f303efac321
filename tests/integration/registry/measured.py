"""Evidence with the measurements that training the example really gave, or with none."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from audits.domain.actor import PREDICTIONS_AUDIT
from audits.models import Evidence
from audits.services.evidence import NewEvidence, record_evidence
from lineage.models import LineageRecord
from registry.models import ModelVersion
from tests.integration.web.world import ROOT, World

BOSTON: Mapping[str, Mapping[str, Any]] = json.loads(
    (ROOT / "tests/unit/registry/boston_mortgage.json").read_text("utf-8")
)


def record(
    world: World,
    version: ModelVersion,
    kind: str,
    measurements: Mapping[str, Any],
    *,
    conclusion: str = "pass",
    origin: str = "reported",
    reasons: tuple[str, ...] = (),
) -> Evidence:
    """Record one item of evidence about a version's recorded bytes."""
    subject = LineageRecord.objects.filter(version_uri=version.uri).latest("entry_id")
    return record_evidence(
        version_uri=version.uri,
        stream=version.registered_model.uri,
        subject_digest=subject.subject_digest,
        found=NewEvidence(
            kind=kind,
            origin=origin,
            conclusion=conclusion,
            reasons=reasons,
            criteria={},
            measurements=measurements,
            inputs=[],
        ),
        actor=PREDICTIONS_AUDIT,
        now=world.tick(),
    )


def record_boston(world: World, version: ModelVersion, variant: str) -> None:
    """Record what was measured on `v1`, `v2` or `v3` of the example."""
    record(world, version, "bias", BOSTON[variant]["bias"])
    record(world, version, "performance", BOSTON[variant]["performance"])
