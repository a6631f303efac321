"""The log's health in words: what is wrong, why, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from audits.domain.log_wording import alarm_title, duration_words, refusal_words
from audits.log_health import LogHealth
from audits.models import Alarm, LogVerification
from audits.web.names import subject_words

_STATES = ("fails", "skipped", "holds")


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """An entry that the sequencer refuses, and why."""

    sha256: str
    event: str
    subject: str
    refused_at: datetime
    why: str
    code: str


@dataclass(frozen=True, slots=True)
class AlarmRow:
    """An alarm: what happened, and what to do about it."""

    title: str
    message: str
    raised_at: datetime
    last_seen_at: datetime
    cleared_at: datetime | None


@dataclass(frozen=True, slots=True)
class FindingRow:
    """One thing that a verification looked at, or could not look at: then `state` is `skipped`."""

    state: str
    title: str
    detail: str


@dataclass(frozen=True, slots=True)
class HealthPage:
    """What the page shows.

    Attributes:
        state: `good`, `attention` or `wrong`.
        concerns: what is not as it should be, a sentence or two each.
    """

    health: LogHealth
    state: str
    concerns: tuple[str, ...]
    waiting_for: str
    refused: tuple[RefusedRow, ...]
    verification_took: str
    findings: tuple[FindingRow, ...]
    open_alarms: tuple[AlarmRow, ...]
    recent_alarms: tuple[AlarmRow, ...]


def health_page(health: LogHealth) -> HealthPage:
    """Put the log's health into words."""
    last = health.verification
    return HealthPage(
        health=health,
        state=health_state(health),
        concerns=health_concerns(health),
        waiting_for=duration_words(health.at - health.waiting_since)
        if health.waiting_since
        else "",
        refused=tuple(
            RefusedRow(
                item.sha256,
                item.event,
                subject_words(item.subject_name),
                item.refused_at,
                refusal_words(item.code),
                item.code,
            )
            for item in health.refused
        ),
        verification_took=duration_words(last.finished_at - last.started_at) if last else "",
        findings=findings_of(last) if last else (),
        open_alarms=tuple(map(_alarm, health.open_alarms)),
        recent_alarms=tuple(map(_alarm, health.recent_alarms)),
    )


def health_state(health: LogHealth) -> str:
    """Return `wrong` where something did not hold, `attention` where nobody looked, else `good`."""
    last = health.verification
    if health.open_alarms or health.refused_count or (last is not None and not last.holds):
        return "wrong"
    return "attention" if health_concerns(health) else "good"


def health_concerns(health: LogHealth) -> tuple[str, ...]:
    """Return what is not as it should be: what, why, and what to do next."""
    found = []
    if health.is_sequencer_late and health.waiting_since is not None:
        found.append(
            f"{_entries(health.waiting, 'waits', 'wait')} for a checkpoint, the oldest for "
            f"{duration_words(health.at - health.waiting_since)}. The sequencer is not running, or "
            "refuses to sign. Look at the worker of the queue “log” and at its output."
        )
    if health.refused_count:
        found.append(
            f"{_entries(health.refused_count, 'is', 'are')} refused. Somebody else wrote to the "
            "database, or a key is missing in the keyring. What is refused is listed below and "
            "never enters the log."
        )
    last = health.verification
    if last is None:
        found.append(
            "The log was never verified as a whole. Beat does so every night; for the first time "
            "run manage.py log verify."
        )
    elif not last.holds:
        found.append(
            "The last full verification found that the log is not what was signed. Do not rely on "
            "what it shows until this is explained: see docs/log-recovery.md."
        )
    if last is not None and health.is_verification_overdue:
        found.append(
            f"The last full verification is {duration_words(health.at - last.finished_at)} old; it "
            "should run every night. See that beat is running, or run manage.py log verify."
        )
    if health.others.refusal:
        found.append(f"Witnesses or timestamps cannot be used as set: {health.others.refusal}")
    return tuple(found)


def findings_of(verification: LogVerification) -> tuple[FindingRow, ...]:
    """Return what a verification looked at, what does not hold first."""
    listed = verification.findings if isinstance(verification.findings, list) else []
    rows = [
        FindingRow(_state(item), str(item.get("title") or ""), str(item.get("detail") or ""))
        for item in listed
        if isinstance(item, Mapping)
    ]
    return tuple(sorted(rows, key=lambda row: _STATES.index(row.state)))


def _state(finding: Mapping[str, object]) -> str:
    """Return a state that never takes what nobody looked at for what holds."""
    if not finding.get("holds"):
        return "fails"
    return "skipped" if finding.get("is_skipped") else "holds"


def _alarm(alarm: Alarm) -> AlarmRow:
    return AlarmRow(
        alarm_title(alarm.code, alarm.message),
        alarm.message,
        alarm.raised_at,
        alarm.last_seen_at,
        alarm.cleared_at,
    )


def _entries(count: int, verb: str, verbs: str) -> str:
    return f"1 entry {verb}" if count == 1 else f"{count} entries {verbs}"
