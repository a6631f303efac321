"""What the review screen shows, from the title to the timeline."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.urls import reverse

from accounts.models import User
from accounts.services.signing_power import why_no_signing_power
from audits.domain.actor import Actor
from audits.selectors import current_evidence
from audits.web.names import people_names
from audits.web.panels import evidence_panel
from registry.domain.findings import Severity
from registry.domain.promotion import DECIDABLE_STATUSES, TERMINAL_STATUSES, PromotionStatus
from registry.domain.separation import Ineligibility
from registry.models import Promotion
from registry.selectors.findings import findings_of
from registry.selectors.promotions import (
    eligible_reviewers,
    happenings,
    last_decision,
    since_last_approval,
)
from registry.selectors.recomputations import open_recomputation
from registry.selectors.rollbacks import could_go_back_from
from registry.selectors.versions import lineage_of, version_by_uri
from registry.services.approvals import why_not
from registry.services.decisions import NO_POLICY
from registry.services.evaluation import Evaluation, evaluate_version
from registry.services.review_answers import MAX_COMMENT
from registry.services.review_draft import MEANINGS
from registry.services.signature_strength import least_signature
from registry.web.differences import DifferenceGroup, differences
from registry.web.gates import gate_rows
from registry.web.lineage_words import lineage_panel
from registry.web.signing import signing_ways
from registry.web.timeline import timeline

WITHOUT_EFFECT = TERMINAL_STATUSES - {PromotionStatus.EXECUTED}
MOVING = ("evaluating", "approved", "executing")


def review_context(
    promotion: Promotion, person: User, actor: Actor, now: datetime
) -> dict[str, Any]:
    """Gather the review screen. While anything can change it is evaluated now, later as decided."""
    version = promotion.version
    evaluation = evaluate_version(version=version, alias=promotion.alias, as_of=now)
    content = _content(promotion, evaluation)
    evidence = current_evidence(version.uri)
    happened = happenings(promotion)
    refusal = why_not(evaluation, actor)
    is_in_review = promotion.status == PromotionStatus.IN_REVIEW
    if refusal is None and is_in_review:
        not_yet = why_no_signing_power(User.objects.get(pk=actor.id), now)
        refusal = Ineligibility("no_signing_power_yet", not_yet) if not_yet else None
    names = people_names(item.actor_id for item in happened)
    known = version.registered_model
    version_url = reverse("registry:version", args=[known.name, version.version])
    version_url += known.source_query
    can_change = PromotionStatus(promotion.status) in DECIDABLE_STATUSES
    gates = gate_rows(
        content.get("gates", []),
        evidence,
        f"{version_url}#lineage",
        version if can_change else None,
        evaluation.binding,
    )
    return {
        "promotion": promotion,
        "version": version,
        "model": version.registered_model,
        "is_moving": promotion.status in MOVING,
        "is_in_review": is_in_review,
        "has_ended": not PromotionStatus(promotion.status).is_open,
        "is_over_without_effect": promotion.status in WITHOUT_EFFECT,
        "policy": content.get("policy"),
        "policy_hex": str((content.get("policy") or {}).get("digest", "")).removeprefix("sha256:"),
        "no_policy": NO_POLICY,
        "verdict": content.get("verdict"),
        "reasons": content.get("reasons", []),
        "gates": gates,
        # What such a promotion waits for can be followed, and takes longest.
        "recomputation": open_recomputation(version.uri)
        if promotion.status == PromotionStatus.EVALUATING
        else None,
        "satisfied": sum(row.outcome == "satisfied" for row in gates),
        "lineage": lineage_panel(lineage_of(version.uri)),
        "champion": _champion(evaluation),
        "differences": _differences(evaluation),
        "panels": [evidence_panel(item) for item in evidence if item.kind == "bias"],
        "evidence_digest": content.get("evidence_digest", ""),
        "approvals": content.get("approvals"),
        "signatures": _signatures(promotion, content),
        "earlier_approvals": _earlier_approvals(content),
        "could_sign": _could_sign(promotion, content) if is_in_review else [],
        "may_review": is_in_review and refusal is None,
        "review_refusal": refusal.reason if refusal else "",
        "signing": signing_ways(least_signature(evaluation.binding, promotion), person),
        "closing": signing_ways(least_signature(evaluation.binding), person),
        "meanings": {verdict.value: words for verdict, words in MEANINGS.items()},
        "since": since_last_approval(promotion, UUID(actor.id), content)
        if PromotionStatus(promotion.status) in DECIDABLE_STATUSES
        else None,
        "findings": findings_of(promotion, now),
        "may_raise": is_in_review
        and (refusal is None or refusal.code == "already_signed")
        and "reviewer" in actor.roles,
        "may_close": "reviewer" in actor.roles,
        "owners": User.objects.filter(is_active=True)
        .exclude(roles=[])
        .exclude(pk=actor.id)
        .order_by("printed_name")
        if is_in_review
        else [],
        "severities": [one.value for one in Severity],
        "may_comment": bool(actor.roles),
        "may_assign": is_in_review
        and (actor.id == str(promotion.requester_id) or "admin" in actor.roles),
        "asked": [one.person for one in promotion.assignments.select_related("person")],
        "most_comment": MAX_COMMENT,
        "may_take_back": PromotionStatus(promotion.status) in DECIDABLE_STATUSES
        and promotion.approvals.filter(person=UUID(actor.id), dismissal__isnull=True).exists(),
        "may_withdraw": actor.id == str(promotion.requester_id)
        and PromotionStatus(promotion.status) in DECIDABLE_STATUSES,
        "has_way_back": promotion.status == PromotionStatus.EXECUTED
        and promotion.replaces is not None
        and could_go_back_from(promotion.replaces, promotion.alias) == version,
        "timeline": timeline(happened, names),
    }


def _content(promotion: Promotion, evaluation: Evaluation) -> dict[str, Any]:
    if PromotionStatus(promotion.status) in DECIDABLE_STATUSES and evaluation.decision is not None:
        return evaluation.decision.to_mapping()
    decided = last_decision(promotion)
    return dict(decided.content) if decided else {"gates": [], "reasons": [NO_POLICY]}


def _champion(evaluation: Evaluation) -> Any:
    champion = evaluation.view.champion
    return version_by_uri(champion.version_uri) if champion else None


def _differences(evaluation: Evaluation) -> list[DifferenceGroup]:
    champion = evaluation.view.champion
    if champion is None:
        return []
    return differences(
        evaluation.view.items,
        champion.items,
        lineage_of(evaluation.version.uri),
        lineage_of(champion.version_uri),
    )


def _signatures(promotion: Promotion, content: dict[str, Any]) -> list[dict[str, Any]]:
    """Tell every signature, and of those that do not count, why."""
    approvals = content.get("approvals") or {}
    ignored = {
        (item.get("person"), item.get("digest")): item.get("reason", "")
        for item in approvals.get("disregarded", [])
    }
    rows = promotion.approvals.select_related("person", "dismissal", "entry").order_by("entry_id")
    return [
        {
            "approval": row,
            "ignored": (row.dismissal.reason if hasattr(row, "dismissal") else "")
            or ignored.get((str(row.person_id), row.entry.sha256), ""),
        }
        for row in rows.defer("entry__envelope")
    ]


def _earlier_approvals(content: dict[str, Any]) -> int:
    """Count the signatures that stand on evidence which something newer has replaced."""
    disregarded = (content.get("approvals") or {}).get("disregarded", [])
    return sum(item.get("code") == "other_evidence" for item in disregarded)


def _could_sign(promotion: Promotion, content: dict[str, Any]) -> list[Any]:
    approvals = content.get("approvals") or {}
    signed = [*approvals.get("approved_by", []), *approvals.get("refused_by", [])]
    never = [str(promotion.requester_id)]
    if promotion.trainer_id:
        never.append(str(promotion.trainer_id))
    return eligible_reviewers(approvals.get("roles", []), except_for=[*signed, *never])
