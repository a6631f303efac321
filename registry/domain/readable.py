"""Which recorded evidence a gate may read, and why not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from registry.domain.evidence import EvidenceItem, current_item
from registry.domain.moments import is_aware
from registry.domain.policy import Policy
from registry.domain.policy_gates import EvidenceGate
from registry.domain.words import GateOutcome

# Clocks of two machines differ; more than this is a wrong date and not a wrong clock.
CLOCK_TOLERANCE = timedelta(minutes=5)

_CONCLUSIONS = frozenset({"pass", "fail", "insufficient", "error"})


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Why there is nothing for a gate to judge, and what that makes of the gate."""

    outcome: GateOutcome
    reason: str
    evidence_digest: str | None = None


def find_readable(
    policy: Policy,
    gate: EvidenceGate,
    *,
    kind: str,
    items: Sequence[EvidenceItem],
    subject_digest: str,
    under_way: bool,
    as_of: datetime,
    whose: str = "",
) -> EvidenceItem | Unreadable:
    """Give the item that a gate may judge, or say why there is none.

    Missing, stale, about other bytes or from the wrong origin: pending while a job is producing
    the kind, else insufficient. Recorded as `error`, or as no conclusion that there is:
    insufficient, for then there is a finding, and it is that nothing could be found.
    """
    item = current_item(items, kind)
    noun = f"{whose}{kind} evidence"
    if item is None:
        return _absent(f"There is no {noun}.", noun, None, under_way=under_way)
    oldest = min(policy.evidence_max_age_days, gate.max_age_days or policy.evidence_max_age_days)
    absent = _why_absent(gate, item, noun, oldest, subject_digest=subject_digest, as_of=as_of)
    if absent is not None:
        return _absent(absent, noun, item.digest, under_way=under_way)
    if item.conclusion not in _CONCLUSIONS or item.conclusion == "error":
        why = "; ".join(item.reasons) or "no reason was recorded"
        return Unreadable(
            GateOutcome.INSUFFICIENT,
            _sentence(f"{noun} could not be made: {why}."),
            item.digest,
        )
    return item


def _absent(reason: str, noun: str, digest: str | None, *, under_way: bool) -> Unreadable:
    if under_way:
        return Unreadable(GateOutcome.PENDING, _sentence(f"{noun} is being produced now."), digest)
    return Unreadable(GateOutcome.INSUFFICIENT, _sentence(reason), digest)


def _why_absent(
    gate: EvidenceGate,
    item: EvidenceItem,
    noun: str,
    max_age_days: int,
    *,
    subject_digest: str,
    as_of: datetime,
) -> str | None:
    if item.subject_digest != subject_digest:
        return f"{noun} is about other artifact bytes than the version has now."
    if item.origin not in {origin.value for origin in gate.accepts}:
        accepted = " or ".join(sorted(origin.value for origin in gate.accepts))
        return f"{noun} is {item.origin}, and this gate accepts only what is {accepted}."
    if not is_aware(item.produced_at):
        return f"{noun} does not say when it was produced."
    age = as_of - item.produced_at
    if age < -CLOCK_TOLERANCE:
        return f"{noun} is dated in the future."
    if age > timedelta(days=max_age_days):
        # Without its age in days, or every day would bring another reason to record.
        return f"{noun} is more than {max_age_days} days old."
    return None


def _sentence(text: str) -> str:
    text = text.replace("..", ".")
    return text[:1].upper() + text[1:]
