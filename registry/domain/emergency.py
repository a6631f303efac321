"""Emergencies: what moves an alias at once, and what whoever signs has to have read."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from registry.domain.gate_result import GateResult
from registry.domain.words import GateOutcome

# Reviewers and admins: who asks for promotions does not undo them alone.
ROLES: Final = ("reviewer", "admin")


class Emergency(StrEnum):
    """The kinds of emergency."""

    ROLLBACK = "rollback"


MEANINGS: Final = {
    Emergency.ROLLBACK: (
        "I put the alias back to its previous version at once, knowing which gates that version "
        "fails today."
    )
}


def not_passed(gates: Sequence[GateResult]) -> tuple[GateResult, ...]:
    """Give the gates that the version would not pass now, those that wait or are waived too."""
    passed = (GateOutcome.SATISFIED, GateOutcome.NOT_APPLICABLE)
    return tuple(gate for gate in gates if gate.outcome not in passed)
