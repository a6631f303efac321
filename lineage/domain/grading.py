"""Grading the four legs of a version's lineage, each with its reason in words.

``verified`` is said only of what was recomputed from bytes that we read ourselves. Law: taking
something away never raises a grade.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from lineage.domain.captured import (
    COMMIT_TAG,
    DATASET_SHA256_TAG,
    DIRTY_TAG,
    LOCK_SHA256_TAG,
    NO_FILE,
    KeptFile,
    LockFile,
    commit_of,
    contradictions_of,
    dataset_name_of,
    dataset_sha256_of,
    dataset_uri_of,
    entry_point_of,
    remote_of,
    seeds_of,
)
from lineage.domain.leg import LEG_NAMES, Grade, Leg
from lineage.domain.link import Link, LinkKind
from lineage.domain.redaction import bounded, without_credentials
from lineage.domain.rows import Run
from muniment.datasets.reference import DatasetReference
from muniment.lineage_file import SET_A_SEED, LineageFile, is_seed

_MAX_REASON: Final = 600
_INTERACTIVE: Final = "an interactive notebook trained it, in whatever order its cells were run"
# The whole reason of a code leg that nothing else is wrong with.
NOTEBOOK_ALONE: Final = f"A commit is named, but {_INTERACTIVE}."
# Of a long list the first few are named in a reason.
_NAMED: Final = 3


@dataclass(frozen=True, slots=True)
class Origins:
    """All that the grades are computed from.

    Attributes:
        run: None where the version names none, or MLflow has none.
        lock: None where the run keeps no lock file that could be read; `lock_fault` says why.
        artifact_fault: why the version's own files could not be hashed; empty where they were.
        has_requirements: the model folder holds a ``requirements.txt``, as MLflow infers it.
        kept: the lineage file that the run kept.
        reread: of the data sets, by (role, name): empty where we read the bytes again and they
            have the recorded digest, else why not; what is not named was not tried.
        pinned: those that an admin's promise pins, by (role, name).
        logged: data sets that a run without such a file logged, as its commit names them.
    """

    run: Run | None
    link: Link
    lock: LockFile | None = None
    lock_fault: str = ""
    artifact_fault: str = ""
    has_requirements: bool = False
    kept: KeptFile = NO_FILE
    reread: Mapping[tuple[str, str], str] = field(default_factory=dict)
    pinned: frozenset[tuple[str, str]] = frozenset()
    logged: Sequence[DatasetReference] = ()


def grade_legs(origins: Origins) -> tuple[Leg, ...]:
    """Grade code, data, environment and configuration, in this order."""
    run = origins.run
    if run is None or origins.link.kind in (LinkKind.NONE, LinkKind.CLAIMED):
        return _all_missing(origins.link.reason)
    if origins.artifact_fault:
        # Of what is not there, nothing can be said where it came from.
        return _all_missing(f"The version's files cannot be read. {origins.artifact_fault}")
    file = origins.kept.file
    legs: tuple[Leg, ...] = (
        _code(run, file),
        _data(run, origins),
        _environment(run, origins),
        _configuration(run, file),
    )
    if file is not None:
        said = contradictions_of(run, file)
        legs = tuple(
            _capped(leg, f"But {said[leg.name]}.") if leg.name in said else leg for leg in legs
        )
        legs = tuple(_with_faults(leg, file) for leg in legs)
    if origins.kept.fault:
        legs = tuple(_capped(leg, origins.kept.fault) for leg in legs)
    if origins.link.kind is LinkKind.IN_RUN_FOLDER:
        legs = tuple(_capped(leg, origins.link.reason) for leg in legs)
    if run.lifecycle_stage == "deleted":
        legs = tuple(_capped(leg, "The run is deleted in MLflow.") for leg in legs)
    return legs


def _code(run: Run, file: LineageFile | None) -> Leg:
    commit = commit_of(run, file)
    if commit is None:
        named = run.tags.get(COMMIT_TAG) if file is None else file.code.commit
        reason = (
            "The run names no commit."
            if not named
            else "What the run names as its commit is not a whole commit id."
        )
        return Leg("code", Grade.MISSING, reason)
    remote = remote_of(run, file)
    faults = [_dirty_fault(run.tags.get(DIRTY_TAG))] if file is None else _file_faults(file)
    if remote is None:
        faults.append("no remote is named to fetch it from")
    faults = [fault for fault in faults if fault]
    what = {} if remote is None else {"remote": remote}
    digest = f"gitCommit:{commit}"
    if faults:
        return Leg("code", Grade.WEAK, f"A commit is named, but {_joined(faults)}.", digest, what)
    reason = "The commit is named in full, its files were unchanged, and its remote is known."
    return Leg("code", Grade.RECORDED, reason, digest, what)


def _dirty_fault(dirty: str | None) -> str:
    if dirty is None:
        return "nothing says whether the files were those of the commit"
    return "" if dirty == "false" else "the files were changed after the commit"


def _file_faults(file: LineageFile) -> list[str]:
    known = {True: "true", False: "false", None: None}[file.code.is_dirty]
    is_notebook = file.mode == "notebook" or file.code.notebook
    return [
        _dirty_fault(known),
        _INTERACTIVE if is_notebook else "",
    ]


def _data(run: Run, origins: Origins) -> Leg:
    file = origins.kept.file
    if file is not None and file.datasets:
        return _captured_data(file.datasets, origins)
    if origins.logged and dataset_sha256_of(run) is None:
        return _captured_data(origins.logged, origins)
    name, uri = dataset_name_of(run), dataset_uri_of(run)
    what = {key: value for key, value in (("dataset", name), ("uri", uri)) if value}
    sha256 = dataset_sha256_of(run)
    if sha256 is not None:
        where = "" if uri else " Where it lies is not recorded."
        reason = f"The dataset's whole SHA-256 is recorded; its bytes were not read again.{where}"
        return Leg("data", Grade.RECORDED, reason, f"sha256:{sha256}", what)
    weak = next((dataset.digest for dataset in run.datasets if dataset.digest), None)
    if weak is not None:
        return Leg(
            "data",
            Grade.WEAK,
            "Only MLflow's dataset digest is recorded: 32 bits over a sample of the rows.",
            None,
            {**what, "mlflow_digest": bounded(weak, 200)},
        )
    if run.tags.get(DATASET_SHA256_TAG):
        return Leg("data", Grade.MISSING, "What is recorded of the dataset is no SHA-256.")
    return Leg("data", Grade.MISSING, "The run records no dataset.")


def _captured_data(datasets: Sequence[DatasetReference], origins: Origins) -> Leg:
    """Grade data sets that are named in full; the worst of them decides."""
    training = [one for one in datasets if one.role == "training"]
    first = training[0] if training else datasets[0]
    what = {"dataset": first.name, **({"uri": bounded(first.uri, 1000)} if first.uri else {})}
    if len(datasets) > 1:
        what["datasets"] = _listed([f"{one.role} {one.name}" for one in datasets])
    changed, weak, unread = [], [], 0
    for one in datasets:
        reread = origins.reread.get((one.role, one.name))
        if reread == "" and one.is_of_what_was_used:
            continue
        unread += 1
        if reread:
            changed.append(f"{one.name}: {reread}")
        elif reason := one.unpinned_reason(
            in_immutable_place=(one.role, one.name) in origins.pinned
        ):
            weak.append(f"{one.name}: {reason}")
    digest = str(first.digest)
    if changed or weak or not training:
        none = [] if training else ["No data set is named as the one that was trained on."]
        return Leg("data", Grade.WEAK, _short(" ".join([*none, *changed, *weak])), digest, what)
    if unread:
        reason = "Every data set's digest is recorded, and the reference pins its bytes."
        return Leg("data", Grade.RECORDED, reason, digest, what)
    reason = "Muniment read every data set again, and its bytes have the recorded digest."
    return Leg("data", Grade.VERIFIED, reason, digest, what)


def _environment(run: Run, origins: Origins) -> Leg:
    file, lock = origins.kept.file, origins.lock
    recorded = run.tags.get(LOCK_SHA256_TAG, "") if file is None else file.environment.lock_sha256
    if lock is None:
        if recorded:
            fault = origins.lock_fault or "The lock file is not there."
            reason = f"The digest of a lock file is recorded, but it cannot be read. {fault}"
            return Leg("environment", Grade.WEAK, reason)
        if origins.has_requirements:
            reason = "Only the requirements that MLflow inferred are there, not what they needed."
            return Leg("environment", Grade.WEAK, reason)
        return Leg("environment", Grade.MISSING, "The run records no environment.")
    digest = f"sha256:{lock.sha256}"
    if recorded and recorded != lock.sha256:
        reason = "The lock file is not the one that was recorded: its digest differs."
        return Leg("environment", Grade.WEAK, reason)
    what = {"packages": str(len(lock.environment.packages))}
    if file is not None and file.environment.python:
        what["python"] = bounded(file.environment.python, 100)
    if not lock.environment.is_exact:
        inexact = lock.environment.inexact
        shown = _listed([repr(bounded(without_credentials(line), 200)) for line in inexact])
        reason = (
            f"The lock file does not pin everything exactly: {shown}."
            if inexact
            else "The lock file is empty."
        )
        return Leg("environment", Grade.WEAK, _short(reason), digest, what)
    if not recorded:
        reason = "A lock file is there, but its digest was not recorded when the run trained."
        return Leg("environment", Grade.WEAK, reason, digest, what)
    faults = [] if file is None else _environment_faults(file, lock)
    if faults:
        return Leg("environment", Grade.WEAK, _short(_listed(faults)), digest, what)
    reason = "The lock file's bytes have the recorded digest, and every line is an exact pin."
    return Leg("environment", Grade.VERIFIED, reason, digest, what)


def _environment_faults(file: LineageFile, lock: LockFile) -> list[str]:
    if not file.environment.python:
        return ["The interpreter's version is not recorded."]
    said = {one.name: one.version for one in file.environment.packages}
    if said != dict(lock.environment.packages):
        return ["The lineage file and the lock file do not name the same packages."]
    return [bounded(without_credentials(line), 200) for line in file.environment.inexact]


def _configuration(run: Run, file: LineageFile | None) -> Leg:
    entry_point = entry_point_of(run, file)
    seeds = {name: seed for name, seed in seeds_of(run, file).items() if is_seed(name, seed)}
    faults = []
    if not run.params:
        faults.append("no parameter is recorded")
    if entry_point is None:
        faults.append("no entry point is recorded")
    what = {
        **({} if entry_point is None else {"entry_point": entry_point}),
        **({} if not seeds else {"seed": ", ".join(seeds.values())}),
        **({} if not run.params else {"parameters": str(len(run.params))}),
    }
    if not seeds:
        # Without it nothing says which of all possible trainings this was.
        reason = f"The run is there, but {_joined(['no seed is recorded', *faults])}. {SET_A_SEED}"
        return Leg("configuration", Grade.MISSING, reason, None, what)
    if faults:
        reason = f"The run is there, but {_joined(faults)}."
        return Leg("configuration", Grade.WEAK, reason, None, what)
    reason = "Parameters, seed and entry point are recorded."
    return Leg("configuration", Grade.RECORDED, reason, None, what)


def _all_missing(reason: str) -> tuple[Leg, ...]:
    return tuple(Leg(name, Grade.MISSING, _short(reason)) for name in LEG_NAMES)


def _with_faults(leg: Leg, file: LineageFile) -> Leg:
    """Cap a leg of which the recorder says itself that it could not record all."""
    said = [one.sentence for one in file.faults if one.leg == leg.name]
    named = [bounded(without_credentials(sentence), 200) for sentence in dict.fromkeys(said)]
    return _capped(leg, _short(_listed(named, " "))) if named else leg


def _capped(leg: Leg, reason: str) -> Leg:
    if leg.grade.rank <= Grade.WEAK.rank:
        return Leg(leg.name, leg.grade, _short(f"{leg.reason} {reason}"), leg.digest, leg.what)
    return Leg(leg.name, Grade.WEAK, reason, leg.digest, leg.what)


def _joined(parts: list[str]) -> str:
    return " and ".join(parts)


def _listed(parts: Sequence[str], separator: str = ", ") -> str:
    more = f" and {len(parts) - _NAMED} more" if len(parts) > _NAMED else ""
    return separator.join(parts[:_NAMED]) + more


def _short(reason: str) -> str:
    return bounded(reason, _MAX_REASON)
