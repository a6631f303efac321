"""Draw the lineage records that are there already into the artifact graph.

In batches of a transaction each, and only what is not drawn yet: it may be stopped and run again,
and the product goes on beside it. Nothing is undone backwards: the tables go with 0005.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from django.db import migrations, transaction
from django.db.models import Exists, OuterRef

from lineage.domain.graph import edges_of

BATCH = 200


def draw(apps: Any, schema_editor: Any) -> None:
    using = schema_editor.connection.alias
    record_model, node_model, edge_model, package_model = (
        apps.get_model("lineage", name)
        for name in ("LineageRecord", "ArtifactNode", "ArtifactEdge", "EnvironmentPackage")
    )
    nodes, edges, packages = (
        one.objects.using(using) for one in (node_model, edge_model, package_model)
    )
    undrawn = record_model.objects.using(using).filter(~Exists(edges.filter(record=OuterRef("pk"))))
    while True:
        with transaction.atomic(using=using):
            batch = list(undrawn.order_by("entry_id")[:BATCH])
            if not batch:
                return
            drawn = [(record, _edges(record)) for record in batch]
            keys = sorted(
                {edge.key for _, found in drawn for edge in found.edges}
                | {key for _, found in drawn for key in found.packages}
            )
            nodes.bulk_create([node_model(key=key) for key in keys], ignore_conflicts=True)
            ids = dict(nodes.filter(key__in=keys).values_list("key", "pk"))
            edges.bulk_create(
                edge_model(
                    record_id=record.pk, node_id=ids[edge.key], role=edge.role.value, name=edge.name
                )
                for record, found in drawn
                for edge in found.edges
            )
            packages.bulk_create(
                (
                    package_model(environment_id=ids[edge.key], package_id=ids[key])
                    for _, found in drawn
                    for edge in found.edges
                    if edge.role == "environment"
                    for key in found.packages
                ),
                ignore_conflicts=True,
            )


def _edges(record: Any) -> Any:
    # The registry stands above this app: the name that the model was first seen with is in the
    # address of its version.
    name = record.version_uri.rpartition("/versions/")[0].rpartition("/models/")[2]
    return edges_of(
        version_uri=record.version_uri,
        model_name=unquote(name.rpartition("@")[0]),
        subject_digest=record.subject_digest,
        has_artifacts=bool(record.artifacts),
        facts=record.facts,
    )


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("lineage", "0005_artifact_graph")]
    operations = [migrations.RunPython(draw, migrations.RunPython.noop)]
