"""Questions to the artifact graph: what depends on this, and what was this made from."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from django.db import connection
from django.db.models import Q, QuerySet
from django.db.models.expressions import RawSQL

from lineage.domain.graph import INPUTS, OUTPUTS, Sought
from lineage.models import ArtifactEdge, ArtifactNode, EnvironmentPackage, LineageRecord

# A commit's first digits may fit several; more are asked to be told apart.
MOST_NODES: Final = 50
_INPUTS: Final = [role.value for role in INPUTS]
_OUTPUTS: Final = [role.value for role in OUTPUTS]

# Nothing newer about the same version: what a record says that was superseded, counts no more.
_IS_CURRENT: Final = """
    AND NOT EXISTS (
        SELECT 1 FROM lineage_record this
        JOIN lineage_record newer
          ON newer.version_uri = this.version_uri AND newer.entry_id > this.entry_id
        WHERE this.id = {record}
    )"""
# UNION keeps each record once: a circle ends where it began, and nothing is walked twice.
_DEPENDING: Final = """
    WITH RECURSIVE reached (record_id) AS (
        SELECT used.record_id FROM lineage_edge_record used
        WHERE used.node_id = ANY(%s) AND used.role = ANY(%s) {current}
      UNION
        SELECT used.record_id
        FROM reached
        JOIN lineage_edge_record made
          ON made.record_id = reached.record_id AND made.role = ANY(%s)
        JOIN lineage_edge_record used
          ON used.node_id = made.node_id AND used.role = ANY(%s) {current}
    )
    SELECT record_id FROM reached"""
_MADE_FROM: Final = """
    WITH RECURSIVE reached (record_id) AS (
        SELECT id FROM lineage_record WHERE id = ANY(%s)
      UNION
        SELECT made.record_id
        FROM reached
        JOIN lineage_edge_record used
          ON used.record_id = reached.record_id AND used.role = ANY(%s)
        JOIN lineage_edge_record made
          ON made.node_id = used.node_id AND made.role = ANY(%s) {current}
    )
    SELECT record_id FROM reached"""


class TooManyNodes(ValueError):
    """What is looked for names more artifacts than can be told apart."""


@dataclass(frozen=True, slots=True)
class FoundNode:
    """An artifact that was looked for, by its key."""

    id: int
    key: str


def find_nodes(sought: Sought) -> list[FoundNode]:
    """Return the artifacts that are looked for, by key; empty where no record names one.

    Raises:
        TooManyNodes: more than `MOST_NODES` fit.
    """
    wanted = Q(key__in=sought.keys)
    for prefix in sought.prefixes:
        wanted |= Q(key__startswith=prefix)
    found = list(ArtifactNode.objects.filter(wanted).order_by("key")[: MOST_NODES + 1])
    if len(found) > MOST_NODES:
        raise TooManyNodes(f"More than {MOST_NODES} artifacts begin like that. Give more digits.")
    return [FoundNode(node.pk, node.key) for node in found]


def holding_nodes(nodes: Collection[int]) -> list[int]:
    """Return artifacts and the environments that hold them: who used one used the other."""
    environments = EnvironmentPackage.objects.filter(package__in=nodes)
    return [*nodes, *environments.values_list("environment_id", flat=True)]


def records_depending_on(
    nodes: Collection[int], *, role: str = "", superseded: bool = False
) -> QuerySet[LineageRecord]:
    """Find the records of everything that was made from any of these artifacts, however deep.

    A model that was tuned from another depends on what that one was made from; so does one that
    was trained on a file that another run wrote.

    Args:
        nodes: as `holding_nodes` gives them.
        role: only what used one of them in this role, and what was made from that.
        superseded: what records that were superseded say counts too.
    """
    roles = [role] if role else _INPUTS
    return _reached(_DEPENDING, "used", superseded, [list(nodes), roles, _OUTPUTS, _INPUTS])


def records_behind(
    records: Collection[Any], *, superseded: bool = False
) -> QuerySet[LineageRecord]:
    """Return these records and those of all that went into what they tell of, however deep.

    Args:
        records: ids.
        superseded: as in `records_depending_on`; the ones asked for count always.
    """
    return _reached(_MADE_FROM, "made", superseded, [list(records), _INPUTS, _OUTPUTS])


def inputs_of(records: QuerySet[LineageRecord]) -> QuerySet[ArtifactEdge]:
    """Return what went into the trainings that records tell of."""
    return ArtifactEdge.objects.filter(record__in=records, role__in=_INPUTS).select_related("node")


def _reached(
    walk: str, edge: str, superseded: bool, parameters: list[list[Any]]
) -> QuerySet[LineageRecord]:
    """Walk the graph once; what is asked of its end finds the records by their ids.

    A query that held the walk would walk again each time that it is asked, and be planned for as
    many records as a walk might reach.
    """
    current = "" if superseded else _IS_CURRENT.format(record=f"{edge}.record_id")
    with connection.cursor() as cursor:
        cursor.execute(walk.format(current=current), parameters)
        ids = [row[0] for row in cursor.fetchall()]
    return LineageRecord.objects.filter(id__in=RawSQL("SELECT unnest(%s::uuid[])", (ids,)))
