"""Withdrawn datasets, as pages and the interface show them."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count, QuerySet

from audits.models import Disclosure
from lineage.domain.graph import DATA_ROLES
from lineage.models import ArtifactEdge
from registry.models import Withdrawal, WithdrawnVersion

ERASED = "The reason was erased."


@dataclass(frozen=True, slots=True)
class Reasons:
    """What the two people gave as reasons; empty where none was given."""

    proposer: str
    second: str


def list_withdrawals() -> QuerySet[Withdrawal]:
    """Return every withdrawal, the newest first, with how many versions it affects."""
    return (
        Withdrawal.objects.select_related(
            "proposer", "approval__person", "approval__entry", "entry"
        )
        .defer("entry__envelope", "approval__entry__envelope")
        .annotate(affected=Count("versions"))
        .order_by("-proposed_at", "pk")
    )


def status_of(withdrawal: Withdrawal) -> str:
    """Return where a withdrawal stands: `requested`, `in_force` or `refused`."""
    if not hasattr(withdrawal, "approval"):
        return "requested"
    return "in_force" if withdrawal.approval.verdict == "approve" else "refused"


def names_of_dataset(dataset: str) -> list[str]:
    """Return what lineage records call a dataset."""
    said = ArtifactEdge.objects.filter(
        node__key=dataset, role__in=[role.value for role in DATA_ROLES]
    ).exclude(name="")
    return list(said.order_by("name").values_list("name", flat=True).distinct()[:5])


def reasons_of(withdrawal: Withdrawal) -> Reasons:
    """Return the reasons that two people gave, as long as they are not erased."""
    approval = withdrawal.approval if hasattr(withdrawal, "approval") else None
    given = [withdrawal.reason_commitment, approval.reason_commitment if approval else ""]
    opened = dict(Disclosure.objects.filter(commitment__in=given).values_list("commitment", "text"))
    first, second = (opened.get(one) or (ERASED if one else "") for one in given)
    return Reasons(first, second)


def versions_of(withdrawal: Withdrawal) -> QuerySet[WithdrawnVersion]:
    """Return the versions that a withdrawal is stated of, by name."""
    return (
        WithdrawnVersion.objects.filter(withdrawal=withdrawal)
        .select_related("version__registered_model__source", "entry")
        .defer("entry__envelope")
        .order_by("version__registered_model__name", "-version__version")
    )
