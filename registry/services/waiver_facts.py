"""The waivers of a version, as an evaluation reads them."""

from __future__ import annotations

from registry.domain.policy import Policy
from registry.domain.waivers import Waiver
from registry.models import GateWaiver, ModelVersion


def load_waivers(*, version: ModelVersion, policy: Policy) -> tuple[Waiver, ...]:
    """Load what was waived of a version under a policy and not taken back; ended ones too.

    Asks nothing of the database where the policy lets nobody waive anything.
    """
    if not any(gate.waivable_by for gate in policy.every_gate):
        return ()
    rows = (
        GateWaiver.objects.filter(version=version, policy_id=policy.digest, revocation__isnull=True)
        .select_related("entry")
        .defer("entry__envelope")
        .order_by("entry_id")
    )
    return tuple(
        Waiver(
            name=str(row.pk),
            digest=row.entry.sha256,
            version_uri=version.uri,
            policy_digest=policy.digest,
            gate_id=row.gate_id,
            person=str(row.person_id),
            role=row.role,
            granted_at=row.granted_at,
            until=row.until,
        )
        for row in rows
    )
