"""Passkeys: whether what somebody's own key had to sign is signed by it.

A credential is enrolled by a statement of the log, which names the person and the public key. What
a passkey signed holds by that key alone, and by nobody's word.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from muniment.attest.errors import AttestError
from muniment.attest.passkey import MEMBER, challenge_of, require_assertion
from muniment.attest.predicates import APPROVAL, POLICY, PROMOTION, REGISTRY_EVENT
from muniment.verify.enrolments import Standing, first_of_two_people, require_confirmed
from muniment.verify.errors import ReportError
from muniment.verify.findings import counted
from muniment.verify.log import ProvenEntry
from muniment.verify.record import DISMISSED
from muniment.verify.shown import object_in, objects_in, read_digest
from muniment.verify.signers import signed_beside_reviews, signer_of
from muniment.verify.stream import StreamEntry

ENROLLED: Final = "credential.enrolled"
REMOVED: Final = "credential.removed"
PASSKEY: Final = "passkey"
SUBJECT: Final = "credential:"
# What counts for what a policy asks; what is left out of a statement is a password.
_REACHES: Final[Mapping[str, tuple[str, ...]]] = {
    PASSKEY: (PASSKEY,),
    "totp": ("totp", PASSKEY),
    "password": ("password", "totp", PASSKEY),
}
IN_WHOSE_HANDS: Final = (
    "Whether the enrolled passkeys are in the hands of those whom the log names: an enrolment is "
    "the issuer's word, and stands in the log for its owner to see."
)
REMOVED_BEFORE: Final = (
    "Whether a passkey was removed before it signed, and the report leaves that out: give the log "
    "as --log."
)


@dataclass(frozen=True, slots=True)
class Signed:
    """How many reviews stand in the stream, and at which leaves those are without a passkey.

    `others` is how many statements beside reviews a passkey signed.
    """

    reviews: int
    without: tuple[int, ...]
    others: int = 0

    @property
    def words(self) -> str:
        """For the finding."""
        by_passkey = self.reviews - len(self.without)
        reviews = counted(self.reviews, "review")
        words = f"{by_passkey} of {reviews} signed with the signer's own passkey"
        if self.without:
            words += f"; without one: leaf {', '.join(map(str, self.without[:10]))}"
        words += ", …" if len(self.without) > 10 else ""
        if self.others:
            words += f"; and {counted(self.others, 'other statement')}"
        return words


def reaches(method: str, least: str) -> bool:
    """Whether a signature by one method is as strong as another; what nobody knows is not."""
    return method in _REACHES.get(least, ())


def speaks_of_passkeys(entries: Iterable[StreamEntry]) -> bool:
    """Whether a stream holds a review with one, or a policy or decision that asks for more than
    a password."""
    for entry in entries:
        predicate = entry.statement.predicate
        if MEMBER in predicate or "signature" in predicate:
            return True
        if "signature" in object_in(predicate, "decision", "approvals"):
            return True
    return False


def require_passkeys(entries: Sequence[StreamEntry], proven: Sequence[ProvenEntry]) -> Signed:
    """Accept only signatures whose passkeys are their signers' own, and as strong as was asked.

    Args:
        entries: the model's whole stream, in order.
        proven: every carried entry, the statements of credentials among them.

    Raises:
        ReportError: an assertion that does not hold for its statement and its signer's enrolled
            key; one by a key that was not enrolled before by that person, not confirmed by a
            second one, too new, or removed; a statement that says that a passkey signed it and
            bears none; a decision that counts a review which is signed more weakly than its policy
            asks; or another signed statement that is.
    """
    in_order = sorted(proven, key=lambda entry: entry.leaf_index)
    credentials = [item for item in map(_credential, in_order) if item is not None]
    since = first_of_two_people(proven)
    signed_with = {
        entry.leaf_index: _require_method(entry, credentials, since) for entry in _reviews(entries)
    }
    _require_decisions(entries, signed_with)
    without = tuple(leaf for leaf, method in signed_with.items() if method != PASSKEY)
    others = 0
    for entry, least in signed_beside_reviews(entries):
        method = _require_method(entry, credentials, since)
        if not reaches(method, least):
            raise _wrong(
                entry, f"it is not signed by {least}, which its policy asks for", "weak_signature"
            )
        others += method == PASSKEY
    return Signed(len(signed_with), without, others)


def _require_method(
    entry: StreamEntry, credentials: Sequence[Standing], two_people_since: int | None
) -> str:
    """Return what a statement is signed with; a passkey must be its signer's own."""
    predicate = entry.statement.predicate
    method = str(predicate.get("signature", "password"))
    if (MEMBER in predicate) != (method == PASSKEY):
        raise _wrong(entry, "it does not bear what it says that it is signed with", "missing")
    if method == PASSKEY:
        _require_own_key(entry, credentials, two_people_since)
    return method


def credential_subject(entry: ProvenEntry) -> str:
    """Return which credential a statement is about; empty where it is about none."""
    if entry.statement is None or entry.statement.predicate_type != REGISTRY_EVENT:
        return ""
    name = entry.statement.subjects[0].name
    return name if name.startswith(SUBJECT) else ""


def _credential(entry: ProvenEntry) -> Standing | None:
    subject = credential_subject(entry)
    if not subject or entry.statement is None:
        return None
    predicate = entry.statement.predicate
    facts = object_in(predicate, "after") or object_in(predicate, "before")
    if facts.get("kind") != PASSKEY:
        return None
    try:
        key = base64.b64decode(str(facts.get("public_key")), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if entry.statement.subjects[0].digest.hex != hashlib.sha256(key).hexdigest():
        raise ReportError(
            f"leaf {entry.leaf_index}: it names another public key than it holds",
            code="passkey.enrolment",
        )
    return Standing(
        leaf_index=entry.leaf_index,
        event=str(predicate.get("event")),
        subject=subject,
        person=str(facts.get("person")),
        actor=str(object_in(predicate, "actor").get("id")),
        credential_id=str(facts.get("credential_id")),
        public_key=key,
        rp_id=str(facts.get("rp_id")),
        at=str(predicate.get("at")),
        detail=object_in(predicate, "detail"),
    )


def _require_own_key(
    entry: StreamEntry, credentials: Sequence[Standing], two_people_since: int | None
) -> None:
    statement = entry.statement
    predicate = statement.predicate
    assertion = object_in(predicate, MEMBER)
    person = signer_of(entry)
    named = assertion.get("credential_id")
    before = [
        one
        for one in credentials
        if one.credential_id == named and one.leaf_index < entry.leaf_index
    ]
    enrolled = [one for one in before if one.event == ENROLLED]
    if not enrolled:
        raise _wrong(entry, "no statement before it enrols its passkey", "not_enrolled")
    latest = enrolled[-1]
    actor = str(object_in(predicate, "actor").get("id"))
    if {latest.person, latest.actor, actor} != {person}:
        raise _wrong(entry, "its passkey is another person's than the signer's", "other_person")
    if any(one.event == REMOVED and one.leaf_index > latest.leaf_index for one in before):
        raise _wrong(entry, "its passkey was removed before it", "removed")
    require_confirmed(
        latest,
        before,
        signed_leaf=entry.leaf_index,
        signed_at=predicate.get("at"),
        two_people_since=two_people_since,
    )
    try:
        require_assertion(
            assertion,
            challenge=challenge_of(statement.subjects, statement.predicate_type, predicate),
            public_key=latest.public_key,
            rp_id=latest.rp_id,
        )
    except AttestError as error:
        raise ReportError(f"leaf {entry.leaf_index}: {error.message}", code=error.code) from error


def _require_decisions(entries: Sequence[StreamEntry], signed_with: Mapping[int, str]) -> None:
    """Hold every decision to what its policy asks: as it says itself, and as it was bound."""
    asked_by: dict[str, str] = {}
    for place, entry in enumerate(entries):
        predicate = entry.statement.predicate
        if entry.statement.predicate_type == POLICY and "signature" in predicate:
            # Of one document it was never anything else: leaving it out later takes nothing back.
            asked_by[_hex(predicate["digest"])] = str(predicate["signature"])
        decision = object_in(predicate, "decision")
        if entry.statement.predicate_type != PROMOTION or not decision:
            continue
        approvals = object_in(decision, "approvals")
        digest = object_in(decision, "policy").get("digest")
        asked = {
            str(approvals.get("signature", "password")),
            asked_by.get(_hex(digest) if digest else "", "password"),
        } - {"password"}
        for person in _people(approvals):
            for least in asked:
                _require_review(entry, entries[:place], signed_with, decision, person, least)


def _require_review(
    decided: StreamEntry,
    before: Sequence[StreamEntry],
    signed_with: Mapping[int, str],
    decision: Mapping[str, Any],
    person: str,
    least: str,
) -> None:
    judged = decision.get("evidence_digest")
    signed = objects_in(object_in(decision, "inputs", "approvals"), "signed")
    counted = {str(one.get("digest")) for one in signed}
    for entry in _reviews(before):
        predicate = entry.statement.predicate
        if (
            entry.sha256 in counted
            and predicate["verdict"] == "approve"
            and object_in(predicate, "person").get("id") == person
            and _hex(predicate["evidence_digest"]) == (_hex(judged) if judged else "")
            and reaches(signed_with[entry.leaf_index], least)
        ):
            return
    raise _wrong(
        decided,
        f"it counts an approval that is not signed by {least}, which its policy asks for",
        "weak_signature",
    )


def _reviews(entries: Iterable[StreamEntry]) -> list[StreamEntry]:
    return [
        entry
        for entry in entries
        if entry.statement.predicate_type == APPROVAL
        and entry.statement.predicate["event"] != DISMISSED
    ]


def _people(approvals: Mapping[str, Any]) -> list[str]:
    people = approvals.get("approved_by")
    return [str(person) for person in people] if isinstance(people, list) else []


def _hex(digest: object) -> str:
    return read_digest("digest", digest).hex


def _wrong(entry: StreamEntry, why: str, code: str) -> ReportError:
    return ReportError(f"leaf {entry.leaf_index}: {why}", code=f"passkey.{code}")
