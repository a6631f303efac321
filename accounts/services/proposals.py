"""Changes that need two people: proposed by one admin, made when another confirms."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.urls import reverse

from accounts.domain.change import Change
from accounts.domain.proposals import (
    ROLE,
    VALID_FOR,
    ProposalStatus,
    Verdict,
    person_subject,
    status_of,
    why_not_answer,
)
from accounts.errors import (
    AnswerNotAllowed,
    ProposalClosed,
    ProposalInvalid,
    ProposalOutdated,
)
from accounts.models import NoticeKind, Proposal, ProposalAnswer, User
from accounts.selectors import names_of_subjects
from accounts.services.change_kinds import kind_named
from accounts.services.notices import post_notice, settle_notice
from accounts.services.people import reauthenticate, require_password
from accounts.services.two_people import is_bootstrapping, lock_admins_and
from audits.domain.actor import Actor
from audits.domain.log import Event
from audits.models import LogEntry
from audits.services.disclosures import commit_text
from audits.services.log import append_statement, predicate_type
from muniment.attest.digest import Digest, canonical_json

MAX_REASON = 2000
# What stands in the log of a change word for word; of anything longer there is the digest.
MAX_STATED_BYTES = 4_000
_EVENTS = {
    Verdict.CONFIRM: Event.CHANGE_CONFIRMED,
    Verdict.DECLINE: Event.CHANGE_DECLINED,
    Verdict.TAKE_BACK: Event.CHANGE_TAKEN_BACK,
}


def ask_for(*, change: Change, password: str | None, actor: Actor, now: datetime) -> Proposal | str:
    """Propose a change; while one person is still enough, make it at once and say so in words.

    Args:
        password: the actor's own, needed wherever a second person is.

    Raises:
        As `propose`, or as the service that makes the change.
    """
    kind = kind_named(change.kind)
    if not is_bootstrapping():
        return propose(change=change, password=password or "", actor=actor, now=now)
    actor.require_role(kind.words, ROLE)
    with kind.around(change.content), transaction.atomic(durable=True):
        return kind.apply(change.content, None, actor, now)


def propose(*, change: Change, password: str, actor: Actor, now: datetime) -> Proposal:
    """Propose a change after re-authentication; nothing follows before another admin confirms.

    What waits already is not proposed twice: the same content again is the same proposal.

    Raises:
        RoleRequired: the actor is no admin.
        ReauthenticationFailed, SigningLocked: the password is wrong; nothing was proposed.
        ProposalInvalid: nothing of this kind can be proposed.
    """
    actor.require_role(kind_named(change.kind).words, ROLE)
    # Before the transaction: a wrong password is counted even though nothing is proposed.
    require_password(user=User.objects.get(pk=actor.id), password=password, now=now)
    with transaction.atomic(durable=True):
        return record_proposal(change=change, actor=actor, now=now)


def record_proposal(*, change: Change, actor: Actor, now: datetime) -> Proposal:
    """Write a proposal, in the transaction of the caller, who made sure of the actor.

    Raises:
        RoleRequired: the actor is no admin, and it is not about themselves.
        ProposalInvalid: nothing of this kind can be proposed.
    """
    kind = kind_named(change.kind)
    if not (kind.by_oneself and change.subject == person_subject(actor.id)):
        actor.require_role(kind.words, ROLE)
    content = canonical_json(dict(change.content))
    sha256 = hashlib.sha256(content).hexdigest()
    person = lock_admins_and(UUID(actor.id))[UUID(actor.id)]
    waiting = Proposal.objects.filter(
        kind=change.kind, content_sha256=sha256, answer=None, expires_at__gt=now
    ).first()
    if waiting is not None:
        return waiting
    proposal = Proposal(
        kind=change.kind,
        subject=change.subject,
        content=content,
        content_sha256=sha256,
        proposer=person,
        proposed_at=now,
        expires_at=now + VALID_FOR,
    )
    is_short = len(content) <= MAX_STATED_BYTES
    stated = {"content": dict(change.content)} if is_short else {"bytes": len(content)}
    proposal.entry = _state(
        Event.CHANGE_PROPOSED,
        proposal,
        {"expires_at": proposal.expires_at.isoformat(), **stated},
        actor=actor,
        now=now,
    )
    proposal.save(force_insert=True)
    post_notice(
        kind=NoticeKind.REGISTRY,
        subject="A change waits for a second admin.",
        text=f"{title_of(proposal)}. Proposed by {person.printed_name}.",
        path=reverse("accounts:proposal", args=[proposal.pk]),
        audience=[ROLE],
        dedup_key=notice_key(proposal),
        now=now,
    )
    return proposal


def answer_proposal(
    *,
    proposal_id: UUID,
    verdict: str,
    content_sha256: str,
    reason: str = "",
    password: str,
    actor: Actor,
    now: datetime,
) -> tuple[Proposal, str]:
    """Confirm a proposal, which makes the change in this very transaction, or end it without.

    Args:
        content_sha256: the digest of the content that was shown.
        reason: needed to decline; kept as personal data, the log holds a commitment.

    Returns:
        The proposal, and what is to be said of it.

    Raises:
        AnswerNotAllowed: this person proposed it, is given something by it, or is no admin.
        ReauthenticationFailed, SigningLocked, NoSigningPowerYet: nothing was signed.
        ProposalClosed: there is none, it was answered already, or has expired.
        ProposalOutdated: what it would change is no more what it was, or whoever proposed it is
            no admin any more; it goes on waiting and can be declined.
        ProposalInvalid: an unknown verdict, another content, or no reason to decline.
        As the service that makes the change.
    """
    chosen, reason = _verdict(verdict), reason.strip()
    _require_reason(chosen, reason)
    proposal = Proposal.objects.select_related("entry", "proposer").filter(pk=proposal_id).first()
    if proposal is None:
        raise ProposalClosed("There is no such proposal.")
    _require_may_answer(chosen, proposal, actor)
    if content_sha256 != proposal.content_sha256:
        raise ProposalInvalid("What was shown is not what is proposed. Reload the page.")
    person = User.objects.get(pk=actor.id)
    # Confirming is signing; saying no needs no power to sign.
    ask_again = reauthenticate if chosen is Verdict.CONFIRM else require_password
    ask_again(user=person, password=password, now=now)
    content = content_of(proposal)
    kind = kind_named(proposal.kind)
    try:
        with kind.around(content), transaction.atomic(durable=True):
            answer = _answer(proposal, chosen, reason, actor=actor, now=now)
            settle_notice(dedup_key=notice_key(proposal), now=now)
            if chosen is not Verdict.CONFIRM:
                return proposal, "The change is not made."
            return proposal, kind.apply(content, answer, actor, now)
    except IntegrityError as error:
        if "accounts_proposal_answer_record_proposal_id" not in str(error):
            raise
        raise ProposalClosed("Somebody answered this proposal first. Reload the page.") from error


def title_of(proposal: Proposal, names: Mapping[str, str] | None = None) -> str:
    """Say in one line what a proposal would change.

    Args:
        names: people's names by their pseudonymous id; looked up where it is not given.
    """
    known = names_of_subjects([proposal]) if names is None else names
    return kind_named(proposal.kind).title(content_of(proposal), known)


def content_of(proposal: Proposal) -> dict[str, Any]:
    """Return what a proposal would change, as its kind understands it."""
    content: dict[str, Any] = json.loads(bytes(proposal.content))
    return content


def notice_key(proposal: Proposal) -> str:
    """Name the notice that a proposal waits."""
    return f"proposal:{proposal.pk}"


def settle_expired_proposals(*, now: datetime) -> None:
    """Say of the notices about proposals that nobody answered in time that they are over."""
    for proposal in Proposal.objects.filter(
        answer=None, expires_at__lte=now, expires_at__gt=now - VALID_FOR
    ):
        settle_notice(dedup_key=notice_key(proposal), now=proposal.expires_at)


def _answer(
    proposal: Proposal, verdict: Verdict, reason: str, *, actor: Actor, now: datetime
) -> ProposalAnswer:
    """Insert the one answer first of all: a second confirmer waits here, and is turned away."""
    people = lock_admins_and(UUID(actor.id), proposal.proposer_id)
    person = people[UUID(actor.id)]
    proposer = people[proposal.proposer_id]
    earlier = ProposalAnswer.objects.filter(proposal=proposal).first()
    stands = status_of(
        verdict=earlier.verdict if earlier else None, expires_at=proposal.expires_at, now=now
    )
    if stands is not ProposalStatus.WAITING:
        raise ProposalClosed(f"This proposal is {stands.replace('_', ' ')} already.")
    # As they are now, not as they were when the page was opened.
    _require_may_answer(verdict, proposal, actor, roles=frozenset(person.roles))
    if not person.is_active:
        raise AnswerNotAllowed("Your account is not active any more.")
    may_propose = kind_named(proposal.kind).by_oneself or ROLE in proposer.roles
    if verdict is Verdict.CONFIRM and not (proposer.is_active and may_propose):
        raise ProposalOutdated(
            "Whoever proposed this is not active or no admin any more, so it cannot be confirmed. "
            "Decline it; who wants it proposes it again."
        )
    commitment = commit_text(person_id=person.pk, text=reason) if reason else ""
    entry = _state(
        _EVENTS[verdict],
        proposal,
        {"proposal": proposal.entry.sha256, "reason_commitment": commitment or None},
        actor=actor,
        now=now,
    )
    return ProposalAnswer.objects.create(
        proposal=proposal,
        person=person,
        proposer_id=proposal.proposer_id,
        subject=proposal.subject,
        verdict=verdict.value,
        reason_commitment=commitment,
        answered_at=now,
        entry=entry,
    )


def _require_may_answer(
    verdict: Verdict, proposal: Proposal, actor: Actor, roles: frozenset[str] | None = None
) -> None:
    refusal = why_not_answer(
        verdict=verdict,
        person=actor.id,
        roles=actor.roles if roles is None else roles,
        proposer=str(proposal.proposer_id),
        subject=proposal.subject,
    )
    if refusal:
        raise AnswerNotAllowed(refusal)


def _verdict(verdict: str) -> Verdict:
    try:
        return Verdict(verdict)
    except ValueError as error:
        raise ProposalInvalid("Choose whether you confirm or decline.") from error


def _require_reason(verdict: Verdict, reason: str) -> None:
    if verdict is Verdict.DECLINE and not reason:
        raise ProposalInvalid("Give the reason for which you decline.")
    if len(reason) > MAX_REASON:
        raise ProposalInvalid(f"The reason has at most {MAX_REASON} characters.")
    if any(ord(character) < 32 and character not in "\n\r\t" for character in reason):
        raise ProposalInvalid("The reason holds a control character. Type it as plain text.")


def _state(
    event: Event, proposal: Proposal, detail: Mapping[str, Any], *, actor: Actor, now: datetime
) -> LogEntry:
    return append_statement(
        event=event,
        predicate_type=predicate_type("registry-event"),
        subject_name=proposal.subject,
        subject_digest=Digest("sha256", proposal.content_sha256),
        predicate={"detail": {"id": str(proposal.pk), "kind": proposal.kind, **detail}},
        stream=None,
        actor=actor,
        now=now,
    )
