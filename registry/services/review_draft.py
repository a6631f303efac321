"""What a review will say, before it is signed: the same statement each time from the same words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from accounts.domain.signature import SignatureMethod
from audits.domain.log import Event
from audits.services.disclosures import commit_person, commit_text
from muniment.attest.commitment import person_commitment, text_commitment
from muniment.attest.digest import Digest
from muniment.attest.statement import Subject
from registry.domain.words import ReviewVerdict
from registry.errors import InvalidRequest
from registry.models import Approval, Promotion
from registry.services.evaluation import Evaluation
from registry.services.policies import document_of
from registry.services.signing import Pen
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
class ReviewWords:
    """What the reviewer says: the verdict, its sentence, and what they add in their own words."""

    verdict: ReviewVerdict
    sentence: str
    reason: str


@dataclass(frozen=True, slots=True)
class ReviewDraft:
    """A review about to be signed; `predicate` is what its statement will say."""

    approval: Approval
    event: Event
    subject: Subject
    predicate: dict[str, Any]
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
    *, promotion: Promotion, words: ReviewWords, evaluation: Evaluation, pen: Pen
) -> ReviewDraft:
    """Make the review of an evaluated promotion; the same with the same pen, always."""
    decision, binding = evaluation.decision, evaluation.binding
    if decision is None or binding is None:
        raise InvalidRequest("There is nothing to review.")
    policy, person = document_of(binding.policy), pen.person
    role = next(role for role in decision.approvals.roles if role in pen.actor.roles)
    approval = Approval(
        promotion=promotion,
        person=person,
        requester=promotion.requester,
        # The database refuses them where the policy does.
        trainer=promotion.trainer if "trainer" in policy.approvals.distinct_from else None,
        role=role,
        verdict=words.verdict.value,
        meaning=words.sentence,
        person_commitment=person_commitment(pen.salt("person"), person.printed_name, role),
        reason_commitment=text_commitment(pen.salt("reason"), words.reason) if words.reason else "",
        evidence_digest=decision.evidence_digest,
        signature=pen.method.value,
        signed_at=pen.at,
    )
    event = {
        ReviewVerdict.APPROVE: Event.APPROVAL_GIVEN,
        ReviewVerdict.REFUSE: Event.APPROVAL_REFUSED,
        ReviewVerdict.REQUEST_CHANGES: Event.CHANGES_REQUESTED,
    }[words.verdict]
    predicate = approval.statement_fields()
    if pen.method is SignatureMethod.PASSKEY:
        predicate["policy_digest"] = policy.digest
        if shown := pen.once("decision_digest", lambda: _newest_decision(promotion)):
            predicate["decision_digest"] = f"sha256:{shown}"
    return ReviewDraft(
        approval=approval,
        event=event,
        subject=Subject(promotion.version.uri, Digest.parse(evaluation.view.subject_digest)),
        predicate=predicate,
        reason=words.reason,
    )


def _newest_decision(promotion: Promotion) -> str:
    """Return the digest of the statement of the decision that is shown; empty for none."""
    decided = promotion.decisions.select_related("entry").order_by("-entry_id").first()
    return decided.entry.sha256 if decided else ""


def keep_disclosures(draft: ReviewDraft, pen: Pen) -> None:
    """Keep the name and the reason that the statement commits to, in its transaction."""
    approval = draft.approval
    commit_person(
        person_id=approval.person_id,
        printed_name=approval.person.printed_name,
        role=approval.role,
        salt=pen.salt("person"),
    )
    if draft.reason:
        commit_text(person_id=approval.person_id, text=draft.reason, salt=pen.salt("reason"))
