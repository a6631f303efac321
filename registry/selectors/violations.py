"""Violations: the list, one of them with how it ended, and what stands against a version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Q, QuerySet

from audits.domain.log import Event
from audits.models import Disclosure, LogEntry
from audits.selectors import decoded_statement
from registry.domain.violations import ViolationStatus
from registry.models import ModelVersion, RegisteredModel, RegistrySource, Violation

ALL = "all"
STATES = (*(status.value for status in ViolationStatus), ALL)
# On the page of a model or version; the list has all of them.
MOST_IN_PANEL = 5
_ENDINGS = {
    ViolationStatus.UNDONE: Event.VIOLATION_UNDONE,
    ViolationStatus.ACCEPTED: Event.VIOLATION_ACCEPTED,
}


@dataclass(frozen=True, slots=True)
class ViolationFilter:
    """What the list is narrowed to; the URL holds it.

    Attributes:
        model: part of a model's name.
    """

    state: str = ViolationStatus.OPEN.value
    source: str = ""
    model: str = ""

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> ViolationFilter:
        """Read a filter from the URL; what makes no sense is ignored."""
        state = query.get("state", "")
        return cls(
            state=state if state in STATES else ViolationStatus.OPEN.value,
            source=query.get("source", "").replace("\x00", "").strip()[:50],
            model=query.get("model", "").replace("\x00", "").strip()[:256],
        )


@dataclass(frozen=True, slots=True)
class Ending:
    """The fact with which a violation was closed.

    Attributes:
        is_reason_erased: there was a reason, and it cannot be opened any more.
    """

    sha256: str
    at: datetime
    by_muniment: bool
    reason: str
    is_reason_erased: bool


def list_violations(wanted: ViolationFilter) -> QuerySet[Violation]:
    """Return the violations that a filter lets through, newest first."""
    found = _narrowed(wanted)
    if wanted.state != ALL:
        found = found.filter(status=wanted.state)
    return (
        found.select_related("registered_model__source", "version", "entry", "settled_by")
        .defer("entry__envelope")
        .order_by("-found_at", "pk")
    )


def violation_counts(wanted: ViolationFilter) -> dict[str, int]:
    """Count what a filter lets through in each state, for links that filter by it."""
    counted = _narrowed(wanted).values_list("status").order_by().annotate(found=Count("pk"))
    by_status = {str(status): found for status, found in counted}
    return {
        state: sum(by_status.values()) if state == ALL else by_status.get(state, 0)
        for state in STATES
    }


def open_count() -> int:
    """Count the violations that alarm."""
    return Violation.objects.filter(status=ViolationStatus.OPEN).count()


def source_names() -> list[str]:
    """Return the names of the registry sources."""
    return list(RegistrySource.objects.order_by("name").values_list("name", flat=True))


def attention_of(
    model: RegisteredModel, version: ModelVersion | None = None
) -> tuple[Violation, ...]:
    """Return what the page of a model, or of one of its versions, has to say of violations.

    The open ones, and those that nothing undoes although somebody answers for them: for these no
    gate is passed. Of a version its own and those of the model as a whole.
    """
    alarming = Q(status=ViolationStatus.OPEN)
    standing = Q(status=ViolationStatus.ACCEPTED, can_be_undone=False)
    found = Violation.objects.filter(alarming | standing, registered_model=model)
    if version is not None:
        found = found.filter(Q(version=version) | Q(version=None))
    return tuple(
        found.select_related("registered_model", "version").order_by("-found_at")[
            : MOST_IN_PANEL + 1
        ]
    )


def ending_of(violation: Violation) -> Ending | None:
    """Return the fact that closed a violation; None while open, and where another took over."""
    event = _ENDINGS.get(ViolationStatus(violation.status))
    if event is None or violation.settled_at is None:
        return None
    entries = LogEntry.objects.filter(
        stream=violation.registered_model.uri, event=event, at=violation.settled_at
    )
    for entry in entries:
        detail = decoded_statement(entry).predicate.get("detail") or {}
        if detail.get("violation") == violation.entry.sha256:
            commitment = str(detail.get("reason_commitment") or "")
            opened = Disclosure.objects.filter(commitment=commitment).first()
            return Ending(
                sha256=entry.sha256,
                at=entry.at,
                by_muniment=detail.get("by_muniment") is True,
                reason=(opened.text or "") if opened else "",
                is_reason_erased=bool(commitment) and opened is None,
            )
    return None


def _narrowed(wanted: ViolationFilter) -> QuerySet[Violation]:
    found = Violation.objects.all()
    if wanted.source:
        found = found.filter(registered_model__source=wanted.source)
    if wanted.model:
        found = found.filter(registered_model__name__icontains=wanted.model)
    return found
