"""Promotions: the list, and what happened to one of them, read from the log itself."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import OuterRef, Q, QuerySet, Subquery

from accounts.models import User
from audits.models import Disclosure, LogEntry
from audits.selectors import latest_checkpoint
from muniment.attest.envelope import parse_envelope
from registry.domain.promotion import OPEN_STATUSES, PromotionStatus
from registry.domain.since import Change, changes_between
from registry.models import Approval, Decision, ModelVersion, Promotion
from registry.selectors.actions import promotions_awaiting

STATES = ("all", "mine", "open", *(status.value for status in PromotionStatus))
MAX_HAPPENINGS = 200


@dataclass(frozen=True, slots=True)
class PromotionFilter:
    """What the list is narrowed to; the URL holds it."""

    text: str = ""
    state: str = "all"

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> PromotionFilter:
        """Read a filter from the URL; what makes no sense is ignored."""
        state = query.get("state", "")
        return cls(
            text=query.get("q", "").replace("\x00", "").strip()[:256],
            state=state if state in STATES else "all",
        )


def list_promotions(wanted: PromotionFilter, person: User) -> QuerySet[Promotion]:
    """Return the promotions that a filter lets through, what moved last first."""
    newest = Decision.objects.filter(promotion=OuterRef("pk")).order_by("-entry_id")
    promotions = Promotion.objects.select_related("version__registered_model", "requester")
    if wanted.text:
        promotions = promotions.filter(version__registered_model__name__icontains=wanted.text)
    if wanted.state == "mine":
        promotions = promotions.filter(pk__in=promotions_awaiting(person).values("pk"))
    elif wanted.state == "open":
        promotions = promotions.filter(status__in=OPEN_STATUSES)
    elif wanted.state != "all":
        promotions = promotions.filter(status=wanted.state)
    return promotions.annotate(
        given=Subquery(newest.values("content__approvals__given")[:1]),
        required=Subquery(newest.values("content__approvals__required")[:1]),
        verdict=Subquery(newest.values("verdict")[:1]),
    ).order_by("-updated_at", "pk")


def state_counts(person: User) -> list[tuple[str, int]]:
    """Count the promotions of the states that are linked above the list."""
    return [
        (state, list_promotions(PromotionFilter(state=state), person).count())
        for state in ("mine", "open", "executed", "denied", "refused", "all")
    ]


@dataclass(frozen=True, slots=True)
class Happening:
    """One entry of the log that concerns a promotion, with the text that it commits to."""

    event: str
    at: datetime
    actor_kind: str
    actor_id: str
    sha256: str
    leaf_index: int | None
    approval: Approval | None
    text: str
    is_text_erased: bool
    predicate: Mapping[str, Any]


def happenings(promotion: Promotion) -> list[Happening]:
    """Return what happened to a promotion, oldest first: five queries, however much happened."""
    entries = list(
        LogEntry.objects.filter(
            stream=promotion.version.registered_model.uri, at__gte=promotion.requested_at
        )
        .filter(
            Q(event__startswith="promotion.")
            | Q(event__startswith="approval.")
            | Q(event__startswith="finding.")
            | Q(event__startswith="alias.")
        )
        .select_related("leaf")
        .order_by("id")[:MAX_HAPPENINGS]
    )
    told = [(entry, predicate_of(entry)) for entry in entries]
    told = [(entry, body) for entry, body in told if _concerns(body, str(promotion.pk))]
    approvals = {
        approval.entry_id: approval
        for approval in promotion.approvals.select_related("person", "dismissal")
    }
    return tell_entries(told, approvals)


def tell_entries(
    told: Sequence[tuple[LogEntry, Mapping[str, Any]]], approvals: Mapping[int, Approval]
) -> list[Happening]:
    """Return entries with the texts that they commit to, and how far they are under a checkpoint.

    Args:
        told: entries with their leaves, each with what it says.
        approvals: by the entries that they were signed with.
    """
    commitments = [_commitment(body) for _, body in told]
    texts = dict(
        Disclosure.objects.filter(commitment__in=commitments).values_list("commitment", "text")
    )
    checkpoint = latest_checkpoint()
    covered = checkpoint.tree_size if checkpoint else 0
    return [
        Happening(
            event=entry.event,
            at=entry.at,
            actor_kind=entry.actor_kind,
            actor_id=entry.actor_id,
            sha256=entry.sha256,
            leaf_index=_covered_leaf(entry, covered),
            approval=approvals.get(entry.pk),
            text=texts.get(commitment, ""),
            is_text_erased=bool(commitment) and commitment not in texts,
            predicate=body,
        )
        for (entry, body), commitment in zip(told, commitments, strict=True)
    ]


def _commitment(body: Mapping[str, Any]) -> str:
    detail = body.get("detail")
    said = detail if isinstance(detail, Mapping) else {}
    return str(body.get("reason_commitment") or said.get("reason_commitment") or "")


def predicate_of(entry: LogEntry) -> Mapping[str, Any]:
    """Return what an entry's statement says, without asking whether it may be believed."""
    body = json.loads(parse_envelope(bytes(entry.envelope)).payload).get("predicate", {})
    return body if isinstance(body, Mapping) else {}


def _concerns(body: Mapping[str, Any], promotion_id: str) -> bool:
    detail = body.get("detail")
    inner = detail.get("promotion_id") if isinstance(detail, Mapping) else None
    return promotion_id in (body.get("promotion_id"), inner)


def _covered_leaf(entry: LogEntry, covered: int) -> int | None:
    leaf = getattr(entry, "leaf", None)
    return leaf.leaf_index if leaf is not None and leaf.leaf_index < covered else None


def eligible_reviewers(roles: Iterable[str], *, except_for: Iterable[str]) -> list[User]:
    """Return the active people who hold one of `roles`, by name."""
    return list(
        User.objects.filter(is_active=True, roles__overlap=list(roles))
        .exclude(pk__in=list(except_for))
        .order_by("printed_name")
    )


def promotions_of(version: ModelVersion) -> list[Promotion]:
    """Return every promotion of a version, newest first."""
    return list(
        Promotion.objects.filter(version=version)
        .select_related("requester", "certificate")
        .order_by("-requested_at")[:MAX_HAPPENINGS]
    )


def last_decision(promotion: Promotion) -> Decision | None:
    """Return the newest decision of a promotion."""
    return promotion.decisions.select_related("entry", "policy").order_by("-entry_id").first()


@dataclass(frozen=True, slots=True)
class Since:
    """A person's last approval, and what changed since the evidence that they signed."""

    approval: Approval
    changes: Sequence[Change]


def since_last_approval(
    promotion: Promotion, person: UUID, content: Mapping[str, Any]
) -> Since | None:
    """Return what changed since this person last approved that version for that alias.

    None where they never did, where they signed exactly this, or where no decision was recorded on
    what they signed.

    Args:
        content: the decision as it is now.
    """
    approval = (
        Approval.objects.filter(
            promotion__version=promotion.version_id,
            promotion__alias=promotion.alias,
            person=person,
            verdict="approve",
        )
        .select_related("promotion")
        .order_by("-entry_id")
        .first()
    )
    if approval is None or approval.evidence_digest == content.get("evidence_digest"):
        return None
    shown = (
        Decision.objects.filter(
            promotion=approval.promotion_id,
            evidence_digest=approval.evidence_digest,
            decided_at__lte=approval.signed_at,
        )
        .order_by("-entry_id")
        .first()
    )
    return None if shown is None else Since(approval, changes_between(shown.content, content))
