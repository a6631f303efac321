"""Withdrawing a dataset by two signatures."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from accounts.models import NoticeKind, User
from accounts.services.notices import post_notice, settle_notice
from accounts.services.people import reauthenticate
from audits.domain.actor import Actor
from audits.models import LogEntry
from audits.services.disclosures import commit_person, commit_text
from audits.services.log import append_statement, predicate_type
from lineage.services.graph import lock_graph
from muniment.attest.digest import Digest
from muniment.attest.errors import DigestError
from registry.domain.withdrawal import PROPOSED, REFUSED, ROLES, SIGNED, Cause, why_not_second
from registry.errors import InvalidRequest, ReviewNotAllowed, WithdrawalNotPossible
from registry.models import Withdrawal, WithdrawalApproval
from registry.services.text import require_plain_text
from registry.services.withdrawn_versions import refresh_withdrawn_alarm, state_withdrawn

APPROVE, REFUSE = "approve", "refuse"
MEANINGS: Mapping[str, str] = {
    "propose": "I withdraw this dataset: no model that was made from it may hold an alias.",
    APPROVE: "I withdraw this dataset too: no model that was made from it may hold an alias.",
    REFUSE: "I refuse this withdrawal.",
}
MAX_REASON = 2000


def propose_withdrawal(
    *, dataset: str, cause: str, reason: str, password: str, actor: Actor, now: datetime
) -> Withdrawal:
    """Sign that a dataset may no longer be used, after re-authentication; nothing follows yet.

    Args:
        dataset: its digest, ``sha256:…`` or ``dirHash:…``; no record needs to name it yet.
        reason: kept as personal data, the log holds a commitment.

    Raises:
        RoleRequired: the actor is neither reviewer nor admin.
        ReauthenticationFailed, SigningLocked: the password is wrong; nothing was signed.
        WithdrawalNotPossible: it is withdrawn, or waits for the second signature.
        InvalidRequest: no digest of a dataset, an unknown cause, or no reason.
    """
    actor.require_role("withdraw a dataset", *ROLES)
    digest = _dataset(dataset)
    known = _cause(cause)
    reason = _reason(reason, "Give the reason: whoever signs second reads it.")
    # Before the transaction: a wrong password is counted even though nothing is signed.
    reauthenticate(user=User.objects.get(pk=actor.id), password=password, now=now)
    with transaction.atomic(durable=True):
        lock_graph()
        _require_new(digest)
        commitment = commit_text(person_id=UUID(actor.id), text=reason)
        entry = _state(
            PROPOSED,
            digest,
            {"cause": known.value, "reason_commitment": commitment},
            "propose",
            actor=actor,
            now=now,
        )
        withdrawal = Withdrawal(
            dataset=str(digest),
            cause=known.value,
            reason_commitment=commitment,
            proposer=User.objects.get(pk=actor.id),
            proposed_at=now,
            entry=entry,
        )
        withdrawal.save(force_insert=True)
        post_notice(
            kind=NoticeKind.REGISTRY,
            subject="A dataset is to be withdrawn, and a second signature is asked for.",
            text=f"{digest}, signed first by {withdrawal.proposer.printed_name}.",
            path=f"/withdrawals/{withdrawal.pk}/",
            audience=list(ROLES),
            dedup_key=notice_key(withdrawal),
            now=now,
        )
        return withdrawal


def sign_withdrawal(
    *,
    withdrawal_id: UUID,
    verdict: str,
    reason: str,
    password: str,
    actor: Actor,
    now: datetime,
) -> Withdrawal:
    """Give the second signature, after re-authentication: the dataset is withdrawn, or it is not.

    Withdrawn, every version that was made from it, however deep and by whichever of its records,
    is stated in its model's stream in this very transaction, and passes no gate from then on.
    Champions stay where they are: everybody sees an alarm.

    Raises:
        RoleRequired, ReviewNotAllowed: this person may not sign second.
        ReauthenticationFailed, SigningLocked: the password is wrong; nothing was signed.
        WithdrawalNotPossible: there is none, or the second signature is there.
        InvalidRequest: an unknown verdict, or a refusal without a reason.
    """
    actor.require_role("withdraw a dataset", *ROLES)
    if verdict not in (APPROVE, REFUSE):
        raise InvalidRequest("Choose whether you approve or refuse.")
    needed = "Give the reason for which you refuse." if verdict == REFUSE else ""
    reason = _reason(reason, needed)
    reauthenticate(user=User.objects.get(pk=actor.id), password=password, now=now)
    with transaction.atomic(durable=True):
        # Nobody records lineage meanwhile: what is recorded later reads the withdrawal.
        lock_graph()
        withdrawal = Withdrawal.objects.filter(pk=withdrawal_id).first()
        if withdrawal is None:
            raise WithdrawalNotPossible("There is no such withdrawal.")
        if hasattr(withdrawal, "approval"):
            raise WithdrawalNotPossible("The second signature on this withdrawal is there.")
        refusal = why_not_second(
            person=actor.id, roles=actor.roles, proposer=str(withdrawal.proposer_id)
        )
        if refusal:
            raise ReviewNotAllowed(refusal)
        commitment = commit_text(person_id=UUID(actor.id), text=reason) if reason else ""
        entry = _state(
            SIGNED if verdict == APPROVE else REFUSED,
            Digest.parse(withdrawal.dataset),
            {
                "cause": withdrawal.cause,
                "proposal": withdrawal.entry.sha256,
                "reason_commitment": commitment or None,
            },
            verdict,
            actor=actor,
            now=now,
        )
        WithdrawalApproval.objects.create(
            withdrawal=withdrawal,
            person=User.objects.get(pk=actor.id),
            proposer_id=withdrawal.proposer_id,
            verdict=verdict,
            reason_commitment=commitment,
            signed_at=now,
            entry=entry,
        )
        settle_notice(dedup_key=notice_key(withdrawal), now=now)
        if verdict == APPROVE:
            state_withdrawn(withdrawal=withdrawal, actor=actor, now=now)
            refresh_withdrawn_alarm(now=now)
        return withdrawal


def notice_key(withdrawal: Withdrawal) -> str:
    """Name the notice that a withdrawal waits for its second signature."""
    return f"withdrawal:{withdrawal.pk}"


def _state(
    event: str,
    dataset: Digest,
    detail: Mapping[str, Any],
    verdict: str,
    *,
    actor: Actor,
    now: datetime,
) -> LogEntry:
    """State a signature in the log; it is about a dataset and so in no model's stream."""
    person = User.objects.get(pk=actor.id)
    role = next(role for role in ROLES if role in actor.roles)
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
                "role": role,
                "person": {
                    "id": str(person.pk),
                    "commitment": commit_person(
                        person_id=person.pk, printed_name=person.printed_name, role=role
                    ),
                },
            }
        },
        stream=None,
        actor=actor,
        now=now,
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
