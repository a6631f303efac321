"""What happened to a version and its model, as the dossier tells it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast
from uuid import UUID

from accounts.models import User
from audits.domain import dossier as said
from audits.models import Disclosure, LogEntry
from audits.selectors import decoded_statement, stream_entries
from registry.models import (
    AliasChange,
    Approval,
    FindingClosure,
    GateWaiver,
    ModelVersion,
    Promotion,
    ReviewFinding,
)

Leaves = Mapping[int, int]


class Names:
    """Printed names of people, looked up once."""

    def __init__(self) -> None:
        self._known = {str(user.pk): user.printed_name for user in User.objects.all()}

    def of_person(self, person: UUID | None) -> str | None:
        return self._known.get(str(person))

    def of_actor(self, entry: LogEntry) -> str:
        return self._known.get(entry.actor_id, entry.actor_id)


def alias_history(version: ModelVersion, leaves: Leaves) -> tuple[said.AliasChange, ...]:
    """Return every move of the model's aliases, oldest first."""
    changes = (
        AliasChange.objects.filter(registered_model=version.registered_model_id)
        .select_related("before", "after")
        .order_by("pk")
    )
    return tuple(
        said.AliasChange(
            alias=change.alias,
            at=change.at,
            from_version=str(change.before.version) if change.before else None,
            to_version=str(change.after.version) if change.after else None,
            cause=_cause(change),
            leaf_index=leaves.get(change.entry_id),
        )
        for change in changes
    )


def _cause(change: AliasChange) -> str:
    if change.promotion_id:
        return f"promotion {change.promotion_id}"
    if change.rollback_id:
        return f"rollback grant {change.rollback_id}"
    return "no grant explains this change" if change.is_violation else "found in MLflow"


def promotions_of(
    version: ModelVersion, leaves: Leaves, names: Names
) -> tuple[said.Promotion, ...]:
    """Return every request for this version, with all that became of it."""
    rows = Promotion.objects.filter(version=version).select_related("requester", "replaces")
    return tuple(
        said.Promotion(
            id=str(row.pk),
            alias=row.alias,
            status=row.status,
            requested_by=row.requester.printed_name,
            requested_at=row.requested_at,
            replaces_version=str(row.replaces.version) if row.replaces else None,
            timeline=_timeline(row, leaves, names),
        )
        for row in rows.order_by("requested_at")
    )


def _timeline(promotion: Promotion, leaves: Leaves, names: Names) -> tuple[said.StatusChange, ...]:
    about_version = LogEntry.objects.filter(
        subject_name=promotion.version.uri, event__startswith="promotion."
    ).order_by("pk")
    moves = [
        entry
        for entry in about_version
        if decoded_statement(entry).predicate.get("promotion_id") == str(promotion.pk)
    ]
    return tuple(
        said.StatusChange(
            status=entry.event.removeprefix("promotion.").replace("_", " "),
            at=entry.at,
            actor=names.of_actor(entry),
            leaf_index=leaves.get(entry.pk),
        )
        for entry in moves
    )


def approvals_of(version: ModelVersion, leaves: Leaves) -> tuple[said.Approval, ...]:
    """Return every signed review of this version; names and reasons as far as they open."""
    rows = list(
        Approval.objects.filter(promotion__version=version)
        .select_related("dismissal")
        .order_by("entry_id")
    )
    opened = Disclosure.objects.in_bulk(
        [row.person_commitment for row in rows] + [row.reason_commitment for row in rows]
    )
    result = []
    for row in rows:
        person = opened.get(row.person_commitment)
        reason = opened.get(row.reason_commitment)
        dismissal = getattr(row, "dismissal", None)
        result.append(
            said.Approval(
                printed_name=person.printed_name if person else "(erased)",
                role=row.role,
                verdict=cast("said.ReviewVerdict", row.verdict),
                meaning=row.meaning,
                signed_at=row.signed_at,
                reason=reason.text if reason else None,
                evidence_digest=f"sha256:{row.evidence_digest}",
                signature=row.signature,
                promotion_id=str(row.promotion_id),
                valid=dismissal is None,
                dismissal=dismissal.reason if dismissal else None,
                leaf_index=leaves.get(row.entry_id),
            )
        )
    return tuple(result)


def waivers_of(version: ModelVersion, leaves: Leaves) -> tuple[said.Waiver, ...]:
    """Return every waiver of a gate of this version, those that have ended too."""
    rows = list(
        GateWaiver.objects.filter(version=version)
        .select_related("revocation", "entry")
        .order_by("entry_id")
    )
    details = [decoded_statement(row.entry).predicate["detail"] for row in rows]
    people = [detail["person"]["commitment"] for detail in details]
    opened = Disclosure.objects.in_bulk([*people, *(row.reason_commitment for row in rows)])
    result = []
    for row, commitment in zip(rows, people, strict=True):
        person, reason = opened.get(commitment), opened.get(row.reason_commitment)
        revocation = getattr(row, "revocation", None)
        result.append(
            said.Waiver(
                gate=row.gate_id,
                policy_digest=row.policy_id,
                printed_name=person.printed_name if person else "(erased)",
                role=row.role,
                granted_at=row.granted_at,
                until=row.until,
                reason=reason.text if reason else None,
                revoked_at=revocation.at if revocation else None,
                leaf_index=leaves.get(row.entry_id),
            )
        )
    return tuple(result)


def conditions_of(
    version: ModelVersion, leaves: Leaves, names: Names
) -> tuple[said.Condition, ...]:
    """Return what approvals of this version were conditional on, closed ones too."""
    rows = list(
        ReviewFinding.objects.filter(version=version)
        .select_related("entry", "closure__entry")
        .prefetch_related("answers")
        .order_by("entry_id")
    )
    answers = {row.pk: max(row.answers.all(), key=lambda one: one.pk, default=None) for row in rows}
    signers = {
        signed.pk: str(decoded_statement(signed.entry).predicate["detail"]["person"]["commitment"])
        for row in rows
        for signed in (row, getattr(row, "closure", None))
        if signed is not None
    }
    texts = [row.text_commitment for row in rows]
    texts += [one.text_commitment for one in answers.values() if one is not None]
    opened = Disclosure.objects.in_bulk([*signers.values(), *texts])

    def name_of(signed: ReviewFinding | FindingClosure) -> str:
        person = opened.get(signers[signed.pk])
        return person.printed_name if person else "(erased)"

    def text_of(commitment: str) -> str | None:
        found = opened.get(commitment)
        return found.text if found else None

    result = []
    for row in rows:
        answer, closure = answers[row.pk], getattr(row, "closure", None)
        result.append(
            said.Condition(
                severity=row.severity,
                text=text_of(row.text_commitment),
                raised_by=name_of(row),
                raised_at=row.raised_at,
                owner=names.of_person(row.owner_id),
                due_at=row.due_at,
                answer=text_of(answer.text_commitment) if answer else None,
                answered_at=answer.at if answer else None,
                closed_by=name_of(closure) if closure else None,
                closed_at=closure.at if closure else None,
                leaf_index=leaves.get(row.entry_id),
            )
        )
    return tuple(result)


def events_of(
    version: ModelVersion, leaves: Leaves, names: Names
) -> tuple[said.RegistryEvent, ...]:
    """Return everything that the log says of the model, in order."""
    return tuple(
        said.RegistryEvent(
            event=entry.event,
            at=entry.at,
            summary=_summary(entry),
            actor=names.of_actor(entry),
            violation=entry.is_violation,
            leaf_index=leaves.get(entry.pk),
        )
        for entry in stream_entries(version.registered_model.uri)
    )


def _summary(entry: LogEntry) -> str:
    subject = entry.subject_name.rsplit("/versions/", 1)
    what = f"version {subject[1]}" if len(subject) == 2 else "the model"
    return f"{entry.event.replace('.', ' ').replace('_', ' ')}: {what}"
