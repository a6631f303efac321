"""A waiver: a signed, expiring exception to one gate of one version, never shown as a pass."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from registry.domain.moments import is_aware, rfc3339
from registry.domain.policy import Policy
from registry.domain.policy_gates import Gate
from registry.domain.separation import Ineligibility

GRANTED: Final = "waiver.granted"
REVOKED: Final = "waiver.revoked"
# An exception that lasts longer is a rule, and rules stand in the policy.
MAX_DAYS: Final = 90


@dataclass(frozen=True, slots=True)
class Waiver:
    """An exception to the gate `gate_id` for one version, from `granted_at` until `until`.

    `role` is the role in which it was signed by `person`, `digest` that of the signed envelope.
    The end is excluded. It counts only under the policy that it was signed under, where the gate
    itself says that this role may waive it, and not for a promotion that its signer requested or
    a version that they trained.
    """

    name: str
    digest: str
    version_uri: str
    policy_digest: str
    gate_id: str
    person: str
    role: str
    granted_at: datetime
    until: datetime

    def to_mapping(self) -> dict[str, object]:
        """Give the waiver as JSON-able values."""
        return {
            "name": self.name,
            "digest": self.digest,
            "version_uri": self.version_uri,
            "policy_digest": self.policy_digest,
            "gate_id": self.gate_id,
            "person": self.person,
            "role": self.role,
            "granted_at": rfc3339(self.granted_at),
            "until": rfc3339(self.until),
        }


def active_waiver(
    waivers: Sequence[Waiver],
    gate: Gate,
    *,
    version_uri: str,
    policy_digest: str,
    not_by: Collection[str | None] = (),
    as_of: datetime,
) -> Waiver | None:
    """Give the waiver of that gate that holds now, the longest one; None where none does.

    Args:
        not_by: the people whose waivers do not count: who asked, and who trained.
    """
    active = [
        waiver
        for waiver in waivers
        if waiver.gate_id == gate.id
        and waiver.version_uri == version_uri
        and waiver.policy_digest == policy_digest
        and waiver.role in gate.waivable_by
        and waiver.person not in not_by
        and is_aware(waiver.granted_at)
        and is_aware(waiver.until)
        and waiver.granted_at <= as_of < waiver.until
    ]
    return max(active, key=lambda waiver: (waiver.until, waiver.digest), default=None)


def shown_waivers(
    waivers: Sequence[Waiver], *, version_uri: str, policy_digest: str
) -> tuple[str, ...]:
    """Give the digests of the waivers that are part of what a reviewer is shown, in order.

    Those that have ended too: the time of asking moves no evidence digest.
    """
    return tuple(
        sorted(
            waiver.digest
            for waiver in waivers
            if waiver.version_uri == version_uri and waiver.policy_digest == policy_digest
        )
    )


def why_not_waive(
    policy: Policy,
    gate_id: str,
    *,
    person: str,
    roles: Collection[str],
    not_by: Collection[str | None],
) -> Ineligibility | None:
    """Say why this person may not waive that gate of a version; None when they may.

    Args:
        not_by: who asked for an open promotion of the version, and who trained it.
    """
    gate = next((gate for gate in policy.every_gate if gate.id == gate_id), None)
    if gate is None:
        return Ineligibility("no_such_gate", "The policy has no such gate.")
    if not gate.waivable_by:
        return Ineligibility(
            "not_waivable", f"The policy lets nobody waive this gate: {gate.title}."
        )
    if person in not_by:
        return Ineligibility(
            "is_involved",
            "You requested the promotion or trained the version, and nobody waives a gate for "
            "their own work.",
        )
    if not any(role in gate.waivable_by for role in roles):
        return Ineligibility(
            "role_cannot_waive", f"The policy has this gate waived by: {_words(gate)}."
        )
    return None


def why_not_until(until: datetime, now: datetime) -> str:
    """Say why a waiver may not last until then; empty where it may."""
    if until <= now:
        return "A waiver ends in the future. Give a later day."
    if until > now + timedelta(days=MAX_DAYS):
        return f"A waiver lasts {MAX_DAYS} days at most. Give an earlier day."
    return ""


def _words(gate: Gate) -> str:
    return " or ".join(gate.waivable_by)
