"""The findings of a promotion's version, for pages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from audits.models import Disclosure
from registry.models import Promotion, ReviewFinding


@dataclass(frozen=True, slots=True)
class ShownFinding:
    """A finding with its words; `look` says how it stands."""

    finding: ReviewFinding
    text: str
    answer: str
    look: str


def findings_of(promotion: Promotion, now: datetime) -> list[ShownFinding]:
    """Return the findings about a promotion's version, the first raised first."""
    rows = list(
        ReviewFinding.objects.filter(version=promotion.version_id)
        .select_related("raised_by", "owner", "closure__person")
        .prefetch_related("answers")
        .order_by("entry_id")
    )
    answers = {row.pk: max(row.answers.all(), key=lambda one: one.pk, default=None) for row in rows}
    commitments = [row.text_commitment for row in rows]
    commitments += [one.text_commitment for one in answers.values() if one is not None]
    texts = dict(
        Disclosure.objects.filter(commitment__in=commitments).values_list("commitment", "text")
    )
    shown = []
    for row in rows:
        answer = answers[row.pk]
        shown.append(
            ShownFinding(
                finding=row,
                text=texts.get(row.text_commitment, "(erased)"),
                answer=texts.get(answer.text_commitment, "(erased)") if answer else "",
                look=_look(row, now),
            )
        )
    return shown


def _look(row: ReviewFinding, now: datetime) -> str:
    if hasattr(row, "closure"):
        return "finding_closed"
    return "finding_overdue" if row.due_at <= now else "finding_open"
