"""Lineage records become append-only in the database itself."""

from __future__ import annotations

from django.db import migrations

from audits.append_only import append_only


class Migration(migrations.Migration):
    dependencies = [("lineage", "0001_initial"), ("audits", "0003_append_only")]
    operations = [append_only("lineage_record")]
