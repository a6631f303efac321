"""The conditions of approvals that the pages show, against the findings that were signed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from muniment.attest.predicates import REGISTRY_EVENT
from muniment.verify.dossier_entry import find_entry
from muniment.verify.dossier_reviews import ERASED
from muniment.verify.evidence import PersonDisclosure, TextDisclosure
from muniment.verify.record import Record
from muniment.verify.shown import differs, object_in, read_objects, require_each, require_same
from muniment.verify.stream import StreamEntry

RAISED: Final = "finding.raised"
ANSWERED: Final = "finding.answered"
CLOSED: Final = "finding.closed"


def require_conditions(dossier: Mapping[str, Any], record: Record) -> int:
    """Accept exactly the findings about the version, each as it was signed; return how many.

    Raises:
        ReportError: one left out, added or changed; words or a name that no disclosure opens; or
            one shown as answered or closed that nobody answered or closed.
    """
    # A report from before they were shown has no such part.
    shown = read_objects(dossier, "conditions") if "conditions" in dossier else []
    stated = record.events(RAISED)
    for place, item in enumerate(shown):
        path = f"dossier.conditions[{place}]"
        entry = find_entry(path, item, record, REGISTRY_EVENT)
        if entry not in stated:
            raise differs(path, f"leaf {entry.leaf_index} is no condition of this version")
        detail = _detail(entry)
        answer, closure = (_last(record, event, entry) for event in (ANSWERED, CLOSED))
        expected = {
            "severity": detail.get("severity"),
            "text": _text(record, detail),
            "raised_by": _name(record, detail),
            "raised_at": entry.statement.predicate["at"],
            "due_at": detail.get("due_at"),
            "answer": None if answer is None else _text(record, _detail(answer)),
            "answered_at": None if answer is None else answer.statement.predicate["at"],
            "closed_by": None if closure is None else _name(record, _detail(closure)),
            "closed_at": None if closure is None else closure.statement.predicate["at"],
        }
        for name, value in expected.items():
            require_same(f"{path}.{name}", item.get(name), value)
    require_each(
        "dossier.conditions",
        [item.get("leaf_index") for item in shown],
        [entry.leaf_index for entry in stated],
        "the condition of an approval of this version",
    )
    return len(stated)


def _last(record: Record, event: str, raised: StreamEntry) -> StreamEntry | None:
    found = [
        entry for entry in record.events(event) if _detail(entry).get("finding") == raised.sha256
    ]
    return found[-1] if found else None


def _detail(entry: StreamEntry) -> Mapping[str, Any]:
    return object_in(entry.statement.predicate, "detail")


def _text(record: Record, detail: Mapping[str, Any]) -> str | None:
    found = record.disclosures.get(str(detail.get("reason_commitment")))
    return found.text if isinstance(found, TextDisclosure) else None


def _name(record: Record, detail: Mapping[str, Any]) -> str:
    found = record.disclosures.get(str(object_in(detail, "person").get("commitment")))
    return found.printed_name if isinstance(found, PersonDisclosure) else ERASED
