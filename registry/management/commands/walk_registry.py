from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from lineage.errors import LineageError
from registry.tasks import walk_registry


class Command(BaseCommand):
    help = "Walk MLflow's registry now, and bring the mirror to what it says."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            walk_registry()
        except LineageError as error:
            raise CommandError(str(error)) from error
