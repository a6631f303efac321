"""How values look on a page: pills, digests, times, numbers. Nothing here decides anything."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.domain.groups import role_text
from registry.models import Violation
from registry.services.violations import words_of

register = template.Library()
register.filter("role_text", role_text)


class Look(NamedTuple):
    """The colour, the icon and the word of one status; no status is shown by colour alone."""

    tone: str
    icon: str
    word: str


LOOKS: Mapping[str, Look] = {
    # decisions
    "allow": Look("ok", "check", "Allow"),
    "deny": Look("bad", "stop", "Deny"),
    "pending": Look("wait", "clock", "Pending"),
    # gates
    "satisfied": Look("ok", "check", "Satisfied"),
    "unsatisfied": Look("bad", "cross", "Unsatisfied"),
    "insufficient": Look("warn", "question", "Insufficient"),
    "waived": Look("waived", "pen", "Waived, not passed"),
    "waiver_ended": Look("plain", "clock", "Ended"),
    "waiver_revoked": Look("plain", "minus", "Taken back"),
    "not_applicable": Look("plain", "minus", "Not applicable"),
    # evidence
    "pass": Look("ok", "check", "Pass"),
    "fail": Look("bad", "cross", "Fail"),
    "error": Look("bad", "alert", "Error"),
    "reported": Look("warn", "people", "Reported by the team"),
    "computed": Look("wait", "shield", "Computed by Muniment"),
    # lineage grades
    "verified": Look("ok", "shield", "Verified"),
    "recorded": Look("ok", "file", "Recorded"),
    "weak": Look("warn", "alert", "Weak"),
    "missing": Look("bad", "cross", "Missing"),
    # promotions
    "evaluating": Look("wait", "clock", "Gathering evidence"),
    "in_review": Look("wait", "people", "In review"),
    "denied": Look("bad", "stop", "Denied by policy"),
    "refused": Look("bad", "cross", "Refused"),
    "approved": Look("ok", "check", "Approved"),
    "executing": Look("wait", "right", "Moving the alias"),
    "executed": Look("ok", "star", "Promoted"),
    "replaced": Look("plain", "star", "Promoted, replaced since"),
    "failed": Look("bad", "alert", "Failed"),
    "withdrawn": Look("plain", "minus", "Withdrawn"),
    # replays
    "replay_stands": Look("ok", "check", "Would stand"),
    "replay_refused": Look("bad", "stop", "Would be refused"),
    "replay_unsigned": Look("wait", "people", "Needs signatures"),
    "replay_waiting": Look("wait", "clock", "Waits for evidence"),
    # rollback grants
    "rollback_requested": Look("wait", "people", "Waits for signatures"),
    "rollback_approved": Look("ok", "check", "Signed, not handed out yet"),
    "rollback_refused": Look("bad", "cross", "Refused"),
    "rollback_handed_out": Look("ok", "lock", "Handed out"),
    "rollback_revoked": Look("plain", "minus", "Revoked"),
    "rollback_expired": Look("plain", "clock", "Expired"),
    "rollback_used": Look("warn", "alert", "Used, not reviewed yet"),
    "rollback_accepted": Look("ok", "check", "Use accepted"),
    "rollback_rejected": Look("bad", "cross", "Use rejected"),
    # recomputations
    "identical": Look("ok", "check", "Identical"),
    "within_tolerance": Look("ok", "check", "Within tolerance"),
    "diverged": Look("bad", "cross", "Diverged"),
    "not_reproducible": Look("bad", "stop", "Not reproducible"),
    "held": Look("ok", "check", "Held"),
    "not_reached": Look("plain", "minus", "Not reached"),
    "not_recorded": Look("warn", "alert", "Not recorded"),
    "cancelled": Look("plain", "minus", "Cancelled"),
    # withdrawals of datasets
    "withdrawal_requested": Look("wait", "people", "Waits for the second signature"),
    "withdrawal_in_force": Look("bad", "stop", "Withdrawn"),
    "withdrawal_refused": Look("plain", "cross", "Refused"),
    "policy_retired": Look("bad", "stop", "Retired"),
    "account_ended": Look("plain", "minus", "Account has ended"),
    # changes that need a second admin
    "proposal_waiting": Look("wait", "people", "Waits for a second admin"),
    "proposal_confirmed": Look("ok", "check", "Confirmed"),
    "proposal_declined": Look("plain", "cross", "Declined"),
    "proposal_taken_back": Look("plain", "minus", "Taken back"),
    "proposal_expired": Look("plain", "clock", "Expired"),
    # reviews
    "approve": Look("ok", "check", "Approved"),
    "refuse": Look("bad", "cross", "Refused"),
    "request_changes": Look("warn", "pen", "Changes asked for"),
    "comment": Look("plain", "info", "Comment"),
    "finding_open": Look("wait", "clock", "Open"),
    "finding_overdue": Look("bad", "alert", "Overdue"),
    "finding_closed": Look("ok", "check", "Closed"),
    "dismissed": Look("plain", "minus", "Dismissed"),
    # the log
    "included": Look("ok", "lock", "In the log"),
    "waiting": Look("wait", "clock", "Waiting for a checkpoint"),
    "violation": Look("bad", "alert", "Violation"),
    # violations, and alarms in notices
    "open": Look("bad", "alert", "Open"),
    "undone": Look("ok", "check", "Undone"),
    "accepted": Look("warn", "pen", "Answered for"),
    "superseded": Look("plain", "minus", "Superseded"),
    # aliases and versions
    "champion": Look("ok", "star", "champion"),
    "challenger": Look("wait", "flag", "challenger"),
    "gone": Look("plain", "minus", "Gone from MLflow"),
    # notices
    "unread": Look("wait", "bell", "New"),
    "settled": Look("plain", "check", "Over"),
    # modes
    "observe": Look("plain", "clock", "Observe"),
    "warn": Look("warn", "bell", "Warn"),
    "enforce": Look("ok", "lock", "Enforce"),
    # what enforcing would break
    "no_policy": Look("bad", "stop", "No policy"),
    "no_lineage": Look("wait", "clock", "Lineage not recorded yet"),
    "no_commit": Look("bad", "cross", "Run without a commit"),
    "missing_leg": Look("bad", "cross", "Leg missing"),
    "weak_leg": Look("warn", "alert", "Leg weak"),
    "moved": Look("warn", "alert", "Moved without a grant"),
    # jobs
    "queued": Look("wait", "clock", "Queued"),
    "running": Look("wait", "clock", "Running"),
    "done": Look("ok", "check", "Done"),
}


def look_of(word: str) -> Look:
    """Give the look of a status; an unknown one is shown as it is, in a plain tone."""
    return LOOKS.get(str(word), Look("plain", "info", str(word).replace("_", " ")))


@register.inclusion_tag("inc/pill.html")
def pill(status: str, word: str = "", large: bool = False) -> dict[str, object]:
    """Show a status as icon and word."""
    look = look_of(status)
    return {"tone": look.tone, "icon": look.icon, "word": word or look.word, "large": large}


@register.simple_tag
def tone(status: str) -> str:
    """Give the class that colours a row by its status."""
    return f"tone-{look_of(status).tone}"


@register.filter
def violation_words(violation: Violation) -> str:
    """Say in a few words what a violation changed."""
    return words_of(violation)


@register.inclusion_tag("inc/pill.html")
def lineage_summary(grades: Sequence[tuple[str, str]]) -> dict[str, object]:
    """Show how many legs stand, where none is weak or missing; else nothing is added."""
    known = [grade for _, grade in grades]
    if any(grade in ("weak", "missing") for grade in known) or not known:
        return {"word": ""}
    look = look_of("verified" if all(grade == "verified" for grade in known) else "recorded")
    return {"tone": look.tone, "icon": look.icon, "word": f"{len(known)} of 4 {look.word.lower()}"}


@register.inclusion_tag("inc/digest.html")
def digest(value: str | None, label: str = "digest", whole: bool = False) -> dict[str, object]:
    """Show a digest short, with its whole value to copy; `whole` shows every character."""
    text = value or ""
    algorithm, colon, hexadecimal = text.partition(":")
    if not colon:
        algorithm, hexadecimal = "", text
    shown = text if whole or len(hexadecimal) <= 16 else f"{algorithm}{colon}{hexadecimal[:12]}…"
    return {"digest": text, "shown": shown, "label": label}


@register.filter
def stamp(when: datetime | None) -> SafeString | str:
    """Show a time in full, in UTC."""
    if when is None:
        return "never"
    text = when.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return format_html('<time datetime="{}">{}</time>', when.isoformat(), text)


@register.filter
def moment(when: datetime | None) -> SafeString | str:
    """Show how long ago something was, with the full time in its title."""
    if when is None:
        return "never"
    full = when.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return format_html(
        '<time datetime="{}" title="{}">{}</time>', when.isoformat(), full, ago(when)
    )


def ago(when: datetime) -> str:
    """Say how long ago `when` was, in one unit; the future is 'just now' (clocks differ)."""
    seconds = (timezone.now() - when).total_seconds()
    if seconds < 45:
        return "just now"
    for unit, length, limit in (
        ("minute", 60, 3600),
        ("hour", 3600, 86_400),
        ("day", 86_400, 60 * 86_400),
        ("month", 30.44 * 86_400, 730 * 86_400),
    ):
        if seconds < limit:
            count = max(1, round(seconds / length))
            return f"{count} {unit}{'' if count == 1 else 's'} ago"
    return f"{round(seconds / (365.25 * 86_400))} years ago"


@register.filter
def share(value: float | None) -> str:
    """Show a rate between 0 and 1 as a percentage; what is not known stays a dash."""
    return "—" if value is None else f"{value:.1%}"


@register.filter
def ratio(value: float | None) -> str:
    """Show a ratio or a metric to three decimals; what is not known stays a dash."""
    return "—" if value is None else f"{value:.3f}"


@register.filter
def chance(value: float | None) -> str:
    """Show a p-value; one that three decimals would print as nothing is said to be small."""
    if value is None:
        return "—"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


@register.filter
def signed(value: float | None) -> str:
    """Show a difference with its sign, to three decimals."""
    if value is None:
        return "—"
    return "±0" if abs(value) < 0.0005 else f"{value:+.3f}".replace("-", "\u2212")


@register.filter
def plain(value: object) -> str:
    """Show a JSON value in words: numbers short, lists with commas, mappings as name: value."""
    match value:
        case None | "":
            return "—"
        case bool():
            return "yes" if value else "no"
        case int():
            return str(value)
        case float():
            if 0 < abs(value) < 0.00005:
                return f"{value:.3g}"
            return f"{value:.4f}".rstrip("0").rstrip(".")
        case str():
            return value
        case Mapping():
            return ", ".join(f"{_words(key)}: {plain(inner)}" for key, inner in value.items())
        case Sequence():
            return ", ".join(plain(inner) for inner in value) or "none"
    return str(value)


# Criteria that are parts of a whole: written as the pages write every part, in per cent.
_SHARES = ("confidence", "max_unknown_share", "min_share", "significance")


@register.filter
def criterion(value: object, name: str) -> str:
    """Show what evidence was judged by: shares in per cent, everything else as it is."""
    if name in _SHARES and isinstance(value, float):
        return f"{value * 100:.4g}%"
    return plain(value)


def _words(key: object) -> str:
    return str(key).replace("_", " ")


@register.filter
def words(value: object) -> str:
    """Show an identifier as words: `at_least` becomes `at least`."""
    return _words(value)


@register.filter
def by_roles(roles: Sequence[str]) -> str:
    """Say who is asked: `reviewer or the group model-risk`."""
    return " or ".join(map(role_text, roles))


@register.filter
def pretty_json(value: object) -> str:
    """Show a JSON value indented, for reading; never for hashing."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


@register.filter
def item(mapping: Mapping[str, object], key: str) -> object:
    """Look up a key that a template cannot spell."""
    return mapping.get(key)


@register.filter
def slots(required: int, given: int) -> list[bool]:
    """Give one slot for each approval asked for, the filled ones first."""
    return [place < given for place in range(required)]
