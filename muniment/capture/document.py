"""Putting a lineage file together, and writing it into a run."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final

from muniment import __version__
from muniment.attest.statement import format_time
from muniment.capture.command import CommandLine
from muniment.capture.data import logged_datasets, named_apart
from muniment.capture.environment import SeenEnvironment
from muniment.capture.tracking import FoundRun, Tracking, TrackingError
from muniment.datasets.reference import DatasetReference
from muniment.lineage_file import (
    CAPTURE_TAG,
    LINEAGE_PATH,
    LINEAGE_SHA256_TAG,
    LOCK_PATH,
    SET_A_SEED,
    UV_LOCK_PATH,
    Code,
    Fault,
    LineageFile,
    is_seed,
)

COMMIT_TAG: Final = "mlflow.source.git.commit"
REMOTE_TAG: Final = "mlflow.source.git.repoURL"
DIRTY_TAG: Final = "muniment.git.dirty"
ENTRY_POINT_TAG: Final = "muniment.entry_point"
LOCK_SHA256_TAG: Final = "muniment.environment.lock_sha256"
SEED_PARAMS: Final = ("seed", "random_seed", "random_state")
_MAX_TAG: Final = 5_000
_MAX_SEEDS: Final = 100


@dataclass(frozen=True, slots=True)
class Seen:
    """All that was seen of one training, whichever run it made.

    Attributes:
        folder: where it ran. root: of the repository, None where there is none.
        command: with its seeds and what is wrong with it.
        seen: its environment.
    """

    mode: str
    captured_at: datetime
    folder: Path
    root: Path | None
    code: Code
    command: CommandLine
    seen: SeenEnvironment
    datasets: tuple[DatasetReference, ...] = ()
    seeds: Mapping[str, str] | None = None
    faults: tuple[Fault, ...] = ()


def start_tags(capture_id: str, code: Code, command: CommandLine) -> dict[str, str]:
    """Return the tags that a run can have from its beginning."""
    arguments = command.command.arguments
    known = {
        CAPTURE_TAG: capture_id,
        COMMIT_TAG: code.commit,
        REMOTE_TAG: code.remote,
        DIRTY_TAG: {True: "true", False: "false", None: ""}[code.is_dirty],
        ENTRY_POINT_TAG: shlex.join(arguments[1:] or arguments),
    }
    return {name: value[:_MAX_TAG] for name, value in known.items() if value}


def dataset_tags(datasets: Sequence[DatasetReference]) -> dict[str, str]:
    """Return the tags that name the first data set that is one file."""
    for one in datasets:
        if one.role == "training" and one.digest.algorithm == "sha256":
            tags = {
                "muniment.dataset.sha256": one.digest.hex,
                "muniment.dataset.name": one.name,
                "muniment.dataset.uri": one.uri,
            }
            return {name: value[:_MAX_TAG] for name, value in tags.items() if value}
    return {}


def hints_of(file: LineageFile) -> tuple[str, ...]:
    """Return what whoever trained is to be told of their record, one sentence each."""
    said = [fault.sentence for fault in file.faults]
    if not any(is_seed(name, seed) for name, seed in file.seeds.items()):
        said.append(f"No seed is recorded. {SET_A_SEED}")
    return tuple(dict.fromkeys((*said, *file.environment.inexact)))


def write_lineage(seen: Seen, run: FoundRun, tracking: Tracking, *, capture_id: str) -> LineageFile:
    """Complete what was seen with what one run says of itself, and write it into that run.

    Raises:
        TrackingError: it could not be written.
    """
    logged, faults = logged_datasets(
        run.datasets, seen.datasets, folder=seen.folder, root=seen.root
    )
    try:
        outputs = tracking.hash_outputs(run)
    except TrackingError as error:
        outputs = {}
        faults.append(Fault(f"The artifacts of the run were not hashed: {error}"))
    file = _file(seen, run, logged, outputs, faults)
    content = file.to_bytes()
    files = {LINEAGE_PATH: content}
    if file.environment.lock_sha256:
        files[LOCK_PATH] = seen.seen.lock
    if seen.seen.uv_lock:
        files[UV_LOCK_PATH] = seen.seen.uv_lock
    tags = {
        **start_tags(capture_id, seen.code, seen.command),
        **dataset_tags(file.datasets),
        LINEAGE_SHA256_TAG: hashlib.sha256(content).hexdigest(),
    }
    if file.environment.lock_sha256:
        tags[LOCK_SHA256_TAG] = file.environment.lock_sha256
    tracking.write(run, files, tags)
    return file


def _file(
    seen: Seen,
    run: FoundRun,
    logged: Sequence[DatasetReference],
    outputs: Mapping[str, str],
    faults: Sequence[Fault],
) -> LineageFile:
    seeds = {
        **{name: run.params[name] for name in SEED_PARAMS if run.params.get(name)},
        **seen.command.seeds,
        **(seen.seeds or {}),
    }
    command = seen.command.command
    roots = (*command.import_roots, *seen.seen.import_roots)
    return LineageFile(
        captured_at=format_time(seen.captured_at),
        kit=__version__,
        mode=seen.mode,
        code=seen.code,
        command=replace(command, import_roots=tuple(dict.fromkeys(roots))),
        seeds=dict(list(seeds.items())[:_MAX_SEEDS]),
        environment=seen.seen.environment,
        datasets=named_apart((*seen.datasets, *logged)),
        outputs=outputs,
        faults=tuple(
            replace(one, sentence=one.sentence[:4_000])
            for one in (*seen.faults, *seen.command.faults, *seen.seen.faults, *faults)
        ),
    )
