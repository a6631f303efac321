"""What a recomputation came to: evidence, and the promotions that it decides."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import transaction

from accounts.models import NoticeKind
from accounts.services.notices import post_notice
from audits.domain.actor import RECOMPUTER
from audits.models import Evidence
from audits.services.evidence import NewEvidence, record_evidence
from lineage.domain.differences import Tolerance
from lineage.models import Recomputation
from lineage.recompute.order import Recomputed
from lineage.services.graph import hold_graph
from lineage.services.notebooks import record_repeated_notebook
from lineage.services.recomputations import finish_recomputation, hold_running
from registry.domain.gate_result import plain_text
from registry.models import ModelVersion
from registry.services.data_watch import served_versions
from registry.services.decisions import decide_open_promotions

KIND: Final = "recomputation"
_TOO_LARGE: Final = (
    "More was compared than one entry of the log can hold, so that it shows nothing."
)


@transaction.atomic(durable=True)
def record_result(
    *,
    recomputation_id: UUID,
    lease: UUID,
    version: ModelVersion,
    result: Recomputed,
    now: datetime,
) -> Evidence | None:
    """Make a verdict evidence and end its recomputation; decide the open promotions again.

    None, and nothing is written, where the lease is no longer good.
    """
    # It comes before the lock of a stream, and the lineage may be recorded again below.
    hold_graph()
    recomputation = hold_running(recomputation_id, lease)
    if recomputation is None:
        return None
    evidence = _state(
        recomputation,
        NewEvidence(
            kind=KIND,
            origin="computed",
            conclusion="pass" if result.verdict.is_reproduced else "fail",
            reasons=[result.reason],
            criteria=_criteria(recomputation),
            measurements={
                **result.measurements,
                "verdict": result.verdict.value,
                "reason": result.reason,
            },
            inputs=_inputs(recomputation),
        ),
        now,
    )
    finish_recomputation(
        recomputation=recomputation,
        evidence=evidence,
        detail={"verdict": result.verdict.value, "log_sha256": result.log_sha256},
        actor=RECOMPUTER,
        now=now,
    )
    record_repeated_notebook(
        record=recomputation.record,
        evidence=evidence,
        model_name=version.registered_model.name,
        actor=RECOMPUTER,
        now=now,
    )
    _tell(recomputation, evidence, version, now)
    decide_open_promotions(registered_model=version.registered_model, now=now)
    return evidence


@transaction.atomic(durable=True)
def record_failure(
    *, recomputation_id: UUID, lease: UUID, version: ModelVersion, failure: str, now: datetime
) -> Evidence | None:
    """Say that a recomputation came to no verdict, as evidence too; decide promotions again.

    None, and nothing is written, where the lease is no longer good.
    """
    recomputation = hold_running(recomputation_id, lease)
    if recomputation is None:
        return None
    evidence = _state(
        recomputation,
        NewEvidence(
            kind=KIND,
            origin="computed",
            conclusion="error",
            reasons=[failure[:600]],
            criteria=_criteria(recomputation),
            measurements={"record_sha256": recomputation.record.entry.sha256},
            inputs=_inputs(recomputation),
        ),
        now,
    )
    finish_recomputation(
        recomputation=recomputation,
        evidence=evidence,
        failure=failure,
        detail={},
        actor=RECOMPUTER,
        now=now,
    )
    _tell(recomputation, evidence, version, now)
    decide_open_promotions(registered_model=version.registered_model, now=now)
    return evidence


def _tell(
    recomputation: Recomputation, evidence: Evidence, version: ModelVersion, now: datetime
) -> None:
    """Tell people where what is served did not come out again, or nobody could try."""
    if evidence.conclusion == "pass" or not served_versions().filter(pk=version.pk).exists():
        return
    named = plain_text(f"{version.registered_model.name} version {version.version}")
    post_notice(
        kind=NoticeKind.REGISTRY,
        subject="A champion that was trained again did not come out as it was."
        if evidence.conclusion == "fail"
        else "A champion could not be trained again.",
        text=plain_text(f"{named}: {evidence.reasons[0]}"),
        path=f"/recomputations/{recomputation.pk}/",
        audience=["admin", "auditor", "reviewer"],
        dedup_key=f"recomputation:{recomputation.pk}",
        now=now,
    )


def _state(recomputation: Recomputation, found: NewEvidence, now: datetime) -> Evidence:
    return record_evidence(
        version_uri=recomputation.version_uri,
        stream=recomputation.stream,
        subject_digest=recomputation.record.subject_digest,
        found=found,
        if_too_large=_TOO_LARGE,
        keeping=("verdict", "reason", "record_sha256"),
        actor=RECOMPUTER,
        now=now,
    )


def _criteria(recomputation: Recomputation) -> Mapping[str, Any]:
    tolerance = Tolerance()
    return {
        "repeats": recomputation.repeats,
        "negative_control": recomputation.negative_control,
        "absolute_tolerance": tolerance.absolute,
        "relative_tolerance": tolerance.relative,
    }


def _inputs(recomputation: Recomputation) -> list[dict[str, str]]:
    return [{"name": "lineage record", "digest": f"sha256:{recomputation.record.entry.sha256}"}]
