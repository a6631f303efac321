"""Grading the four legs of a version's lineage, each with its reason in words.

``verified`` is said only of what was recomputed from bytes that we read ourselves. Law: taking
something away never raises a grade.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Literal

from lineage.domain.environment import Environment
from lineage.domain.link import Link, LinkKind
from lineage.domain.redaction import bounded, without_credentials
from lineage.domain.rows import Run

LegName = Literal["code", "data", "environment", "configuration"]
LEG_NAMES: Final[tuple[LegName, ...]] = ("code", "data", "environment", "configuration")

COMMIT_TAG: Final = "mlflow.source.git.commit"
REMOTE_TAG: Final = "mlflow.source.git.repoURL"
DIRTY_TAG: Final = "muniment.git.dirty"
DATASET_SHA256_TAG: Final = "muniment.dataset.sha256"
DATASET_URI_TAG: Final = "muniment.dataset.uri"
DATASET_NAME_TAG: Final = "muniment.dataset.name"
LOCK_SHA256_TAG: Final = "muniment.environment.lock_sha256"
ENTRY_POINT_TAGS: Final = ("muniment.entry_point", "mlflow.project.entryPoint")
SEED_PARAMS: Final = ("seed", "random_seed", "random_state")

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_MAX_REASON: Final = 600


class Grade(StrEnum):
    """How well a leg stands: ``verified`` > ``recorded`` > ``weak`` > ``missing``."""

    VERIFIED = "verified"
    RECORDED = "recorded"
    WEAK = "weak"
    MISSING = "missing"

    @property
    def rank(self) -> int:
        """3 for ``verified`` down to 0 for ``missing``."""
        return (Grade.MISSING, Grade.WEAK, Grade.RECORDED, Grade.VERIFIED).index(self)


@dataclass(frozen=True, slots=True)
class Leg:
    """One leg, graded.

    Attributes:
        reason: one or two sentences.
        digest: what the leg stands on, as ``algorithm:hex``; None where nothing names it.
        what: further facts in words, none of them a credential.
    """

    name: LegName
    grade: Grade
    reason: str
    digest: str | None = None
    what: Mapping[str, str] = field(default_factory=dict)

    def as_mapping(self) -> dict[str, str]:
        """Return the leg as JSON: ``grade``, ``reason``, then what is known."""
        digest = {} if self.digest is None else {"digest": self.digest}
        return {"grade": self.grade.value, "reason": self.reason, **digest, **self.what}


@dataclass(frozen=True, slots=True)
class LockFile:
    """The lock file that a run kept, as we read and hashed it."""

    sha256: str
    environment: Environment


@dataclass(frozen=True, slots=True)
class Origins:
    """All that the grades are computed from.

    Attributes:
        run: None where the version names none, or MLflow has none.
        lock: None where the run keeps no lock file that could be read; `lock_fault` says why.
        artifact_fault: why the version's own files could not be hashed; empty where they were.
        has_requirements: the model folder holds a ``requirements.txt``, as MLflow infers it.
    """

    run: Run | None
    link: Link
    lock: LockFile | None = None
    lock_fault: str = ""
    artifact_fault: str = ""
    has_requirements: bool = False


def grade_legs(origins: Origins) -> tuple[Leg, ...]:
    """Grade code, data, environment and configuration, in this order."""
    run = origins.run
    if run is None or origins.link.kind in (LinkKind.NONE, LinkKind.CLAIMED):
        return _all_missing(origins.link.reason)
    if origins.artifact_fault:
        # Of what is not there, nothing can be said where it came from.
        return _all_missing(f"The version's files cannot be read. {origins.artifact_fault}")
    legs: tuple[Leg, ...] = (
        _code(run),
        _data(run),
        _environment(run, origins),
        _configuration(run),
    )
    if origins.link.kind is LinkKind.IN_RUN_FOLDER:
        legs = tuple(_capped(leg, origins.link.reason) for leg in legs)
    if run.lifecycle_stage == "deleted":
        legs = tuple(_capped(leg, "The run is deleted in MLflow.") for leg in legs)
    return legs


def commit_of(run: Run) -> str | None:
    """Return the commit that a run names in full, else None."""
    commit = run.tags.get(COMMIT_TAG, "")
    return commit if _COMMIT.fullmatch(commit) else None


def dataset_sha256_of(run: Run) -> str | None:
    """Return the whole SHA-256 that a run recorded of its dataset, else None."""
    digest = run.tags.get(DATASET_SHA256_TAG, "")
    return digest if _SHA256.fullmatch(digest) else None


def remote_of(run: Run) -> str | None:
    """Return where a run says its commit can be fetched, without credentials."""
    return bounded(without_credentials(run.tags.get(REMOTE_TAG, "").strip()), 500) or None


def dataset_uri_of(run: Run) -> str | None:
    """Return where a run says its dataset lay, without credentials."""
    return bounded(without_credentials(run.tags.get(DATASET_URI_TAG, "").strip()), 1000) or None


def dataset_name_of(run: Run) -> str | None:
    """Return what a run calls its dataset, or how MLflow heard of it."""
    names = [run.tags.get(DATASET_NAME_TAG, ""), *(dataset.name for dataset in run.datasets)]
    return next((bounded(name, 200) for name in names if name), None)


def entry_point_of(run: Run) -> str | None:
    """Return the command that trained, without the interpreter."""
    return next(
        (bounded(run.tags[tag], 500) for tag in ENTRY_POINT_TAGS if run.tags.get(tag)), None
    )


def seeds_of(run: Run) -> dict[str, str]:
    """Return the parameters that are seeds and hold one."""
    return {
        name: bounded(run.params[name], 200)
        for name in SEED_PARAMS
        if run.params.get(name, "").strip().lower() not in ("", "none", "null")
    }


def _code(run: Run) -> Leg:
    commit = commit_of(run)
    if commit is None:
        named = run.tags.get(COMMIT_TAG)
        reason = (
            "The run names no commit."
            if not named
            else "What the run names as its commit is not a whole commit id."
        )
        return Leg("code", Grade.MISSING, reason)
    remote, dirty = remote_of(run), run.tags.get(DIRTY_TAG)
    faults = []
    if dirty is None:
        faults.append("nothing says whether the files were those of the commit")
    elif dirty != "false":
        faults.append("the files were changed after the commit")
    if remote is None:
        faults.append("no remote is named to fetch it from")
    what = {} if remote is None else {"remote": remote}
    digest = f"gitCommit:{commit}"
    if faults:
        return Leg("code", Grade.WEAK, f"A commit is named, but {_joined(faults)}.", digest, what)
    reason = "The commit is named in full, its files were unchanged, and its remote is known."
    return Leg("code", Grade.RECORDED, reason, digest, what)


def _data(run: Run) -> Leg:
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


def _environment(run: Run, origins: Origins) -> Leg:
    recorded, lock = run.tags.get(LOCK_SHA256_TAG, ""), origins.lock
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
    if not lock.environment.is_exact:
        inexact = lock.environment.inexact
        shown = ", ".join(repr(bounded(without_credentials(line), 200)) for line in inexact[:3])
        more = f" and {len(inexact) - 3} more" if len(inexact) > 3 else ""
        reason = (
            f"The lock file does not pin everything exactly: {shown}{more}."
            if inexact
            else "The lock file is empty."
        )
        return Leg("environment", Grade.WEAK, _short(reason), digest, what)
    if not recorded:
        reason = "A lock file is there, but its digest was not recorded when the run trained."
        return Leg("environment", Grade.WEAK, reason, digest, what)
    reason = "The lock file's bytes have the recorded digest, and every line is an exact pin."
    return Leg("environment", Grade.VERIFIED, reason, digest, what)


def _configuration(run: Run) -> Leg:
    entry_point, seeds = entry_point_of(run), seeds_of(run)
    faults = []
    if not run.params:
        faults.append("no parameter is recorded")
    elif not seeds:
        faults.append("no seed is recorded")
    if entry_point is None:
        faults.append("no entry point is recorded")
    what = {
        **({} if entry_point is None else {"entry_point": entry_point}),
        **({} if not seeds else {"seed": ", ".join(seeds.values())}),
        **({} if not run.params else {"parameters": str(len(run.params))}),
    }
    if faults:
        reason = f"The run is there, but {_joined(faults)}."
        return Leg("configuration", Grade.WEAK, reason, None, what)
    reason = "Parameters, seed and entry point are recorded."
    return Leg("configuration", Grade.RECORDED, reason, None, what)


def _all_missing(reason: str) -> tuple[Leg, ...]:
    return tuple(Leg(name, Grade.MISSING, _short(reason)) for name in LEG_NAMES)


def _capped(leg: Leg, reason: str) -> Leg:
    if leg.grade.rank <= Grade.WEAK.rank:
        return Leg(leg.name, leg.grade, _short(f"{leg.reason} {reason}"), leg.digest, leg.what)
    return Leg(leg.name, Grade.WEAK, reason, leg.digest, leg.what)


def _joined(parts: list[str]) -> str:
    return " and ".join(parts)


def _short(reason: str) -> str:
    return bounded(reason, _MAX_REASON)
