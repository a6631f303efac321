"""Auditing a version with the evaluation set that Muniment holds: evidence that is computed."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import close_old_connections

from audits.domain.evaluation_set import SetColumns
from audits.models import Job
from audits.services.evidence import MAX_ATTEMPTS
from audits.services.job_lease import JobLease, lease_job
from lineage.errors import ArtifactMissing, MlflowUnavailable
from lineage.mlflow import MlflowClient
from lineage.models import LineageRecord
from lineage.recompute.errors import RecomputationCancelled, RecomputeError, SandboxUnavailable
from lineage.services.originals import fetch_originals
from muniment.attest.digest import Digest, canonical_json, dir_hash_of
from muniment.datasets import DatasetUnreachable
from registry.errors import EvaluationSetMissing
from registry.models import EvaluationSet, ModelVersion
from registry.selectors.evaluation_sets import bound_set
from registry.services.evaluation_files import kept_file
from registry.services.lineage import snapshot_of
from registry.services.predictions import bias_criteria
from registry.services.recompute_order import NotRecorded, capture_of, lock_of
from registry.services.set_audit_orders import NO_SET, why_no_more
from registry.services.set_audit_results import Outcome, record_outcome

if TYPE_CHECKING:
    from lineage.recompute.tools import Tools

    ToolsFor = Callable[[str, UUID], AbstractContextManager[Tools]]

# What passes by itself, and is no attempt however often it happens. A lease that was lost stops the
# sandbox: another is at work then, and nothing is written.
_PASSING = (MlflowUnavailable, DatasetUnreachable, RecomputationCancelled)
_GAVE_UP = "It was tried several times and came to no end, the last time by"


class _Refused(Exception):
    """The audit comes to no measurement, and trying again gives the same; a sentence says why."""


def perform_set_audit(
    *,
    job_id: UUID,
    client: MlflowClient,
    tools_for: ToolsFor,
    clock: Callable[[], datetime],
) -> None:
    """Audit a version with its model's evaluation set, if it is its turn; evidence comes of it.

    What cannot be audited gives evidence with the conclusion `error` and the reason, never a pass.
    What may pass by itself puts the job back; after five attempts that is such evidence too.

    Args:
        tools_for: gives what this worker has for a registry source's version and a job.

    Raises:
        Exception: whatever went wrong and may pass; the job is queued again.
    """
    with lease_job(job_id=job_id, clock=clock) as lease:
        if lease is None:
            return
        version = ModelVersion.objects.select_related("registered_model__source").get(
            uri=lease.job.version_uri
        )
        record = LineageRecord.objects.filter(version_uri=version.uri).order_by("-entry_id").first()
        if record is None:
            _put_back(lease, "The lineage record is not there yet.", is_attempt=True, now=clock())
            return
        audit = _Audit(version, record, bound_set(version.registered_model), lease)
        try:
            outcome = audit.perform(client, tools_for)
        except Exception as error:
            close_old_connections()
            is_attempt = not isinstance(error, _PASSING)
            if not is_attempt or lease.job.attempts + 1 < MAX_ATTEMPTS:
                why = f"{type(error).__name__}: {error}"
                _put_back(lease, why, is_attempt=is_attempt, now=clock())
                raise
            # What an error says may quote a name or a path: it is for the row, not for the log.
            outcome = audit.failed(f"{_GAVE_UP} {type(error).__name__}.")
        close_old_connections()  # it lay idle for as long as the model was asked
        record_outcome(lease=lease, version=version, record=record, outcome=outcome, now=clock())


class _Audit:
    """One audit: of which version, with which set, and what was found out on the way."""

    def __init__(
        self,
        version: ModelVersion,
        record: LineageRecord,
        evaluation_set: EvaluationSet | None,
        lease: JobLease,
    ) -> None:
        self._version, self._record, self._set = version, record, evaluation_set
        self._lease = lease
        self._contamination: dict[str, Any] = {}

    def perform(self, client: MlflowClient, tools_for: ToolsFor) -> Outcome:
        """Audit; what is wrong for good becomes an outcome, what may pass is raised."""
        if self._set is None:
            return self.failed(f"{NO_SET}.")
        try:
            if self._lease.job.attempts >= MAX_ATTEMPTS:
                raise _Refused(f"{_GAVE_UP} the loss of its worker.")
            if refusal := why_no_more(self._set, self._version.registered_model):
                raise _Refused(f"{refusal}.")
            return self._audited(self._set, client, tools_for)
        except (_Refused, ArtifactMissing, SandboxUnavailable, EvaluationSetMissing) as error:
            return self.failed(str(error))
        except NotRecorded as error:
            return self.failed(f"{error.leg.value}: {error}")
        except RecomputeError as error:
            return self.failed(f"{error.leg}: {error}" if error.leg else str(error))

    def failed(self, reason: str) -> Outcome:
        """Return that nothing was measured, and why."""
        return Outcome(self._set, self._contamination, reason=reason)

    def _audited(self, found: EvaluationSet, client: MlflowClient, tools_for: ToolsFor) -> Outcome:
        from audits.predictions.audit import audit_predictions
        from audits.predictions.evaluation_file import SetUnusable, write_predictions
        from lineage.recompute.evaluating import (
            EvaluatingStep,
            EvaluationOrder,
            evaluate_model,
            find_contamination,
        )

        record, lease = self._record, self._lease
        lease.report_step(EvaluatingStep.SET)
        columns = SetColumns.from_mapping(found.columns)
        criteria = bias_criteria(self._version)
        self._require_groups(found, columns, criteria.columns)
        if str(dir_hash_of(record.artifacts)) != record.subject_digest:
            raise _Refused("The lineage record names no files of this version.")
        capture = capture_of(record)
        order = EvaluationOrder(
            capture=capture,
            lock=lock_of(capture, record.run_id, client),
            fetch_model=partial(
                fetch_originals, client, snapshot_of(self._version), record.artifacts
            ),
            set_file=kept_file(Digest.parse(found.digest)),
            columns=columns,
            are_scores=criteria.cutoff is not None,
        )
        with tools_for(self._version.registered_model.source_id, lease.job.pk) as tools:
            lease.report_step(EvaluatingStep.TRAINING_DATA)
            contamination = find_contamination(order, tools)
            self._contamination = contamination.as_mapping()
            if contamination.rows:
                raise _Refused(
                    f"{contamination.rows:,} of the {found.rows:,} rows of {found} stand in the "
                    "version's training data too, so that what it decides on the set shows "
                    "nothing. Train without them, or have a version of the set without them bound."
                )
            evaluated = evaluate_model(
                order, tools, report_step=lease.report_step, cancelled=lease.is_lost
            )
        lease.report_step(EvaluatingStep.AUDITING)
        with tempfile.TemporaryDirectory(prefix="muniment-set-audit-") as folder:
            path = Path(folder) / "answers.parquet"
            more = [name for name in (criteria.weight, criteria.person) if name]
            try:
                named = write_predictions(
                    order.set_file, columns, evaluated.answers, path, more=more
                )
            except SetUnusable as error:
                raise _Refused(f"{found} does not fit the policy: {error}.") from error
            audit = audit_predictions(
                path, criteria, columns=replace(named, groups=criteria.columns)
            )
        said = {
            "evaluation_set": found.digest,
            "model": record.subject_digest,
            "columns": {
                name: list(values) for name, values in evaluated.predictions.columns.items()
            },
        }
        return Outcome(
            found,
            self._contamination,
            drafts=(audit.bias, audit.performance),
            predictions_digest=str(Digest.of_bytes(canonical_json(said))),
        )

    def _require_groups(
        self, found: EvaluationSet, columns: SetColumns, wanted: Iterable[str]
    ) -> None:
        lacking = [name for name in wanted if name not in columns.groups]
        if lacking:
            raise _Refused(
                f"The policy asks for groups by {', '.join(lacking)}, and {found} has no such "
                "column of groups. An admin registers and binds a version that has."
            )


def _put_back(lease: JobLease, why: str, *, is_attempt: bool, now: datetime) -> None:
    lease.give_back(status=Job.Status.QUEUED, error=why, is_attempt=is_attempt, now=now)
