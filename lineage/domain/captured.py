"""What a run says of its own making: in ``muniment/lineage.json``, else in MLflow's tags.

Whoever trained wrote both. Everything here is bounded and free of credentials.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import unquote, urlsplit

from lineage.domain.environment import Environment
from lineage.domain.redaction import bounded, without_credentials
from lineage.domain.rows import Run
from muniment import lineage_file
from muniment.attest.digest import Digest
from muniment.attest.statement import format_time
from muniment.datasets.reference import DatasetReference
from muniment.lineage_file import (
    HASH_SEED,
    CapturedEnvironment,
    Code,
    Command,
    LineageFile,
    LineageFileInvalid,
    Package,
    is_seed,
    parse_lineage_file,
)

COMMIT_TAG: Final = "mlflow.source.git.commit"
REMOTE_TAG: Final = "mlflow.source.git.repoURL"
DIRTY_TAG: Final = "muniment.git.dirty"
DATASET_SHA256_TAG: Final = "muniment.dataset.sha256"
DATASET_URI_TAG: Final = "muniment.dataset.uri"
DATASET_NAME_TAG: Final = "muniment.dataset.name"
LOCK_SHA256_TAG: Final = "muniment.environment.lock_sha256"
ENTRY_POINT_TAGS: Final = ("muniment.entry_point", "mlflow.project.entryPoint")
SEED_PARAMS: Final = ("seed", "random_seed", "random_state")
MAX_SEEDS: Final = 20
CAPTURE_PATIENCE: Final = timedelta(days=2)
ENDED_PATIENCE: Final = timedelta(minutes=5)

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class LockFile:
    """The lock file that a run kept, as we read and hashed it."""

    sha256: str
    environment: Environment


@dataclass(frozen=True, slots=True)
class KeptFile:
    """The lineage file that a run kept.

    Attributes:
        file: None where there is none that counts.
        sha256: of its bytes; empty where `file` is None.
        fault: why what the run announces does not count; empty where it announces nothing.
    """

    file: LineageFile | None = None
    sha256: str = ""
    fault: str = ""


NO_FILE: Final = KeptFile()


def announces_file(run: Run) -> bool:
    """Say whether a run's tag tells of a lineage file."""
    return bool(run.tags.get(lineage_file.LINEAGE_SHA256_TAG))


def is_being_captured(run: Run, now: datetime) -> bool:
    """Say whether the lineage file of a run is still to come.

    A version is often registered while its training runs, and the file is written when that has
    ended. Whoever was killed before writes none, so that this ends after `CAPTURE_PATIENCE`; what
    has ended is waited for much shorter.
    """
    if not run.tags.get(lineage_file.CAPTURE_TAG) or announces_file(run):
        return False
    ended, patience = run.end_time, ENDED_PATIENCE
    if run.status == "RUNNING" or ended is None:
        ended, patience = run.start_time or 0, CAPTURE_PATIENCE
    return now - datetime.fromtimestamp(ended / 1000, UTC) < patience


def keep_file(run: Run, content: bytes) -> KeptFile:
    """Read the lineage file of a run. Never raises: what is wrong with it is its fault.

    Args:
        content: the bytes of the artifact; they count only as the run's tag names them.
    """
    digest = Digest.of_bytes(content).hex
    if digest != run.tags.get(lineage_file.LINEAGE_SHA256_TAG):
        return KeptFile(fault="The run's muniment/lineage.json is not the one that was recorded.")
    try:
        return KeptFile(_clean(parse_lineage_file(content)), digest)
    except LineageFileInvalid as error:
        return KeptFile(fault=bounded(f"Its muniment/lineage.json is malformed: {error}.", 400))


def capture_of(
    run: Run,
    file: LineageFile | None,
    lock: LockFile | None,
    logged: Sequence[DatasetReference] = (),
) -> LineageFile | None:
    """Return what a training can be repeated from; None where too little is known.

    Args:
        file: of the run; without it the run's tags must name a commit and an entry point.
        lock: the lock file of the run.
        logged: data sets that the run logged, as its commit names them.
    """
    if file is not None:
        return file
    commit, entry_point = commit_of(run), run.tags.get(ENTRY_POINT_TAGS[0], "")
    try:
        arguments = shlex.split(entry_point)
    except ValueError:
        arguments = []
    if commit is None or not arguments:
        return None
    dirty = {"false": False, "true": True}.get(run.tags.get(DIRTY_TAG, ""))
    packages = {} if lock is None else lock.environment.packages
    return LineageFile(
        captured_at=format_time(datetime.fromtimestamp((run.start_time or 0) / 1000, UTC)),
        kit="",
        mode="tags",
        code=Code(commit, remote_of(run) or "", dirty),
        command=Command(("python", *arguments)),
        seeds=seeds_of(run),
        environment=CapturedEnvironment(
            lock_sha256="" if lock is None else lock.sha256,
            packages=tuple(Package(name, version) for name, version in sorted(packages.items())),
        ),
        datasets=_tagged_datasets(run) or tuple(logged),
    )


def commit_of(run: Run, file: LineageFile | None = None) -> str | None:
    """Return the commit that a run names in full, else None."""
    commit = run.tags.get(COMMIT_TAG, "") if file is None else file.code.commit
    return commit if _COMMIT.fullmatch(commit) else None


def remote_of(run: Run, file: LineageFile | None = None) -> str | None:
    """Return where a run says its commit can be fetched, without credentials."""
    remote = run.tags.get(REMOTE_TAG, "") if file is None else file.code.remote
    return bounded(without_credentials(remote.strip()), 500) or None


def entry_point_of(run: Run, file: LineageFile | None = None) -> str | None:
    """Return the command that trained, without the interpreter."""
    if file is not None:
        # A command of one word is its own entry point.
        called = file.command.arguments[1:] or file.command.arguments
        return bounded(file.code.notebook or shlex.join(called), 500) or None
    return next(
        (bounded(run.tags[tag], 500) for tag in ENTRY_POINT_TAGS if run.tags.get(tag)), None
    )


def seeds_of(run: Run, file: LineageFile | None = None) -> dict[str, str]:
    """Return what was seeded, by its parameters and its command → the seed.

    The order of sets comes last, where it was seeded: that is no seed of what is fitted.
    """
    found = {name: run.params.get(name, "") for name in SEED_PARAMS}
    if file is not None:
        ordered = sorted(file.seeds.items(), key=lambda item: item[0] == HASH_SEED)
        found.update(dict(ordered[:MAX_SEEDS]))
    return {
        bounded(name, 200): bounded(value, 200)
        for name, value in found.items()
        if is_seed(name, value) or (name == HASH_SEED and value)
    }


def dataset_sha256_of(run: Run) -> str | None:
    """Return the whole SHA-256 that a run's tag holds of its dataset, else None."""
    digest = run.tags.get(DATASET_SHA256_TAG, "")
    return digest if _SHA256.fullmatch(digest) else None


def dataset_uri_of(run: Run) -> str | None:
    """Return where a run's tag says that its dataset lay, without credentials."""
    return bounded(without_credentials(run.tags.get(DATASET_URI_TAG, "").strip()), 1000) or None


def dataset_name_of(run: Run) -> str | None:
    """Return what a run's tag calls its dataset, or how MLflow heard of it."""
    names = [run.tags.get(DATASET_NAME_TAG, ""), *(dataset.name for dataset in run.datasets)]
    return next((bounded(name, 200) for name in names if name), None)


def dataset_facts_of(run: Run, file: LineageFile | None) -> dict[str, str | None]:
    """Return ``name``, ``sha256`` and ``uri`` of the dataset that was trained on first of all."""
    if file is None or not file.datasets:
        return {
            "name": dataset_name_of(run),
            "sha256": dataset_sha256_of(run),
            "uri": dataset_uri_of(run),
        }
    first = next((one for one in file.datasets if one.role == "training"), file.datasets[0])
    sha256 = first.digest.hex if first.digest.algorithm == "sha256" else None
    return {"name": first.name, "sha256": sha256, "uri": first.uri or None}


def contradictions_of(run: Run, file: LineageFile) -> Mapping[str, str]:
    """Return leg → in what its tags and its lineage file differ; absent tags contradict nothing."""
    found = {}
    commit, dirty = run.tags.get(COMMIT_TAG), run.tags.get(DIRTY_TAG)
    if commit is not None and commit != file.code.commit:
        found["code"] = "the run's tag names another commit"
    elif dirty == "true" and not file.code.is_dirty:
        found["code"] = "the run's tag says that the files were changed"
    lock = run.tags.get(LOCK_SHA256_TAG)
    if lock is not None and lock != file.environment.lock_sha256:
        found["environment"] = "the run's tag names another lock file"
    return found


def _tagged_datasets(run: Run) -> tuple[DatasetReference, ...]:
    sha256, uri = dataset_sha256_of(run), dataset_uri_of(run)
    if sha256 is None or uri is None:
        return ()
    is_local = uri.startswith("file:")
    return (
        DatasetReference(
            role="training",
            name=dataset_name_of(run) or "data",
            kind="file" if is_local else "object",
            uri=uri,
            digest=Digest("sha256", sha256),
            size_bytes=0,
            weak_reason="The run names a place that can be overwritten.",
            place=unquote(urlsplit(uri).path) if is_local else "",
        ),
    )


def _clean(file: LineageFile) -> LineageFile:
    """Take credentials out of what the kit would not have written down either."""
    return replace(
        file,
        code=replace(file.code, remote=without_credentials(file.code.remote)),
        datasets=tuple(
            replace(one, uri=without_credentials(one.uri), name=bounded(one.name, 200))
            for one in file.datasets
        ),
    )
