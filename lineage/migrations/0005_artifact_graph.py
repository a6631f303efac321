"""The artifact graph: nodes by digest, and what each lineage record says of them.

Only new tables: a running process of the release before goes on, and 0006 draws its records.
"""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models

from audits.append_only import append_only

ROLES = (
    *("training", "validation", "evaluation", "code"),
    *("environment", "base_model", "model", "output"),
)


class Migration(migrations.Migration):
    dependencies = [("lineage", "0004_recomputations"), ("audits", "0003_append_only")]

    operations = [
        migrations.CreateModel(
            name="ArtifactNode",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("key", models.CharField(max_length=700, unique=True)),
            ],
            options={"db_table": "lineage_node_record"},
        ),
        migrations.CreateModel(
            name="ArtifactEdge",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "role",
                    models.CharField(choices=[(one, one) for one in ROLES], max_length=12),
                ),
                ("name", models.CharField(blank=True, max_length=200)),
                (
                    "node",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="edges",
                        to="lineage.artifactnode",
                    ),
                ),
                (
                    "record",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="edges",
                        to="lineage.lineagerecord",
                    ),
                ),
            ],
            options={
                "db_table": "lineage_edge_record",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("record", "role", "node"), name="lineage_edge_once"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="EnvironmentPackage",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "environment",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="packages",
                        to="lineage.artifactnode",
                    ),
                ),
                (
                    "package",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="environments",
                        to="lineage.artifactnode",
                    ),
                ),
            ],
            options={
                "db_table": "lineage_package_record",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("environment", "package"), name="lineage_package_once"
                    )
                ],
            },
        ),
        append_only("lineage_node_record"),
        append_only("lineage_edge_record"),
        append_only("lineage_package_record"),
    ]
