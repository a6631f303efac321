"""Setting a signed review aside, as a fact of its own."""

from __future__ import annotations

from datetime import datetime

from audits.domain.actor import Actor
from audits.domain.log import Event
from audits.services.log import append_statement, predicate_type
from muniment.attest.digest import Digest
from registry.models import Approval, Dismissal, Promotion
from registry.services.review_notices import tell_signer

OTHER_EVIDENCE = "The evidence has changed since it was signed."


def dismiss_outdated(
    promotion: Promotion, evidence_digest: str, *, actor: Actor, now: datetime
) -> None:
    """Dismiss what was signed on other evidence than a locked promotion has now."""
    outdated = promotion.approvals.filter(dismissal__isnull=True).exclude(
        evidence_digest=evidence_digest
    )
    for approval in outdated.select_related("entry"):
        dismiss_approval(approval=approval, reason=OTHER_EVIDENCE, actor=actor, now=now)
        tell_signer(promotion, approval.person_id, approval.pk, now)


def dismiss_approval(*, approval: Approval, reason: str, actor: Actor, now: datetime) -> Dismissal:
    """Dismiss a signed review of a locked promotion; it never counts again."""
    version = approval.promotion.version
    given = approval.statement_fields()
    entry = append_statement(
        event=Event.APPROVAL_DISMISSED,
        predicate_type=predicate_type("approval"),
        subject_name=version.uri,
        subject_digest=Digest.parse(approval.entry.subject_digest),
        predicate=given,
        stream=version.registered_model.uri,
        actor=actor,
        now=now,
    )
    return Dismissal.objects.create(approval=approval, reason=reason, at=now, entry=entry)
