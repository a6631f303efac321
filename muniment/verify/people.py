"""Disclosures: the names and reasons in a report against the commitments in the log."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from muniment.attest.errors import AttestError
from muniment.attest.predicates import APPROVAL
from muniment.verify.errors import ReportError
from muniment.verify.evidence import Disclosure, PersonDisclosure
from muniment.verify.record import WAIVED
from muniment.verify.shown import object_in
from muniment.verify.stream import StreamEntry


@dataclass(frozen=True, slots=True)
class Opened:
    """How many commitments of the stream were opened, and how many stayed closed."""

    people: int
    texts: int
    closed: int


def require_disclosures(
    disclosures: Mapping[str, Disclosure], entries: Iterable[StreamEntry]
) -> Opened:
    """Accept only disclosures that open a commitment of the stream, each as what it is.

    A commitment that is not disclosed stays closed: it may have been erased.

    Raises:
        ReportError: a disclosure that does not open its commitment, one for a commitment that
            is not in the stream, a text where a person is committed to or the other way round,
            or another role than the one that signed.
    """
    for disclosure in disclosures.values():
        try:
            opens = disclosure.opens()
        except AttestError as error:
            raise ReportError(f"a disclosure is malformed: {error.message}") from error
        if not opens:
            shown = (
                disclosure.printed_name
                if isinstance(disclosure, PersonDisclosure)
                else disclosure.text
            )
            raise ReportError(
                f"{shown[:80]!r} is not what commitment {disclosure.commitment[:16]}… stands for",
                code="report.disclosure",
            )
    committed, people, texts = _commitments(entries)
    for commitment, disclosure in disclosures.items():
        if commitment not in committed:
            raise ReportError(
                f"nothing in the stream commits to {commitment[:16]}…", code="report.disclosure"
            )
        is_person = isinstance(disclosure, PersonDisclosure)
        if (commitment in texts and is_person) or (commitment in people and not is_person):
            raise ReportError(
                f"commitment {commitment[:16]}… is opened as another kind of thing",
                code="report.disclosure",
            )
        if isinstance(disclosure, PersonDisclosure):
            signed_as = people.get(commitment, disclosure.role)
            if signed_as != disclosure.role:
                raise ReportError(
                    f"{disclosure.printed_name[:80]!r} is disclosed as {disclosure.role[:40]!r} "
                    f"and signed as {signed_as[:40]!r}",
                    code="report.disclosure",
                )
    people_opened = sum(isinstance(item, PersonDisclosure) for item in disclosures.values())
    return Opened(
        people=people_opened,
        texts=len(disclosures) - people_opened,
        closed=len(committed - disclosures.keys()),
    )


def _commitments(entries: Iterable[StreamEntry]) -> tuple[set[str], dict[str, str], set[str]]:
    """Return every commitment, those to people with the role they signed in, those to texts."""
    committed: set[str] = set()
    people: dict[str, str] = {}
    texts: set[str] = set()
    for entry in entries:
        predicate = entry.statement.predicate
        committed.update(_named_commitments(predicate))
        reason = predicate.get("reason_commitment")
        if isinstance(reason, str):
            texts.add(reason)
        if entry.statement.predicate_type == APPROVAL:
            people[str(predicate["person"]["commitment"])] = str(predicate["role"])
        elif predicate.get("event") == WAIVED:
            detail = object_in(predicate, "detail")
            texts.add(str(detail.get("reason_commitment")))
            people[str(object_in(detail, "person").get("commitment"))] = str(detail.get("role"))
    return committed, people, texts


def _named_commitments(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, member in value.items():
            if (key == "commitment" or key.endswith("_commitment")) and isinstance(member, str):
                yield member
            else:
                yield from _named_commitments(member)
    elif isinstance(value, list):
        for member in value:
            yield from _named_commitments(member)
