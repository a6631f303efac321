"""What the datasets of served versions came to when they were last hashed again."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("lineage", "0006_draw_records"),
    ]

    operations = [
        migrations.CreateModel(
            name="DatasetWatch",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("version_uri", models.CharField(max_length=500)),
                ("role", models.CharField(max_length=20)),
                ("name", models.CharField(max_length=200)),
                ("recorded", models.CharField(max_length=80)),
                (
                    "state",
                    models.CharField(
                        choices=[("held", "Held"), ("changed", "Changed"), ("unread", "Unread")],
                        max_length=10,
                    ),
                ),
                ("found", models.CharField(blank=True, max_length=80)),
                ("reason", models.CharField(blank=True, max_length=600)),
                ("read_at", models.DateTimeField()),
                ("looked_at", models.DateTimeField()),
            ],
            options={
                "db_table": "lineage_dataset_watch",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("version_uri", "role", "name"), name="lineage_dataset_watch_once"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("reason", ""), ("state", "held")),
                            models.Q(
                                models.Q(("state", "held"), _negated=True),
                                models.Q(("reason", ""), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="lineage_dataset_watch_says_why",
                    ),
                ],
            },
        ),
    ]
