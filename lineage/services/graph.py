"""Drawing the artifact graph: the nodes and edges of each lineage record, with the record."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import connection, transaction

from lineage.domain.graph import RecordEdges, Role, edges_of
from lineage.models import ArtifactEdge, ArtifactNode, EnvironmentPackage, LineageRecord

# Of the lock that keeps the graph still.
_LOCK = 0x6D756E69677266


def hold_graph() -> None:
    """Keep what the whole graph is read for from being read while a record is written.

    Until the transaction ends; any number write at once. It comes before the lock of a stream.
    """
    _lock("pg_advisory_xact_lock_shared")


def lock_graph() -> None:
    """Wait for everybody who is writing a record, and keep others from it.

    Until the transaction ends: what is read then is all there is, and whoever writes later sees
    what was written here.
    """
    _lock("pg_advisory_xact_lock")


def _lock(function: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(%s)", [_LOCK])


@transaction.atomic
def draw_record(*, record: LineageRecord, model_name: str) -> None:
    """Write what a record ties together, in the record's own transaction.

    Nodes that are there already are used; nothing is ever changed.

    Args:
        model_name: what the registered model is called now.
    """
    drawn = edges_of(
        version_uri=record.version_uri,
        model_name=model_name,
        subject_digest=record.subject_digest,
        has_artifacts=bool(record.artifacts),
        facts=record.facts,
    )
    ids = _node_ids(drawn)
    ArtifactEdge.objects.bulk_create(
        ArtifactEdge(record=record, node_id=ids[edge.key], role=edge.role.value, name=edge.name)
        for edge in drawn.edges
    )
    for edge in drawn.edges:
        if edge.role is Role.ENVIRONMENT:
            EnvironmentPackage.objects.bulk_create(
                (
                    EnvironmentPackage(environment_id=ids[edge.key], package_id=ids[key])
                    for key in drawn.packages
                ),
                ignore_conflicts=True,
            )


def _node_ids(drawn: RecordEdges) -> dict[str, int]:
    # In one order, or two that insert the same nodes could each wait for the other.
    keys = sorted({edge.key for edge in drawn.edges} | set(drawn.packages))
    ArtifactNode.objects.bulk_create(_nodes(keys), ignore_conflicts=True)
    return dict(ArtifactNode.objects.filter(key__in=keys).values_list("key", "pk"))


def _nodes(keys: Iterable[str]) -> list[ArtifactNode]:
    return [ArtifactNode(key=key) for key in keys]
