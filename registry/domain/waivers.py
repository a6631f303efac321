"""A waiver: a signed, expiring exception to one gate of one version, never shown as a pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from registry.domain.moments import is_aware, rfc3339
from registry.domain.policy import Gate


@dataclass(frozen=True, slots=True)
class Waiver:
    """An exception to the gate `gate_id` for one version, from `granted_at` until `until`.

    `role` is the role in which it was signed, `digest` that of the signed envelope. The end is
    excluded. It counts only where the gate itself says that this role may waive it.
    """

    name: str
    digest: str
    version_uri: str
    gate_id: str
    role: str
    granted_at: datetime
    until: datetime

    def to_mapping(self) -> dict[str, object]:
        """Give the waiver as JSON-able values."""
        return {
            "name": self.name,
            "digest": self.digest,
            "version_uri": self.version_uri,
            "gate_id": self.gate_id,
            "role": self.role,
            "granted_at": rfc3339(self.granted_at),
            "until": rfc3339(self.until),
        }


def active_waiver(
    waivers: Sequence[Waiver], gate: Gate, *, version_uri: str, as_of: datetime
) -> Waiver | None:
    """Give the waiver of that gate that holds now, the longest one; None where none does."""
    active = [
        waiver
        for waiver in waivers
        if waiver.gate_id == gate.id
        and waiver.version_uri == version_uri
        and waiver.role in gate.waivable_by
        and is_aware(waiver.granted_at)
        and is_aware(waiver.until)
        and waiver.granted_at <= as_of < waiver.until
    ]
    return max(active, key=lambda waiver: (waiver.until, waiver.digest), default=None)
