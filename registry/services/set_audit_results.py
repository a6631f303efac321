"""What an audit with an evaluation set came to: evidence, and the promotions that it decides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import transaction

from audits.domain.actor import SET_AUDIT
from audits.models import Job
from audits.services.evidence import NewEvidence, record_evidence
from audits.services.job_lease import JobLease
from audits.services.log import lock_stream
from lineage.models import LineageRecord
from registry.models import EvaluationSet, ModelVersion
from registry.selectors.evaluation_sets import SET_INPUT, count_audits
from registry.services.decisions import decide_open_promotions
from registry.services.policies import document_of
from registry.services.predictions import TOO_MANY_GROUPS, bias_criteria
from registry.services.set_audit_orders import KINDS, why_no_more

if TYPE_CHECKING:
    from audits.predictions.audit import EvidenceDraft

_MAX_REASON = 1_000


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an audit found, or why it found nothing.

    Attributes:
        evaluation_set: None where none is bound.
        contamination: how many of its rows stand in the training data; empty where nobody looked.
        drafts: the findings, one a kind of evidence; empty where nothing was measured.
        reason: why nothing was measured, in sentences.
    """

    evaluation_set: EvaluationSet | None
    contamination: Mapping[str, Any] = field(default_factory=dict)
    drafts: tuple[EvidenceDraft, ...] = ()
    predictions_digest: str = ""
    reason: str = ""

    @property
    def tells(self) -> bool:
        """Whether it shows anything of the set: a result, or how many rows were trained on."""
        return self.contamination.get("tables", 0) > 0 or any(
            draft.conclusion != "error" for draft in self.drafts
        )


@transaction.atomic(durable=True)
def record_outcome(
    *,
    lease: JobLease,
    version: ModelVersion,
    record: LineageRecord,
    outcome: Outcome,
    now: datetime,
) -> bool:
    """Make what was found evidence and end its job; decide the open promotions again.

    False, and nothing is written, where the job is another's by now. Two audits that end at the
    same time are counted one after the other, so that the policy's bound holds for both.
    """
    lock_stream(version.registered_model.uri)
    if not lease.hold():
        return False
    if outcome.evaluation_set is not None and outcome.tells:
        refusal = why_no_more(outcome.evaluation_set, version.registered_model)
        if refusal:
            outcome = Outcome(outcome.evaluation_set, {}, reason=f"{refusal}.")
    for found in _evidence(version, record, outcome):
        _state(version, record, found, now)
    lease.give_back(status=Job.Status.DONE, error="", is_attempt=False, now=now)
    decide_open_promotions(registered_model=version.registered_model, now=now)
    return True


def _evidence(
    version: ModelVersion, record: LineageRecord, outcome: Outcome
) -> Iterator[NewEvidence]:
    found = outcome.evaluation_set
    inputs, stated = [], {}
    if found is not None:
        audits = count_audits(found, version.registered_model)
        inputs = [
            {"name": SET_INPUT, "digest": found.digest},
            {"name": "model", "digest": record.subject_digest},
        ]
        stated = {
            "evaluation_set": {
                "name": found.name,
                "version": found.version,
                "rows": found.rows,
                "audits": audits + outcome.tells,
                "contamination": dict(outcome.contamination),
            }
        }
    if outcome.predictions_digest:
        inputs.append({"name": "predictions", "digest": outcome.predictions_digest})
    for draft in outcome.drafts:
        yield NewEvidence(
            kind=draft.kind,
            origin="computed",
            conclusion=draft.conclusion,
            reasons=draft.reasons,
            criteria=draft.criteria,
            measurements={**draft.measurements, **stated},
            inputs=inputs,
        )
    if not outcome.drafts:
        for kind in sorted(KINDS if found else _asked_of_us(version)):
            yield NewEvidence(
                kind=kind,
                origin="computed",
                conclusion="error",
                reasons=[outcome.reason[:_MAX_REASON]],
                criteria=bias_criteria(version).to_mapping() if kind == "bias" else {},
                measurements=stated,
                inputs=inputs,
            )


def _asked_of_us(version: ModelVersion) -> frozenset[str]:
    """Return what the policy accepts from nobody else: only of that, nothing is said to be ours."""
    binding = getattr(version.registered_model, "binding", None)
    return KINDS & document_of(binding.policy).computed_only if binding else frozenset()


def _state(version: ModelVersion, record: LineageRecord, found: NewEvidence, now: datetime) -> None:
    record_evidence(
        version_uri=version.uri,
        stream=version.registered_model.uri,
        subject_digest=record.subject_digest,
        found=found,
        if_too_large=TOO_MANY_GROUPS,
        keeping=("evaluation_set",),
        actor=SET_AUDIT,
        now=now,
    )
