"""The SLSA provenance v1 predicate of a registered version, from what MLflow recorded.

Source: https://slsa.dev/spec/v1.0/provenance. What SLSA has no field for stands in
`internalParameters` under keys that begin with ``muniment_``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from lineage.domain.captured import (
    NO_FILE,
    KeptFile,
    LockFile,
    commit_of,
    dataset_name_of,
    dataset_sha256_of,
    dataset_uri_of,
    entry_point_of,
    remote_of,
    seeds_of,
)
from lineage.domain.environment import LOCK_PATH
from lineage.domain.graph import BASE_MODEL_TAG, base_models_in
from lineage.domain.leg import Leg
from lineage.domain.redaction import bounded, without_credentials
from lineage.domain.rows import Run
from lineage.domain.snapshot import VersionSnapshot
from muniment import lineage_file
from muniment.attest.digest import Digest, canonical_json
from muniment.attest.statement import format_time
from muniment.datasets.reference import DatasetReference
from muniment.lineage_file import LineageFile

BUILD_TYPE: Final = "https://muniment.dev/mlflow-training/v1"
BUILDER: Final = "https://muniment.dev/builders/mlflow-run/v1"
"""Whoever trained: an MLflow run has no authenticated author, and the name says no more."""

# A leaf of the log holds 65,535 bytes, base64 and signature included; longer parameters are kept
# beside the log, and the leaf holds their digest.
MAX_PARAMETER_BYTES: Final = 20_000
MAX_DATASET_BYTES: Final = 8_000


@dataclass(frozen=True, slots=True)
class Dependency:
    """Something that the version was made from; `digest` is textual, empty where a URI names it."""

    name: str
    digest: str
    uri: str | None = None

    def as_resource(self) -> dict[str, Any]:
        """Return the in-toto ResourceDescriptor."""
        algorithm, _, digits = self.digest.partition(":")
        digest = {"digest": {algorithm: digits}} if self.digest else {}
        uri = {} if self.uri is None else {"uri": self.uri}
        return {"name": self.name, **digest, **uri}

    def as_mapping(self) -> dict[str, str | None]:
        """Return it for the facts that pages and reports show."""
        return {"name": self.name, "digest": self.digest or None, "uri": self.uri}


def dependencies_of(
    run: Run,
    lock: LockFile | None,
    file: LineageFile | None = None,
    logged: Sequence[DatasetReference] = (),
) -> tuple[Dependency, ...]:
    """Return code, data and environment, those of them that are named by a full digest; and what
    it was tuned from, by a digest or by the name of one exact version.

    Args:
        lock: of the run, from the place where its lineage file has it where there is `file`.
        logged: data sets that the run logged, as its commit names them.
    """
    found = []
    commit = commit_of(run, file)
    if commit is not None:
        found.append(Dependency("code", f"gitCommit:{commit}", remote_of(run, file)))
    if file is not None and file.datasets:
        found += _captured(file.datasets)
    else:
        found += _tagged(run) or _captured(logged)
    if lock is not None:
        place = bounded(without_credentials(run.artifact_uri), 500)
        path = LOCK_PATH if file is None else lineage_file.LOCK_PATH
        uri = f"{place}/{path}" if place else None
        found.append(Dependency("environment lock", f"sha256:{lock.sha256}", uri))
    for said in base_models_in(run.tags.get(BASE_MODEL_TAG, "")):
        named = said.startswith("models:/")
        found.append(
            Dependency("base model", "", bounded(said, 300))
            if named
            else Dependency("base model", said)
        )
    return tuple(found)


def _tagged(run: Run) -> list[Dependency]:
    dataset, name = dataset_sha256_of(run), dataset_name_of(run)
    if dataset is None:
        return []
    said = f"data: {name}" if name else "data"
    return [Dependency(said, f"sha256:{dataset}", dataset_uri_of(run))]


def _captured(datasets: Sequence[DatasetReference]) -> list[Dependency]:
    """Name every data set with its role; too many for a leaf are named by one digest."""
    found = [
        Dependency(
            f"data: {one.name}" if one.role == "training" else f"{one.role} data: {one.name}",
            str(one.digest),
            bounded(one.uri, 1000) or None,
        )
        for one in datasets
    ]
    if len(canonical_json([one.as_mapping() for one in found])) <= MAX_DATASET_BYTES:
        return found
    digest = Digest.of_bytes(canonical_json([one.as_mapping() for one in datasets]))
    return [Dependency(f"data: {len(datasets)} data sets", str(digest))]


def build_predicate(
    *,
    snapshot: VersionSnapshot,
    run: Run | None,
    legs: Sequence[Leg],
    dependencies: Sequence[Dependency],
    artifacts: Mapping[str, object],
    kept: KeptFile = NO_FILE,
) -> dict[str, Any]:
    """Return the predicate, without the stream's three keys: those come with the position.

    Args:
        run: the run that the version's bytes are tied to; None where none is.
        dependencies: with a full digest each.
        artifacts: how many files and bytes were hashed, or why none was.
        kept: the run's lineage file; the statement holds its digest.
    """
    named = {"muniment_lineage_file": {"sha256": kept.sha256}} if kept.file else {}
    return {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": _external_parameters(run, kept.file),
            "internalParameters": {
                "muniment_legs": {leg.name: leg.as_mapping() for leg in legs},
                "muniment_version": _version(snapshot),
                "muniment_artifacts": dict(artifacts),
                **named,
            },
            "resolvedDependencies": [item.as_resource() for item in dependencies],
        },
        "runDetails": {"builder": {"id": BUILDER}, "metadata": _metadata(run)},
    }


def _external_parameters(run: Run | None, file: LineageFile | None) -> dict[str, Any]:
    if run is None:
        return {"parameters": {}, "seeds": {}, "entry_point": None}
    parameters = dict(run.params)
    whole = canonical_json(parameters)
    said: dict[str, Any] = {
        "seeds": seeds_of(run, file),
        "entry_point": entry_point_of(run, file),
    }
    if len(whole) <= MAX_PARAMETER_BYTES:
        return {"parameters": parameters, **said}
    return {
        "parameters": {},
        "parameters_count": len(parameters),
        "parameters_sha256": hashlib.sha256(whole).hexdigest(),
        **said,
    }


def _version(snapshot: VersionSnapshot) -> dict[str, Any]:
    return {
        "source": snapshot.source_name,
        "registered_model": bounded(snapshot.model_name, 300),
        "version": snapshot.version,
        "created_on": _time(snapshot.creation_timestamp_ms),
        "run_id": None if snapshot.run_id is None else bounded(snapshot.run_id, 200),
        "source_uri": (
            None
            if snapshot.source_uri is None
            else bounded(without_credentials(snapshot.source_uri), 500)
        ),
    }


def _metadata(run: Run | None) -> dict[str, Any]:
    if run is None:
        return {}
    times = {"startedOn": run.start_time, "finishedOn": run.end_time}
    return {
        "invocationId": bounded(run.run_id, 200),
        **{key: _time(moment) for key, moment in times.items() if moment is not None},
    }


def _time(milliseconds: int) -> str:
    return format_time(
        datetime.fromtimestamp(milliseconds // 1000, UTC).replace(
            microsecond=milliseconds % 1000 * 1000
        )
    )
