"""Whether one person is enough, and what the log says of who stood behind a change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db.models import Q

from accounts.domain.proposals import ROLE, Verdict
from accounts.errors import SecondPersonNeeded
from accounts.models import ProposalAnswer, User


def is_bootstrapping() -> bool:
    """Say whether one person is still enough: fewer than two people have ever been admins.

    It ends for good with the second admin. Taking the role away from one, or deactivating them,
    does not bring it back, so that nobody becomes enough alone by removing the others.
    """
    return User.objects.filter(was_admin=True).count() < 2


def is_short_of_admins() -> bool:
    """Say whether fewer than two people could confirm anything: whoever set it up may add some."""
    return User.objects.filter(is_active=True, roles__contains=[ROLE]).count() < 2


def require_two_people(operation: str, second: ProposalAnswer | None) -> Mapping[str, Any]:
    """Return what the log says of who stands behind a change; pass only what two people want.

    Args:
        operation: what is done, for the error: "publish a policy".
        second: the answer that confirms the proposal, saved in this very transaction; None where
            one person acts alone.

    Raises:
        SecondPersonNeeded: nobody confirmed it, and there have been two admins.
    """
    if second is not None and second.verdict == Verdict.CONFIRM and not second._state.adding:
        return {
            "proposal": second.proposal.entry.sha256,
            "proposed_by": str(second.proposer_id),
            "confirmed_by": str(second.person_id),
        }
    if not is_bootstrapping():
        raise SecondPersonNeeded(
            f"Nobody can {operation} alone: propose it, and another admin confirms it."
        )
    return {"bootstrap": True}


def lock_admins_and(*ids: UUID) -> dict[UUID, User]:
    """Lock every active admin and these people until the transaction ends; return them by id.

    Nobody loses the role or their account meanwhile. All at once and in one order: two who locked
    one after the other could each hold what the other waits for.
    """
    wanted = Q(pk__in=ids) | Q(is_active=True, roles__contains=[ROLE])
    rows = User.objects.select_for_update(no_key=True).filter(wanted).order_by("pk")
    return {person.pk: person for person in rows}
