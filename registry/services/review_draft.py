"""What a review will say, before it is signed: the same statement each time from the same words."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from accounts.domain.signature import SignatureMethod
from accounts.models import Ceremony, User
from audits.domain.actor import Actor
from audits.domain.log import Event
from audits.services.disclosures import commit_person, commit_text
from audits.services.log import predicate_type
from muniment.attest.commitment import SALT_BYTES, person_commitment, text_commitment
from muniment.attest.digest import Digest
from muniment.attest.passkey import challenge_of
from muniment.attest.statement import Subject, format_time, parse_time
from registry.domain.words import ReviewVerdict
from registry.errors import InvalidRequest
from registry.models import Approval, Promotion
from registry.services.evaluation import Evaluation
from registry.services.policies import document_of
from registry.services.text import require_plain_text

MEANINGS = {
    ReviewVerdict.APPROVE: "I have reviewed this evidence and approve the promotion.",
    ReviewVerdict.REFUSE: "I have reviewed this evidence and refuse the promotion.",
    ReviewVerdict.REQUEST_CHANGES: "I have reviewed this evidence and ask for changes.",
}
_NEEDED = {
    ReviewVerdict.REFUSE: "Give the reason for which you refuse.",
    ReviewVerdict.REQUEST_CHANGES: "Say which changes you ask for.",
}
MAX_REASON = 4000
MAX_MEANING = 200


@dataclass(frozen=True, slots=True)
class PasskeyAnswer:
    """What the browser answered, as JSON, and the key of the session in which it did."""

    session: str
    answer: str


@dataclass(frozen=True, slots=True)
class ReviewWords:
    """What the reviewer says: the verdict, its sentence, and what they add in their own words."""

    verdict: ReviewVerdict
    sentence: str
    reason: str


@dataclass(frozen=True, slots=True)
class Fixed:
    """What must not be made anew between preparing and signing.

    `decision_digest` is that of the decision's statement that was shown; empty for none.
    """

    at: datetime
    person_salt: bytes
    reason_salt: bytes
    decision_digest: str = ""

    @classmethod
    def now(cls, now: datetime, *, decision_digest: str = "") -> Self:
        """Make it: this moment, and fresh salts."""
        salts = secrets.token_bytes(SALT_BYTES), secrets.token_bytes(SALT_BYTES)
        return cls(now, *salts, decision_digest)

    @classmethod
    def of(cls, ceremony: Ceremony) -> Self:
        """Read it from what was prepared."""
        draft = ceremony.draft
        return cls(
            at=parse_time(draft["at"]),
            person_salt=bytes.fromhex(draft["person_salt"]),
            reason_salt=bytes.fromhex(draft["reason_salt"]),
            decision_digest=draft["decision_digest"],
        )

    def to_mapping(self) -> dict[str, str]:
        """Give it as JSON."""
        return {
            "at": format_time(self.at),
            "person_salt": self.person_salt.hex(),
            "reason_salt": self.reason_salt.hex(),
            "decision_digest": self.decision_digest,
        }


@dataclass(frozen=True, slots=True)
class ReviewDraft:
    """A review about to be signed; `predicate` is what its statement will say."""

    approval: Approval
    event: Event
    subject: Subject
    predicate: dict[str, Any]
    challenge: bytes
    fixed: Fixed
    reason: str


def read_words(*, verdict: str, reason: str, meaning: str) -> ReviewWords:
    """Read what a reviewer entered.

    Raises:
        InvalidRequest: an unknown verdict, a text that is too long, or no reason where one must be.
    """
    try:
        signed_verdict = ReviewVerdict(verdict)
    except ValueError as error:
        raise InvalidRequest("Choose whether you approve, refuse or ask for changes.") from error
    meaning, reason = meaning.strip(), reason.strip()
    require_plain_text("meaning of your signature", meaning, MAX_MEANING)
    if signed_verdict in _NEEDED and not reason:
        raise InvalidRequest(_NEEDED[signed_verdict])
    require_plain_text("reason", reason, MAX_REASON)
    # The log holds the sentence of the verdict; what people add in their own words is free text,
    # which it holds a hash of (design: no personal data in a leaf).
    sentence = MEANINGS[signed_verdict]
    own_words = meaning.removeprefix(sentence).strip()
    return ReviewWords(
        verdict=signed_verdict,
        sentence=sentence,
        reason="\n\n".join(part for part in (reason, own_words) if part),
    )


def draft_review(
    *,
    promotion: Promotion,
    person: User,
    words: ReviewWords,
    evaluation: Evaluation,
    signature: SignatureMethod,
    fixed: Fixed,
    actor: Actor,
) -> ReviewDraft:
    """Make the review of an evaluated promotion; the same of the same arguments, always."""
    decision, binding = evaluation.decision, evaluation.binding
    if decision is None or binding is None:
        raise InvalidRequest("There is nothing to review.")
    policy = document_of(binding.policy)
    role = next(role for role in policy.approvals.roles if role in actor.roles)
    approval = Approval(
        promotion=promotion,
        person=person,
        requester=promotion.requester,
        # The database refuses them where the policy does.
        trainer=promotion.trainer if "trainer" in policy.approvals.distinct_from else None,
        role=role,
        verdict=words.verdict.value,
        meaning=words.sentence,
        person_commitment=person_commitment(fixed.person_salt, person.printed_name, role),
        reason_commitment=text_commitment(fixed.reason_salt, words.reason) if words.reason else "",
        evidence_digest=decision.evidence_digest,
        signature=signature.value,
        signed_at=fixed.at,
    )
    event = {
        ReviewVerdict.APPROVE: Event.APPROVAL_GIVEN,
        ReviewVerdict.REFUSE: Event.APPROVAL_REFUSED,
        ReviewVerdict.REQUEST_CHANGES: Event.CHANGES_REQUESTED,
    }[words.verdict]
    predicate = approval.statement_fields()
    if signature is SignatureMethod.PASSKEY:
        predicate["policy_digest"] = policy.digest
        if fixed.decision_digest:
            predicate["decision_digest"] = f"sha256:{fixed.decision_digest}"
    subject = Subject(promotion.version.uri, Digest.parse(evaluation.view.subject_digest))
    stated = {
        "event": event.value,
        "at": format_time(fixed.at),
        "actor": actor.to_mapping(),
    }
    return ReviewDraft(
        approval=approval,
        event=event,
        subject=subject,
        predicate=predicate,
        challenge=challenge_of([subject], predicate_type("approval"), predicate | stated),
        fixed=fixed,
        reason=words.reason,
    )


def keep_disclosures(draft: ReviewDraft) -> None:
    """Keep the name and the reason that the statement commits to, in its transaction."""
    approval = draft.approval
    commit_person(
        person_id=approval.person_id,
        printed_name=approval.person.printed_name,
        role=approval.role,
        salt=draft.fixed.person_salt,
    )
    if draft.reason:
        commit_text(person_id=approval.person_id, text=draft.reason, salt=draft.fixed.reason_salt)
