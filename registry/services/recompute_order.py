"""What is ordered of a recomputation, from a version's lineage record and its run's lock file."""

from __future__ import annotations

import hashlib
from functools import partial
from typing import Final

from lineage.domain.comparison import Verdict
from lineage.domain.differences import Outcome
from lineage.domain.environment import LOCK_PATH as UNKITTED_LOCK_PATH
from lineage.errors import ArtifactMissing
from lineage.mlflow import MlflowClient
from lineage.models import LineageRecord, Recomputation
from lineage.recompute.order import LegOutcome, RecomputationOrder, Recomputed
from lineage.services.originals import fetch_originals
from muniment.lineage_file import (
    LOCK_PATH,
    LineageFile,
    LineageFileInvalid,
    read_mapping,
)
from registry.domain.words import Leg
from registry.models import ModelVersion
from registry.services.lineage import snapshot_of

MAX_LOCK_BYTES: Final = 16 * 1024 * 1024
_NO_LOG: Final = hashlib.sha256(b"").hexdigest()


class NotRecorded(Exception):
    """The lineage record does not hold what is needed to train the version again.

    Attributes:
        leg: the one that is to blame.
    """

    def __init__(self, leg: Leg, reason: str) -> None:
        super().__init__(reason)
        self.leg = leg


def order_of(
    recomputation: Recomputation, version: ModelVersion, client: MlflowClient
) -> RecomputationOrder:
    """Return the order of a recomputation.

    Raises:
        NotRecorded: the record says too little, or the lock file is not the recorded one.
        MlflowUnavailable, MlflowRefused: MLflow does not answer, or does not let us read.
    """
    record = recomputation.record
    capture = capture_of(record)
    return RecomputationOrder(
        version_uri=record.version_uri,
        record_sha256=record.entry.sha256,
        source_name=version.registered_model.source_id,
        capture=capture,
        lock=lock_of(capture, record.run_id, client),
        recorded=Outcome(
            files=record.artifacts,
            metrics=record.facts.get("metrics", {}),
            parameters=record.facts.get("parameters", {}),
        ),
        fetch_model=partial(fetch_originals, client, snapshot_of(version), record.artifacts),
        repeats=recomputation.repeats,
        negative_control=recomputation.negative_control,
    )


def not_recorded(recomputation: Recomputation, error: NotRecorded) -> Recomputed:
    """Return what a recomputation comes to whose record says too little to begin."""
    reason = f"{error.leg.value}: {error}"
    legs = {
        leg.value: LegOutcome("failed", str(error)) if leg is error.leg else LegOutcome(_UNREACHED)
        for leg in Leg
    }
    return Recomputed(
        verdict=Verdict.NOT_REPRODUCIBLE,
        reason=reason,
        legs=legs,
        measurements={
            "basis": "nothing",
            "legs": {name: leg.as_mapping() for name, leg in legs.items()},
            "record_sha256": recomputation.record.entry.sha256,
            "log_sha256": _NO_LOG,
        },
        log_sha256=_NO_LOG,
    )


_UNREACHED: Final = "not_reached"


def capture_of(record: LineageRecord) -> LineageFile:
    """Return what the training recorded of itself.

    Raises:
        NotRecorded: nothing, or nothing that can be read.
    """
    recorded = record.facts.get("capture")
    if recorded is None:
        raise NotRecorded(
            Leg.CONFIGURATION,
            "The lineage record does not say how the version was trained. Train it by "
            "`muniment run`, and register the model that comes of it.",
        )
    try:
        return read_mapping(recorded)
    except LineageFileInvalid as error:
        raise NotRecorded(
            Leg.CONFIGURATION, f"What the run recorded of itself cannot be read: {error.message}"
        ) from error


def lock_of(capture: LineageFile, run_id: str, client: MlflowClient) -> bytes:
    """Return the recorded lock file's bytes; none where none is recorded.

    Raises:
        NotRecorded: the run has no lock file, or another one.
        MlflowUnavailable, MlflowRefused: MLflow does not answer, or does not let us read.
    """
    wanted = capture.environment.lock_sha256
    if not wanted:
        return b""
    why = ""
    # The kit's place, and the one where trainings without the kit keep theirs.
    for path in (LOCK_PATH, UNKITTED_LOCK_PATH):
        try:
            content = client.read_run_artifact(run_id, path, max_bytes=MAX_LOCK_BYTES)
        except ArtifactMissing as error:
            why = why or str(error)
            continue
        if hashlib.sha256(content).hexdigest() == wanted:
            return content
        why = f"The run's lock file {path} is not the one that was recorded."
    raise NotRecorded(Leg.ENVIRONMENT, why)
