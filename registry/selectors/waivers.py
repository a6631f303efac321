"""The waivers of a version, for pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet

from audits.models import Disclosure
from registry.models import GateWaiver, ModelVersion


@dataclass(frozen=True, slots=True)
class ShownWaiver:
    """A waiver with its reason, and how it stands: `look` is active, ended or revoked."""

    waiver: GateWaiver
    reason: str
    look: str


def waivers_of(version: ModelVersion) -> QuerySet[GateWaiver]:
    """Return every waiver of a version's gates, the newest first."""
    return (
        GateWaiver.objects.filter(version=version)
        .select_related("person", "entry", "revocation")
        .defer("entry__envelope")
        .order_by("-entry_id")
    )


def shown_waivers(version: ModelVersion, now: datetime) -> list[ShownWaiver]:
    """Return every waiver of a version's gates with its reason, the newest first."""
    rows = list(waivers_of(version))
    reasons: Mapping[str, str] = dict(
        Disclosure.objects.filter(
            commitment__in=[row.reason_commitment for row in rows]
        ).values_list("commitment", "text")
    )
    return [
        ShownWaiver(row, reasons.get(row.reason_commitment, "(erased)"), _look(row, now))
        for row in rows
    ]


def _look(row: GateWaiver, now: datetime) -> str:
    if hasattr(row, "revocation"):
        return "waiver_revoked"
    return "waiver_ended" if row.until <= now else "waived"
