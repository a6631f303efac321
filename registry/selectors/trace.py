"""The artifact graph as versions of models: what depends on this, and what was this made from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from django.db.models import Exists, OuterRef, QuerySet

from lineage.domain.graph import INPUTS, OUTPUTS, NotSought, kind_of, parse_sought
from lineage.models import ArtifactEdge, LineageRecord
from lineage.selectors import (
    FoundNode,
    TooManyNodes,
    find_nodes,
    holding_nodes,
    inputs_of,
    records_behind,
    records_depending_on,
)
from registry.errors import TraceNotUnderstood
from registry.models import ModelAlias, ModelVersion
from registry.selectors.inventory import champion_alias
from registry.selectors.versions import lineage_of

ROLES = tuple(role.value for role in INPUTS)
CSV_BATCH = 500
# Records may call one artifact by any number of names.
MOST_SAID = 1_000


@dataclass(frozen=True, slots=True)
class TraceFilter:
    """What the answer is narrowed to; the URL holds it.

    Attributes:
        role: only what used it in this role; empty for any.
        champions: only versions that are champion now.
        superseded: what records that were superseded say counts too.
    """

    role: str = ""
    champions: bool = False
    superseded: bool = False

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> TraceFilter:
        """Read a filter from the URL; what makes no sense is ignored."""
        role = query.get("role", "")
        return cls(
            role=role if role in ROLES else "",
            champions=query.get("champions") == "1",
            superseded=query.get("superseded") == "1",
        )


@dataclass(frozen=True, slots=True)
class Traced:
    """What somebody looked for: the artifacts that it names, and the same with what holds them.

    Attributes:
        nodes: empty where no record names such an artifact.
        kinds: of each node, by key.
        names: what records call each node, by key.
        records: of all that was made from them, however deep.
    """

    text: str
    wanted: TraceFilter
    records: QuerySet[LineageRecord]
    nodes: tuple[FoundNode, ...] = ()
    holding: tuple[int, ...] = ()
    kinds: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Dependent:
    """A version that was made from what was looked for.

    Attributes:
        roles: in which its own training used it; empty where only what it was made from did.
        through: the artifacts by which it came in, where its own training did not use it.
        record: the lineage record that says so.
    """

    version: ModelVersion
    is_champion: bool
    roles: tuple[str, ...]
    through: tuple[str, ...]
    record: LineageRecord


def trace(text: str, wanted: TraceFilter) -> Traced:
    """Find the artifacts that somebody looks for.

    Raises:
        TraceNotUnderstood: the text names no artifact, or too many.
    """
    if "\x00" in text:
        raise TraceNotUnderstood("That holds a character that no artifact's name has.")
    try:
        nodes = find_nodes(parse_sought(text))
    except (NotSought, TooManyNodes) as error:
        raise TraceNotUnderstood(str(error)) from error
    ids = [node.id for node in nodes]
    said, holding = _said_of(ids), holding_nodes(ids)
    return Traced(
        text=text,
        wanted=wanted,
        records=records_depending_on(holding, role=wanted.role, superseded=wanted.superseded),
        nodes=tuple(nodes),
        holding=tuple(holding),
        kinds={node.key: kind_of(node.key, [role for role, _ in said[node.id]]) for node in nodes},
        names={node.key: next((name for _, name in said[node.id] if name), "") for node in nodes},
    )


def versions_depending_on(traced: Traced) -> QuerySet[ModelVersion]:
    """Return the versions that were made from what was looked for, however deep, by name."""
    versions = ModelVersion.objects.filter(uri__in=traced.records.values("version_uri"))
    holding = ModelAlias.objects.filter(version=OuterRef("pk"), alias__iexact=champion_alias())
    if traced.wanted.champions:
        versions = versions.filter(Exists(holding))
    return (
        versions.annotate(is_champion=Exists(holding))
        .select_related("registered_model__source")
        .order_by("registered_model__name", "registered_model_id", "-version")
    )


def explain(traced: Traced, versions: Sequence[ModelVersion]) -> list[Dependent]:
    """Say of versions that depend on something how it came into each; four queries."""
    records = {
        record.version_uri: record
        for record in traced.records.filter(version_uri__in=[version.uri for version in versions])
        .select_related("entry__leaf")
        .defer("facts", "artifacts", "entry__envelope")
        .order_by("entry_id")
    }
    used = list(
        ArtifactEdge.objects.filter(record__in=records.values(), role__in=ROLES)
        .select_related("node")
        .order_by("role", "node__key")
    )
    holding = set(traced.holding)
    roles: dict[object, list[str]] = defaultdict(list)
    for edge in used:
        if edge.node_id in holding and traced.wanted.role in ("", edge.role):
            roles[edge.record_id].append(edge.role)
    makers = _makers(traced, {edge.node_id for edge in used})
    through: dict[object, list[str]] = defaultdict(list)
    for edge in used:
        if makers.get(edge.node_id, set()) - {edge.record_id}:
            through[edge.record_id].append(edge.name or edge.node.key)
    return [
        Dependent(
            version=version,
            is_champion=bool(getattr(version, "is_champion", False)),
            roles=tuple(dict.fromkeys(roles[record.pk])),
            through=() if roles[record.pk] else tuple(dict.fromkeys(through[record.pk])),
            record=record,
        )
        for version in versions
        if (record := records.get(version.uri)) is not None
    ]


def explain_all(traced: Traced) -> Iterator[Dependent]:
    """Say it of every one, read in batches."""
    versions = versions_depending_on(traced).iterator(CSV_BATCH)
    while batch := list(islice(versions, CSV_BATCH)):
        yield from explain(traced, batch)


@dataclass(frozen=True, slots=True)
class Ingredient:
    """An artifact that went into a version, or into what that was made from.

    Attributes:
        into: versions whose trainings used it, as ``name vN``; the version itself first.
        is_own: the version's own training used it.
    """

    key: str
    kind: str
    role: str
    name: str
    is_own: bool
    into: tuple[str, ...]


def made_from(version: ModelVersion) -> list[Ingredient]:
    """Return what a version was made from, however deep, by its current record; its own first."""
    record = lineage_of(version.uri)
    if record is None:
        return []
    behind = records_behind([record.pk])
    uris = dict(behind.values_list("pk", "version_uri"))
    named = {
        found.uri: f"{found.registered_model.name} v{found.version}"
        for found in ModelVersion.objects.filter(uri__in=uris.values()).select_related(
            "registered_model"
        )
    }
    grouped: dict[tuple[str, str], list[ArtifactEdge]] = defaultdict(list)
    for edge in inputs_of(behind).order_by("role", "node__key"):
        grouped[edge.role, edge.node.key].append(edge)
    found = [
        Ingredient(
            key=key,
            kind=kind_of(key, [role]),
            role=role,
            name=next((edge.name for edge in edges if edge.name), ""),
            is_own=any(edge.record_id == record.pk for edge in edges),
            into=tuple(
                sorted({named.get(uri, uri) for uri in (uris[edge.record_id] for edge in edges)})
            ),
        )
        for (role, key), edges in grouped.items()
    ]
    places = {role: place for place, role in enumerate(ROLES)}
    return sorted(found, key=lambda one: (not one.is_own, places[one.role], one.key))


def _makers(traced: Traced, nodes: set[int]) -> dict[int, set[object]]:
    """Return which records that depend on what was looked for made each of these artifacts."""
    made = ArtifactEdge.objects.filter(
        node__in=nodes, role__in=[role.value for role in OUTPUTS], record__in=traced.records
    )
    found: dict[int, set[object]] = defaultdict(set)
    for node, record in made.values_list("node_id", "record_id"):
        found[node].add(record)
    return found


def _said_of(nodes: Sequence[int]) -> dict[int, list[tuple[str, str]]]:
    """Return each (role, name) that records give artifacts."""
    found: dict[int, list[tuple[str, str]]] = defaultdict(list)
    said = ArtifactEdge.objects.filter(node__in=nodes).order_by("role", "name")
    for node, role, name in said.values_list("node_id", "role", "name").distinct()[:MOST_SAID]:
        found[node].append((role, name))
    return found
