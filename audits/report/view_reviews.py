"""Promotions, and all that people signed about them: reviews, conditions, waivers."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from audits.domain.dossier import Approval, Condition, Dossier, Promotion, Waiver
from audits.report.text import instant, printable, rest
from audits.report.view_decision import Fact
from audits.report.view_record import leaf

MAX_CARDS = 8

SIGNED_WITH = {
    "password": "the person's password, entered again",
    "totp": "the person's password and a one-time code",
    "passkey": "the person's password and their passkey, which signed the statement itself",
}
_REVIEWS = {
    "approve": ("Approved", "good"),
    "refuse": ("Refused", "bad"),
    "request_changes": ("Changes requested", "open"),
}


def reviews(dossier: Dossier) -> dict[str, Any]:
    """Return promotions with their timelines and every signed review, refusals included."""
    promotions = sorted(dossier.promotions, key=lambda one: one.requested_at, reverse=True)
    approvals = sorted(dossier.approvals, key=lambda one: one.signed_at)
    return {
        "promotions": [_promotion(one) for one in promotions[:3]],
        "more_promotions": rest(len(promotions), 3),
        # The newest ones survive a cut: they are those that stand.
        "approvals": [_approval(one) for one in approvals[-MAX_CARDS:]],
        "more_approvals": rest(len(approvals), MAX_CARDS),
        "conditions": [
            _condition(one, dossier.generated_at) for one in dossier.conditions[-MAX_CARDS:]
        ],
        "more_conditions": rest(len(dossier.conditions), MAX_CARDS),
        "waivers": [_waiver(one) for one in dossier.waivers[-MAX_CARDS:]],
        "more_waivers": rest(len(dossier.waivers), MAX_CARDS),
    }


def _waiver(one: Waiver) -> dict[str, Any]:
    return {
        "gate": printable(one.gate, 100),
        "name": printable(one.printed_name, 160),
        "role": printable(one.role, 80),
        "granted_at": instant(one.granted_at),
        "until": instant(one.until),
        "revoked_at": instant(one.revoked_at) if one.revoked_at else "",
        "reason": printable(one.reason or "", 1000),
        "leaf_index": leaf(one.leaf_index),
    }


def _condition(one: Condition, at: datetime) -> dict[str, Any]:
    is_overdue = one.closed_at is None and at >= one.due_at
    word, tone = ("Closed", "good") if one.closed_at else ("Open", "open")
    return {
        "severity": printable(one.severity, 20).capitalize(),
        "text": printable(one.text or "", 600),
        "word": "Overdue" if is_overdue else word,
        "tone": "bad" if is_overdue else tone,
        "raised_by": printable(one.raised_by, 160),
        "raised_at": instant(one.raised_at),
        "owner": printable(one.owner or "", 160),
        "due_at": instant(one.due_at),
        "answer": printable(one.answer or "", 400),
        "answered_at": instant(one.answered_at) if one.answered_at else "",
        "closed_by": printable(one.closed_by or "", 160),
        "closed_at": instant(one.closed_at) if one.closed_at else "",
        "leaf_index": leaf(one.leaf_index),
    }


def _promotion(one: Promotion) -> dict[str, Any]:
    return {
        "alias": printable(one.alias, 60),
        "status": printable(one.status.replace("_", " "), 60).capitalize(),
        "facts": (
            Fact("Asked for by", printable(one.requested_by or "", 200)),
            Fact("Asked for at", instant(one.requested_at)),
            Fact(
                "Replaces",
                f"version {printable(one.replaces_version, 40)}"
                if one.replaces_version
                else "no version (the alias was not held)",
            ),
            Fact("Promotion", printable(one.id, 100), mono=True),
        ),
        "timeline": [
            {
                "status": printable(move.status.replace("_", " "), 60).capitalize(),
                "at": instant(move.at),
                "actor": printable(move.actor or "", 120),
                "note": printable(move.note or "", 240),
                "leaf_index": leaf(move.leaf_index),
            }
            for move in one.timeline[-16:]
        ],
        "more": rest(len(one.timeline), 16),
    }


def _approval(one: Approval) -> dict[str, Any]:
    word, tone = _REVIEWS[one.verdict]
    return {
        "word": word,
        "tone": tone if one.valid else "none",
        "valid": one.valid,
        "name": printable(one.printed_name, 160),
        "role": printable(one.role, 80),
        "signed_at": instant(one.signed_at),
        "meaning": printable(one.meaning),
        "reason": printable(one.reason or "", 900),
        "evidence_digest": printable(one.evidence_digest),
        "signed_with": SIGNED_WITH.get(one.signature, printable(one.signature)),
        "leaf_index": leaf(one.leaf_index),
        "dismissal": printable(one.dismissal or ""),
    }
