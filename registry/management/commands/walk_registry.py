from __future__ import annotations

from typing import Any

from audits.management.json_command import JsonCommand
from lineage.errors import LineageError
from registry.models import RegistrySource
from registry.tasks import walk_registry


class Command(JsonCommand):
    help = "Walk MLflow's registry now, and bring the mirror to what it says."
    refusals = (LineageError,)

    def perform(self, **options: Any) -> dict[str, Any]:
        walk_registry()
        return {
            "sources": list(RegistrySource.objects.order_by("name").values_list("name", flat=True))
        }
