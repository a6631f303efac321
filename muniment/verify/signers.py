"""Who signed what beside reviews, and how strongly the policy in force asked for it.

Waivers, findings, attestations, emergencies and rollback grants are signed as reviews are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from muniment.attest.passkey import MEMBER
from muniment.attest.predicates import EVIDENCE, POLICY, REGISTRY_EVENT
from muniment.verify.shown import object_in
from muniment.verify.stream import StreamEntry

ATTESTATION: Final = "attestation:"
_SIGNED: Final = frozenset(
    {
        "waiver.granted",
        "finding.raised",
        "finding.closed",
        "emergency.signed",
        "rollback.approved",
        "rollback.refused",
        "rollback.accepted",
        "rollback.rejected",
    }
)


def signer_of(entry: StreamEntry) -> str:
    """Return who signed a statement: whom it names, else whoever it says did it."""
    predicate = entry.statement.predicate
    named = object_in(predicate, "person") or object_in(predicate, "detail", "person")
    person = named.get("id") or object_in(predicate, "measurements").get("person")
    return str(person or object_in(predicate, "actor").get("id"))


def signed_beside_reviews(entries: Sequence[StreamEntry]) -> Iterator[tuple[StreamEntry, str]]:
    """Yield every statement that a person signed and that is no review, with the weakest signature
    that the policy in force asked for then; whatever else bears a signature too."""
    asked_by: dict[str, str] = {}
    bound = ""
    for entry in entries:
        predicate = entry.statement.predicate
        if entry.statement.predicate_type == POLICY:
            digest = str(predicate.get("digest"))
            if "signature" in predicate:
                # Of one document it was never anything else: see the decisions.
                asked_by[digest] = str(predicate["signature"])
            if predicate.get("event") == "policy.bound":
                bound = digest
        elif _is_signed(entry.statement.predicate_type, predicate):
            yield entry, asked_by.get(bound, "password")


def _is_signed(predicate_type: str, predicate: Mapping[str, Any]) -> bool:
    if predicate_type == EVIDENCE:
        by_kind = str(predicate.get("kind")).startswith(ATTESTATION)
    elif predicate_type == REGISTRY_EVENT:
        by_kind = predicate.get("event") in _SIGNED
    else:
        return False
    return by_kind or MEMBER in predicate or "signature" in predicate
