"""Withdrawing a dataset by two signatures."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from accounts.domain.signature import SignatureMethod
from accounts.models import NoticeKind
from accounts.services.notices import post_notice, settle_notice
from audits.domain.actor import Actor
from audits.models import LogEntry
from audits.services.log import append_statement, predicate_type
from lineage.services.graph import lock_graph
from muniment.attest.digest import Digest
from muniment.attest.errors import DigestError
from registry.domain.withdrawal import PROPOSED, REFUSED, ROLES, SIGNED, Cause, why_not_second
from registry.errors import InvalidRequest, ReviewNotAllowed, WithdrawalNotPossible
from registry.models import PolicyBinding, Withdrawal, WithdrawalApproval
from registry.services.signature_strength import least_signature, require_least, strongest
from registry.services.signing import Means, Pen, sign
from registry.services.text import require_plain_text
from registry.services.withdrawn_versions import (
    affected_versions,
    refresh_withdrawn_alarm,
    state_withdrawn,
)

APPROVE, REFUSE = "approve", "refuse"
OPERATION = "withdraw a dataset"
MEANINGS: Mapping[str, str] = {
    "propose": "I withdraw this dataset: no model that was made from it may hold an alias.",
    APPROVE: "I withdraw this dataset too: no model that was made from it may hold an alias.",
    REFUSE: "I refuse this withdrawal.",
}
MAX_REASON = 2000


def propose_withdrawal(
    *, dataset: str, cause: str, reason: str, means: Means, actor: Actor, now: datetime
) -> Withdrawal:
    """Sign that a dataset may no longer be used, after re-authentication; nothing follows yet.

    Args:
        dataset: its digest, ``sha256:…`` or ``dirHash:…``; no record needs to name it yet.
        reason: kept as personal data, the log holds a commitment.

    Raises:
        As `sign`, and
        SignatureTooWeak: a policy asks for more than was shown; nothing was signed.
        WithdrawalNotPossible: it is withdrawn, or waits for the second signature.
        InvalidRequest: no digest of a dataset, an unknown cause, or no reason.
    """
    actor.require_role(OPERATION, *ROLES)
    digest = _dataset(dataset)
    known = _cause(cause)
    reason = _reason(reason, "Give the reason: whoever signs second reads it.")

    def write(pen: Pen) -> Withdrawal:
        lock_graph()
        require_least(pen.method, least_for_dataset(str(digest)))
        _require_new(digest)
        commitment = pen.commit_text(reason)
        said = {"cause": known.value, "reason_commitment": commitment}
        withdrawal = Withdrawal(
            dataset=str(digest),
            cause=known.value,
            reason_commitment=commitment,
            proposer=pen.person,
            proposed_at=pen.at,
            entry=_state(PROPOSED, digest, said, "propose", pen),
        )
        withdrawal.save(force_insert=True)
        post_notice(
            kind=NoticeKind.REGISTRY,
            subject="A dataset is to be withdrawn, and a second signature is asked for.",
            text=f"{digest}, signed first by {pen.person.printed_name}.",
            path=f"/withdrawals/{withdrawal.pk}/",
            audience=list(ROLES),
            dedup_key=notice_key(withdrawal),
            now=pen.now,
        )
        return withdrawal

    return sign(
        write,
        operation=OPERATION,
        roles=ROLES,
        about=f"withdrawal of {digest}",
        means=means,
        actor=actor,
        now=now,
    )


def sign_withdrawal(
    *,
    withdrawal_id: UUID,
    verdict: str,
    reason: str,
    means: Means,
    actor: Actor,
    now: datetime,
) -> Withdrawal:
    """Give the second signature, after re-authentication: the dataset is withdrawn, or it is not.

    Withdrawn, every version that was made from it, however deep and by whichever of its records,
    is stated in its model's stream in this very transaction, and passes no gate from then on.
    Champions stay where they are: everybody sees an alarm.

    Raises:
        As `sign`, and
        ReviewNotAllowed: this person may not sign second.
        SignatureTooWeak: a policy asks for more than was shown; nothing was signed.
        WithdrawalNotPossible: there is none, or the second signature is there.
        InvalidRequest: an unknown verdict, or a refusal without a reason.
    """
    actor.require_role(OPERATION, *ROLES)
    if verdict not in (APPROVE, REFUSE):
        raise InvalidRequest("Choose whether you approve or refuse.")
    needed = "Give the reason for which you refuse." if verdict == REFUSE else ""
    reason = _reason(reason, needed)

    def write(pen: Pen) -> Withdrawal:
        # Nobody records lineage meanwhile: what is recorded later reads the withdrawal.
        lock_graph()
        return _sign_second(withdrawal_id, verdict, reason, pen)

    return sign(
        write,
        operation=OPERATION,
        roles=ROLES,
        about=f"withdrawal:{withdrawal_id}",
        means=means,
        actor=actor,
        now=now,
    )


def least_for_dataset(dataset: str) -> SignatureMethod:
    """Return the weakest signature that withdraws a dataset: what the strictest of the policies
    asks that bind a model which was made from it."""
    models = affected_versions(dataset).order_by().values("registered_model")
    bound = PolicyBinding.objects.select_related("policy").filter(registered_model__in=models)
    return strongest(least_signature(binding) for binding in bound)


def _sign_second(withdrawal_id: UUID, verdict: str, reason: str, pen: Pen) -> Withdrawal:
    withdrawal = Withdrawal.objects.filter(pk=withdrawal_id).first()
    if withdrawal is None:
        raise WithdrawalNotPossible("There is no such withdrawal.")
    if hasattr(withdrawal, "approval"):
        raise WithdrawalNotPossible("The second signature on this withdrawal is there.")
    refusal = why_not_second(
        person=pen.actor.id, roles=pen.actor.roles, proposer=str(withdrawal.proposer_id)
    )
    if refusal:
        raise ReviewNotAllowed(refusal)
    require_least(pen.method, least_for_dataset(withdrawal.dataset))
    commitment = pen.commit_text(reason) if reason else ""
    said = {
        "cause": withdrawal.cause,
        "proposal": withdrawal.entry.sha256,
        "reason_commitment": commitment or None,
    }
    event = SIGNED if verdict == APPROVE else REFUSED
    WithdrawalApproval.objects.create(
        withdrawal=withdrawal,
        person=pen.person,
        proposer_id=withdrawal.proposer_id,
        verdict=verdict,
        reason_commitment=commitment,
        signed_at=pen.at,
        entry=_state(event, Digest.parse(withdrawal.dataset), said, verdict, pen),
    )
    settle_notice(dedup_key=notice_key(withdrawal), now=pen.now)
    if verdict == APPROVE:
        state_withdrawn(withdrawal=withdrawal, actor=pen.actor, now=pen.now)
        refresh_withdrawn_alarm(now=pen.now)
    return withdrawal


def notice_key(withdrawal: Withdrawal) -> str:
    """Name the notice that a withdrawal waits for its second signature."""
    return f"withdrawal:{withdrawal.pk}"


def _state(
    event: str, dataset: Digest, detail: Mapping[str, Any], verdict: str, pen: Pen
) -> LogEntry:
    """State a signature in the log; it is about a dataset and so in no model's stream."""
    role = next(role for role in ROLES if role in pen.actor.roles)
    return append_statement(
        event=event,
        predicate_type=predicate_type("registry-event"),
        subject_name=f"dataset:{dataset}",
        subject_digest=dataset,
        predicate={
            "detail": {
                "dataset": str(dataset),
                **detail,
                "meaning": MEANINGS[verdict],
                **pen.signer(role),
            }
        },
        stream=None,
        seal=pen.seal,
        actor=pen.actor,
        now=pen.at,
    )


def _require_new(dataset: Digest) -> None:
    for earlier in Withdrawal.objects.filter(dataset=str(dataset)).select_related("approval"):
        if not hasattr(earlier, "approval"):
            raise WithdrawalNotPossible(
                "The withdrawal of this dataset waits for its second signature already."
            )
        if earlier.approval.verdict == APPROVE:
            raise WithdrawalNotPossible("This dataset is withdrawn already.")


def _dataset(text: str) -> Digest:
    try:
        digest = Digest.parse(text.strip())
    except DigestError as error:
        raise InvalidRequest(
            "Give the digest of the dataset, sha256:… or dirHash:… with 64 digits."
        ) from error
    if digest.algorithm == "gitCommit":
        raise InvalidRequest("A commit is no dataset. Give a digest, sha256:… or dirHash:….")
    return digest


def _cause(cause: str) -> Cause:
    try:
        return Cause(cause)
    except ValueError as error:
        raise InvalidRequest("Choose why the dataset may no longer be used.") from error


def _reason(reason: str, needed: str) -> str:
    reason = reason.strip()
    if needed and not reason:
        raise InvalidRequest(needed)
    require_plain_text("reason", reason, MAX_REASON)
    return reason
