"""`manage.py registry`: one file a subcommand."""

from __future__ import annotations

from registry.management.registry_command.add import Add
from registry.management.registry_command.bind import Bind
from registry.management.registry_command.connect import Connect
from registry.management.registry_command.list import List
from registry.management.registry_command.mode import SetMode
from registry.management.registry_command.plan import Plan
from registry.management.registry_command.remove import Remove
from registry.management.registry_command.subcommand import Subcommand
from registry.management.registry_command.walk import Walk

SUBCOMMANDS: tuple[Subcommand, ...] = (
    Connect(),
    Walk(),
    Add(),
    List(),
    Plan(),
    SetMode(),
    Bind(),
    Remove(),
)

__all__ = ["SUBCOMMANDS", "Subcommand"]
