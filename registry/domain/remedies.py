"""What clears a gate that stands in the way: who can do it, and where."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from typing import Final

from registry.domain.words import GateKind, GateOutcome


@dataclass(frozen=True, slots=True)
class Remedy:
    """Who can clear a gate, what they do, and by which command.

    `command` has `MODEL` and `VERSION` in place of the version's own; empty where there is none.
    """

    who: str
    what: str
    command: str = ""

    def about(self, model: str, version: int) -> Remedy:
        """Give the remedy with the command for that version."""
        # The version first: a model may be called VERSION.
        command = self.command.replace("VERSION", str(version))
        return replace(self, command=command.replace("MODEL", shlex.quote(model)))


_TRAIN: Final = "muniment run -- python train.py"
_INSIDE: Final = Remedy(
    "whoever can clear the gates inside it", "See each of them for what there is to do."
)

# By kind: what there is to do while no evidence can be read, and what where it was measured and
# is not good enough.
_UNREAD: Final = {
    GateKind.LINEAGE_COMPLETE: Remedy(
        "whoever trains",
        "Train under the recorder, from a committed and pushed tree, and register that run.",
        _TRAIN,
    ),
    GateKind.BIAS: Remedy(
        "whoever trains",
        "Log predictions.parquet to the run; the audit follows when the promotion is requested.",
    ),
    GateKind.METRIC_FLOOR: Remedy(
        "whoever trains",
        "Log predictions.parquet to the run; it is measured when the promotion is requested.",
    ),
    GateKind.NOT_WORSE_THAN_CHAMPION: Remedy(
        "whoever trains",
        "Log predictions.parquet for the rows that the champion was measured on.",
    ),
    GateKind.RECOMPUTATION: Remedy(
        "an engineer, a reviewer or an admin",
        "Have the version trained again from its lineage record.",
        "manage.py recompute MODEL VERSION --wait",
    ),
    GateKind.GROUP_METRIC: Remedy(
        "whoever trains",
        "Log predictions.parquet to the run; the audit follows when the promotion is requested.",
    ),
    GateKind.PUBLISHED_AUDIT: Remedy(
        "whoever trains",
        "Log predictions.parquet to the run; the audit makes the tables.",
    ),
    GateKind.ARTIFACT_SAFETY: Remedy(
        "whoever trains", "Register a version whose every file can be scanned."
    ),
    GateKind.VULNERABILITIES: Remedy(
        "an admin",
        "Provide a newer database of vulnerabilities, and have the promotion requested again.",
    ),
    GateKind.DOCUMENTATION: Remedy(
        "an engineer or an admin",
        "Write what the policy asks for, under Documentation and attestations on its page.",
    ),
    GateKind.ATTESTATION: Remedy(
        "somebody in a role that the policy names",
        "Examine the version, and sign on its page under Documentation and attestations.",
    ),
    GateKind.REPORTED_EVIDENCE: Remedy(
        "whoever measures",
        "Report it over REST, in the form that the policy asks for: docs/evidence.md says how.",
    ),
    GateKind.ALL_OF: _INSIDE,
    GateKind.ANY_OF: _INSIDE,
}
_FOUND: Final = {
    GateKind.LINEAGE_COMPLETE: _UNREAD[GateKind.LINEAGE_COMPLETE],
    GateKind.DOCUMENTATION: _UNREAD[GateKind.DOCUMENTATION],
    GateKind.ATTESTATION: _UNREAD[GateKind.ATTESTATION],
    GateKind.VULNERABILITIES: Remedy(
        "whoever trains", "Train with packages in which these are fixed, and register that version."
    ),
    GateKind.RECOMPUTATION: Remedy(
        "whoever trains",
        "Make the training come out the same: pin what differs, set seeds, register a new version.",
        "manage.py recompute MODEL VERSION --wait",
    ),
}
# Of what a policy takes from nobody but Muniment, predictions of the team clear nothing.
_BIND_A_SET: Final = Remedy(
    "an admin",
    "Bind an evaluation set to the model: Muniment then asks the version itself. Where one is "
    "bound, the reason says what kept the audit from being made.",
    "manage.py evaluation_set bind MODEL NAME --as ADMIN",
)
_MEASURED_ON_ROWS: Final = frozenset(
    {
        GateKind.BIAS,
        GateKind.GROUP_METRIC,
        GateKind.METRIC_FLOOR,
        GateKind.NOT_WORSE_THAN_CHAMPION,
        GateKind.PUBLISHED_AUDIT,
    }
)
_OTHER_VERSION: Final = Remedy(
    "whoever trains", "Register a version that meets the bound: these numbers were measured."
)


def remedy_of(
    kind: GateKind, outcome: GateOutcome, *, was_read: bool, is_computed: bool = False
) -> Remedy | None:
    """Say who clears a gate and how; None where it stands in nobody's way, or a job is at it.

    Args:
        was_read: whether evidence was found and could be judged.
        is_computed: whether the gate accepts only what Muniment computed.
    """
    if not outcome.blocks:
        return None
    if is_computed and not was_read and kind in _MEASURED_ON_ROWS:
        return _BIND_A_SET
    return _FOUND.get(kind, _OTHER_VERSION) if was_read else _UNREAD[kind]
