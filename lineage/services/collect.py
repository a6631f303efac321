"""Collecting what a version was made of, from MLflow alone; nothing is written."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lineage.artifacts import ArtifactsUnreadable, ArtifactTree, hash_artifacts
from lineage.domain.artifact_names import logged_model_id
from lineage.domain.captured import (
    NO_FILE,
    KeptFile,
    LockFile,
    announces_file,
    capture_of,
    commit_of,
    dataset_facts_of,
    entry_point_of,
    is_being_captured,
    keep_file,
    remote_of,
    seeds_of,
)
from lineage.domain.environment import LOCK_PATH, MAX_LOCK_BYTES, read_environment
from lineage.domain.grading import Origins, grade_legs
from lineage.domain.graph import BASE_MODEL_TAG, base_models_in
from lineage.domain.leg import Leg
from lineage.domain.link import Link, LinkKind, judge_link
from lineage.domain.provenance import build_predicate, dependencies_of
from lineage.domain.rows import LoggedModel, Run
from lineage.domain.snapshot import VersionSnapshot
from lineage.errors import ArtifactMissing, CaptureUnfinished, MlflowMissing
from lineage.mlflow import MlflowClient
from lineage.services.logged_datasets import find_logged
from lineage.services.rereading import NO_ACCESS, pinned_datasets, reread_datasets
from muniment import lineage_file
from muniment.attest.digest import Digest, canonical_json
from muniment.datasets import Access, DatasetReference

REQUIREMENTS = "requirements.txt"


@dataclass(frozen=True, slots=True)
class CollectedLineage:
    """A version's lineage, ready to be recorded.

    Attributes:
        subject_digest: the ``dirHash`` of the artifacts; without any, the SHA-256 of the
            version's canonical registry row.
        legs: code, data, environment and configuration, in this order.
        predicate: of SLSA provenance v1, without the stream's three keys.
        facts: the same as JSON for pages and reports: ``parameters``, ``metrics``, ``seed``,
            ``commit``, ``remote``, ``dataset``, ``entry_point``, ``packages``, ``base_models``
            (digests, or names with a version, that the run was tuned from), ``dependencies``,
            and ``capture``: the lineage file that a recomputation repeats; None where too little
            is known.
        artifacts: every file's digest, or why there is none.
    """

    snapshot: VersionSnapshot
    subject_digest: Digest
    legs: tuple[Leg, ...]
    predicate: Mapping[str, Any]
    facts: Mapping[str, Any]
    artifacts: ArtifactTree | ArtifactsUnreadable
    link: Link

    @property
    def files(self) -> Mapping[str, str]:
        """Return file name → SHA-256; empty where there are no artifacts."""
        return self.artifacts.files if isinstance(self.artifacts, ArtifactTree) else {}


def collect_lineage(
    client: MlflowClient,
    snapshot: VersionSnapshot,
    *,
    row: Mapping[str, Any],
    now: datetime,
    access: Access = NO_ACCESS,
    remotes: Sequence[str] = (),
) -> CollectedLineage:
    """Read a version's run, logged model, lock file and artifact bytes; grade each leg.

    What is missing, deleted or unreadable is graded so, with the reason in words.

    Args:
        row: the version's canonical registry row, the subject where there are no artifacts.
        access: from where the run's data sets may be read again; nowhere by default.
        remotes: from where its code may be fetched, to see what DVC tracks at its commit.

    Raises:
        MlflowUnavailable: MLflow did not answer, or the training is still being recorded
            (CaptureUnfinished): nothing may be concluded from that.
        MlflowRefused: MLflow does not let us read.
    """
    run = _run(client, snapshot)
    logged_model = _logged_model(client, snapshot)
    link = judge_link(snapshot, run, logged_model)
    if run is not None and link.kind is LinkKind.SHOWN and is_being_captured(run, now):
        raise CaptureUnfinished(f"The run {run.run_id} is still being recorded.")
    artifacts = _artifacts(client, snapshot, logged_model, run)
    # What a run says is said of this version only where something ties the two.
    tied = run if link.kind in (LinkKind.SHOWN, LinkKind.IN_RUN_FOLDER) else None
    kept = NO_FILE if tied is None else _kept_file(client, tied)
    lock, lock_fault = (None, "") if tied is None else _lock(client, tied, kept)
    tree = artifacts if isinstance(artifacts, ArtifactTree) else None
    datasets = () if kept.file is None else kept.file.datasets
    logged = () if tied is None or datasets else find_logged(tied, access=access, remotes=remotes)
    legs = grade_legs(
        Origins(
            run=tied,
            link=link,
            lock=lock,
            lock_fault=lock_fault,
            artifact_fault=(artifacts.reason if isinstance(artifacts, ArtifactsUnreadable) else ""),
            has_requirements=tree is not None and REQUIREMENTS in tree.files,
            kept=kept,
            reread=reread_datasets(datasets, access),
            pinned=pinned_datasets(datasets, access),
            logged=logged,
        )
    )
    dependencies = () if tied is None else dependencies_of(tied, lock, kept.file, logged)
    return CollectedLineage(
        snapshot=snapshot,
        subject_digest=_row_digest(row) if tree is None else tree.dir_hash,
        legs=legs,
        predicate=build_predicate(
            snapshot=snapshot,
            run=tied,
            legs=legs,
            dependencies=dependencies,
            artifacts=_artifact_facts(artifacts),
            kept=kept,
        ),
        facts={
            **_facts(tied, lock, kept, logged),
            "dependencies": [item.as_mapping() for item in dependencies],
            "artifacts": _artifact_facts(artifacts),
        },
        artifacts=artifacts,
        link=link,
    )


def artifacts_of_version(
    client: MlflowClient, snapshot: VersionSnapshot
) -> ArtifactTree | ArtifactsUnreadable:
    """Hash a version's artifacts as they are now, to compare with what was recorded.

    Raises:
        As `collect_lineage`.
    """
    return _artifacts(client, snapshot, _logged_model(client, snapshot), _run(client, snapshot))


def place_of_artifacts(
    client: MlflowClient, snapshot: VersionSnapshot
) -> str | ArtifactsUnreadable:
    """Return the URI of the folder that a version's files are in, or why there is none.

    Raises:
        As `collect_lineage`.
    """
    return _place(snapshot, _logged_model(client, snapshot), _run(client, snapshot))


def _run(client: MlflowClient, snapshot: VersionSnapshot) -> Run | None:
    if not snapshot.run_id:
        return None
    try:
        return client.get_run(snapshot.run_id)
    except MlflowMissing:
        return None


def _logged_model(client: MlflowClient, snapshot: VersionSnapshot) -> LoggedModel | None:
    model_id = logged_model_id(snapshot.source_uri or "")
    if model_id is None:
        return None
    try:
        return client.get_logged_model(model_id)
    except MlflowMissing:
        return None


def _artifacts(
    client: MlflowClient,
    snapshot: VersionSnapshot,
    logged_model: LoggedModel | None,
    run: Run | None,
) -> ArtifactTree | ArtifactsUnreadable:
    place = _place(snapshot, logged_model, run)
    return hash_artifacts(client, place) if isinstance(place, str) else place


def _place(
    snapshot: VersionSnapshot, logged_model: LoggedModel | None, run: Run | None
) -> str | ArtifactsUnreadable:
    source = snapshot.source_uri
    if not source:
        return ArtifactsUnreadable("missing", "The version names no source of its files.")
    if logged_model is not None:
        return logged_model.artifact_uri
    model_id = logged_model_id(source)
    if model_id is not None:
        return ArtifactsUnreadable(
            "missing", f"The logged model {model_id} with the version's files is not in MLflow."
        )
    if run is not None and source.startswith(f"runs:/{run.run_id}/"):
        return f"{run.artifact_uri}/{source.removeprefix(f'runs:/{run.run_id}/')}"
    return source


def _kept_file(client: MlflowClient, run: Run) -> KeptFile:
    if not announces_file(run):
        return NO_FILE
    try:
        content = client.read_artifact(
            run.artifact_uri, lineage_file.LINEAGE_PATH, max_bytes=lineage_file.MAX_BYTES
        )
    except ArtifactMissing as error:
        return KeptFile(fault=f"The run's muniment/lineage.json cannot be read. {error}")
    return keep_file(run, content)


def _lock(client: MlflowClient, run: Run, kept: KeptFile) -> tuple[LockFile | None, str]:
    if kept.file is None:
        path = LOCK_PATH
    elif kept.file.environment.lock_sha256:
        path = lineage_file.LOCK_PATH
    else:
        return None, ""  # nothing is announced: there is nothing to read
    try:
        content = client.read_artifact(run.artifact_uri, path, max_bytes=MAX_LOCK_BYTES)
    except ArtifactMissing as error:
        return None, str(error)
    return LockFile(hashlib.sha256(content).hexdigest(), read_environment(content)), ""


def _facts(
    run: Run | None,
    lock: LockFile | None,
    kept: KeptFile,
    logged: Sequence[DatasetReference],
) -> dict[str, Any]:
    if run is None:
        return {"parameters": {}, "metrics": {}, "packages": {}, "capture": None}
    capture = capture_of(run, kept.file, lock, logged)
    return {
        "parameters": dict(run.params),
        "metrics": dict(run.metrics),
        "seed": next(iter(seeds_of(run, kept.file).values()), None),
        "commit": commit_of(run, kept.file),
        "remote": remote_of(run, kept.file),
        "entry_point": entry_point_of(run, kept.file),
        "dataset": dataset_facts_of(run, kept.file),
        "packages": {} if lock is None else dict(lock.environment.packages),
        "base_models": list(base_models_in(run.tags.get(BASE_MODEL_TAG, ""))),
        "capture": None if capture is None else capture.as_mapping(),
    }


def _artifact_facts(artifacts: ArtifactTree | ArtifactsUnreadable) -> dict[str, Any]:
    if isinstance(artifacts, ArtifactTree):
        return {"files": len(artifacts.files), "bytes": artifacts.total_bytes}
    return {"files": 0, "fault": artifacts.fault, "reason": artifacts.reason[:600]}


def _row_digest(row: Mapping[str, Any]) -> Digest:
    return Digest.of_bytes(canonical_json(dict(row)))
