"""Two lineage records leg by leg: what one version was made of that another was not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lineage.domain.leg import LEG_NAMES, LegName
from muniment.lineage_file import LineageFile, read_mapping


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that two records do not agree on; None where a record does not name it.

    Attributes:
        kind: what it is, in a word: ``commit``, ``dataset``, ``package``, ``parameter``.
    """

    kind: str
    name: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class LegChanges:
    """One leg of two records.

    Attributes:
        same: how many things of it both name alike.
    """

    leg: LegName
    changes: tuple[Change, ...]
    same: int

    @property
    def is_known(self) -> bool:
        """Say whether either record names anything of this leg."""
        return bool(self.changes or self.same)


def compare_facts(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[LegChanges, ...]:
    """Compare the facts of two lineage records; code, data, environment, configuration.

    Law: of the same facts twice there is no change.
    """
    left, right = _named(before), _named(after)
    return tuple(_leg(leg, left[leg], right[leg]) for leg in LEG_NAMES)


_Named = dict[tuple[str, str], str]


def _leg(leg: LegName, before: _Named, after: _Named) -> LegChanges:
    keys = sorted(before.keys() | after.keys())
    changes = tuple(
        Change(kind, name, before.get((kind, name)), after.get((kind, name)))
        for kind, name in keys
        if before.get((kind, name)) != after.get((kind, name))
    )
    return LegChanges(leg, changes, len(keys) - len(changes))


def _named(facts: Mapping[str, Any]) -> dict[LegName, _Named]:
    capture = read_mapping(facts["capture"]) if facts.get("capture") else None
    return {
        "code": _present(
            {("commit", ""): facts.get("commit"), ("remote", ""): facts.get("remote")}
            | ({} if capture is None else {("changed files", ""): capture.code.diff_sha256})
        ),
        "data": _datasets(facts, capture),
        "environment": _environment(facts, capture),
        "configuration": _configuration(facts, capture),
    }


def _datasets(facts: Mapping[str, Any], capture: LineageFile | None) -> _Named:
    if capture is not None and capture.datasets:
        return {("dataset", f"{one.role} {one.name}"): str(one.digest) for one in capture.datasets}
    dataset = facts.get("dataset") or {}
    name = f"training {dataset.get('name') or ''}".strip()
    return _present(
        {("dataset", name): f"sha256:{dataset['sha256']}"} if dataset.get("sha256") else {}
    )


def _environment(facts: Mapping[str, Any], capture: LineageFile | None) -> _Named:
    packages = dict(facts.get("packages") or {})
    interpreter: dict[tuple[str, str], object] = {}
    if capture is not None:
        packages = packages or {one.name: one.version for one in capture.environment.packages}
        interpreter = {
            ("interpreter", ""): capture.environment.python,
            ("platform", ""): capture.environment.platform,
        }
    return _present(
        {("package", name): version for name, version in packages.items()} | interpreter
    )


def _configuration(facts: Mapping[str, Any], capture: LineageFile | None) -> _Named:
    seeds = (
        {("seed", name): value for name, value in capture.seeds.items()}
        if capture is not None and capture.seeds
        else {("seed", ""): facts.get("seed")}
    )
    parameters = facts.get("parameters") or {}
    return _present(
        {("entry point", ""): facts.get("entry_point")}
        | {("parameter", name): value for name, value in parameters.items()}
        | {("base model", said): "named" for said in facts.get("base_models") or ()}
        | seeds
    )


def _present(named: Mapping[tuple[str, str], object]) -> _Named:
    return {key: str(value) for key, value in named.items() if value not in (None, "")}
