"""The reviews that the pages show against the signed ones: none is left out, no refusal either."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from muniment.attest.predicates import APPROVAL
from muniment.verify.dossier_entry import find_entry
from muniment.verify.evidence import PersonDisclosure, TextDisclosure
from muniment.verify.record import Record
from muniment.verify.shown import differs, require_each, require_same, require_same_digest

ERASED: Final = "(erased)"
"""What stands in place of a name whose commitment nobody can open any more."""


def require_reviews(shown: Sequence[Mapping[str, Any]], record: Record) -> int:
    """Accept exactly the reviews of the version, each as it was signed; return how many.

    Raises:
        ReportError: one left out, added or changed; a name or reason that no disclosure opens;
            or a dismissed review shown as standing.
    """
    stated, dismissed = record.reviews, record.dismissed
    for place, item in enumerate(shown):
        path = f"dossier.approvals[{place}]"
        entry = find_entry(path, item, record, APPROVAL)
        if entry not in stated:
            raise differs(path, f"leaf {entry.leaf_index} is no review of this version")
        predicate = entry.statement.predicate
        for name in ("verdict", "meaning", "role", "promotion_id"):
            require_same(f"{path}.{name}", item.get(name), predicate.get(name))
        # Left out, in a report and in a statement alike, it is a password.
        require_same(
            f"{path}.signature",
            item.get("signature", "password"),
            predicate.get("signature", "password"),
        )
        require_same(f"{path}.signed_at", item.get("signed_at"), predicate["at"])
        require_same_digest(
            f"{path}.evidence_digest", item.get("evidence_digest"), predicate["evidence_digest"]
        )
        commitment = str(predicate["person"]["commitment"])
        person = record.disclosures.get(commitment)
        printed = person.printed_name if isinstance(person, PersonDisclosure) else ERASED
        require_same(f"{path}.printed_name", item.get("printed_name"), printed)
        reason = record.disclosures.get(str(predicate.get("reason_commitment")))
        text = reason.text if isinstance(reason, TextDisclosure) else None
        require_same(f"{path}.reason", item.get("reason"), text)
        require_same(f"{path}.valid", item.get("valid"), commitment not in dismissed)
    for entry in stated:
        if entry.leaf_index not in [item.get("leaf_index") for item in shown]:
            verdict = entry.statement.predicate["verdict"]
            raise differs(
                "approvals",
                f"the pages leave out the review ({verdict}) at leaf {entry.leaf_index}",
            )
    require_each(
        "dossier.approvals",
        [item.get("leaf_index") for item in shown],
        [entry.leaf_index for entry in stated],
        "the review of this version",
    )
    return len(stated)
