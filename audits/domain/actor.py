"""Who does a thing. In the log an actor is a pseudonymous id and nothing more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from audits.errors import RoleRequired


@dataclass(frozen=True, slots=True)
class Actor:
    """A person or a service on whose account something happens.

    Attributes:
        kind: `person` or `service`.
        id: the person's pseudonymous UUID, or the service's name.
        roles: what a person may do; services have none and are named in the code that asks.
        printed_name: a person's name, for pages and signatures; never written to the log.
    """

    kind: Literal["person", "service"]
    id: str
    roles: frozenset[str] = frozenset()
    printed_name: str = ""

    def to_mapping(self) -> dict[str, str]:
        """Return what the log says of this actor."""
        return {"kind": self.kind, "id": self.id}

    def require_role(self, operation: str, *needed: str) -> None:
        """Pass only a person who holds one of `needed`.

        Raises:
            RoleRequired: for everybody else, services included.
        """
        if self.kind != "person" or not self.roles.intersection(needed):
            raise RoleRequired(operation, needed)


MIRROR = Actor(kind="service", id="mirror")
RECORDER = Actor(kind="service", id="recorder")
PREDICTIONS_AUDIT = Actor(kind="service", id="predictions-audit")
SET_AUDIT = Actor(kind="service", id="set-audit")
SCANNER = Actor(kind="service", id="scanner")
RECOMPUTER = Actor(kind="service", id="recomputation")
SCHEDULER = Actor(kind="service", id="schedule")
GATE = Actor(kind="service", id="gate")
GATEKEEPER = Actor(kind="service", id="gatekeeper")
EXECUTOR = Actor(kind="service", id="executor")
# Whoever runs a command on the server without saying who.
OPERATOR = Actor(kind="service", id="operator")
SETUP = Actor(kind="service", id="set-up")
