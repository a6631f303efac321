"""The mirror's rows and what it knows of them: values only; `mirror_plan` compares them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from muniment.attest.digest import canonical_json
from registry.domain.identity import ModelIdentity


@dataclass(frozen=True, slots=True)
class ModelRow:
    """A registered model as one walk of MLflow saw it.

    `aliases` maps alias to version number. MLflow's last-updated time is left out: it moves with
    every new version and stands still when an alias or tag changes.
    """

    name: str
    creation_timestamp_ms: int
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    aliases: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class VersionRow:
    """A model version as one walk of MLflow saw it; `run_id` and `source` may be empty."""

    model_name: str
    version: int
    creation_timestamp_ms: int
    run_id: str = ""
    source: str = ""
    status: str = ""
    stage: str = ""
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Walk:
    """One full walk: everything that MLflow's two list calls gave, versions asked for first.

    In that order, a name deleted and made again in between shows as versions older than their
    model; in the other one, its versions would pass for those of the old model.

    Attributes:
        unread: names of which not every version was read: one that is missing may be there.
    """

    models: tuple[ModelRow, ...]
    versions: tuple[VersionRow, ...]
    unread: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What is known of a living model, as hashes: enough to see that nothing about it changed.

    Attributes:
        versions: the living ones, number → row hash.
    """

    creation_timestamp_ms: int
    row_hash: str
    aliases: Mapping[str, int]
    versions: Mapping[int, str]


@dataclass(frozen=True, slots=True)
class VersionState:
    """A mirrored version: the mapping that its row was stored as, and that mapping's hash."""

    row: Mapping[str, Any]
    row_hash: str
    gone: bool = False


@dataclass(frozen=True, slots=True)
class ModelState:
    """A mirrored model: its name now, its stored row and hash, its aliases and its versions."""

    name: str
    row: Mapping[str, Any]
    row_hash: str
    aliases: Mapping[str, int] = field(default_factory=dict)
    versions: Mapping[int, VersionState] = field(default_factory=dict)
    gone: bool = False


class ChangeKind(StrEnum):
    """What a walk can find; the value is the log event's name."""

    MODEL_APPEARED = "model.appeared"
    MODEL_RENAMED = "model.renamed"
    MODEL_CHANGED = "model.changed"
    MODEL_GONE = "model.gone"
    VERSION_APPEARED = "version.appeared"
    VERSION_CHANGED = "version.changed"
    VERSION_GONE = "version.gone"
    ALIAS_SET = "alias.set"
    ALIAS_MOVED = "alias.moved"
    ALIAS_REMOVED = "alias.removed"


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between the mirror and MLflow; one fact in the log.

    `before` and `after` are JSON-able: the whole row where something appeared or is gone, else
    only the keys that differ (`{"version": 2}` for an alias). `row` and `row_hash` are what the
    mirror has to store, None where no row changes or the row is gone.
    """

    kind: ChangeKind
    identity: ModelIdentity
    model_name: str
    version: int | None = None
    alias: str | None = None
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None
    row: Mapping[str, Any] | None = None
    row_hash: str | None = None


@dataclass(frozen=True, slots=True)
class Torn:
    """A row that contradicts the rest of its walk: nothing is concluded from it."""

    model_name: str
    version: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class MirrorPlan:
    """What to write, in an order in which it can be written, and what was left alone.

    Nothing that a torn row may be is concluded to be gone; the rest of the walk counts.
    """

    changes: tuple[Change, ...]
    torn: tuple[Torn, ...]


# As `canonical_json` writes.
_ENCODER = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
)


def row_mapping(row: ModelRow | VersionRow) -> dict[str, Any]:
    """Give a row as the JSON-able mapping that the mirror stores and the log shows.

    A model's aliases are left out: they have changes of their own.
    """
    if isinstance(row, ModelRow):
        return {
            "name": row.name,
            "creation_timestamp_ms": row.creation_timestamp_ms,
            "description": row.description,
            "tags": dict(row.tags),
        }
    return {
        "version": row.version,
        "creation_timestamp_ms": row.creation_timestamp_ms,
        "run_id": row.run_id,
        "source": row.source,
        "status": row.status,
        "stage": row.stage,
        "description": row.description,
        "tags": dict(row.tags),
    }


def row_hash(row: ModelRow | VersionRow) -> str:
    """Hash a row's mapping: 64 hex digits of SHA-256, equal exactly when the mappings are.

    Law: ``row_hash(row) == mapping_hash(row_mapping(row))``. A row holds texts and whole numbers
    only, which every walk hashes by the ten thousand, so they are not looked through again.
    """
    return hashlib.sha256(_ENCODER.encode(row_mapping(row)).encode()).hexdigest()


def row_bytes(mapping: Mapping[str, Any]) -> int:
    """Return the length of a row's canonical JSON; the mapping is one of `row_mapping`'s."""
    return len(_ENCODER.encode(mapping).encode())


def mapping_hash(mapping: Mapping[str, Any]) -> str:
    """Hash a mapping's canonical JSON: 64 hex digits of SHA-256.

    Also the subject digest of a version without artifacts (design §2).
    """
    return hashlib.sha256(canonical_json(dict(mapping))).hexdigest()
