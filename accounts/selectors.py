"""What a person is told, how much of it is unread, and which changes wait for a second admin."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from accounts.domain.proposals import ROLE, ProposalStatus, person_subject, status_of
from accounts.models import Credential, Notice, NoticeReading, Proposal, User
from audits.models import Disclosure

# More than so many are shown as "99+".
MOST_COUNTED = 100


def notices_of(person: User) -> QuerySet[Notice]:
    """Return what this person is told, the newest first: nothing of before they joined."""
    return Notice.objects.filter(
        Q(audience__overlap=person.roles) | Q(people__contains=[person.pk]),
        posted_at__gte=person.joined_at,
    ).order_by("-posted_at", "-id")


def unread_notices(person: User) -> QuerySet[Notice]:
    """Return those of a person's notices that they have not read."""
    read = NoticeReading.objects.filter(notice=OuterRef("pk"), user=person)
    return notices_of(person).filter(~Exists(read))


def unread_count(person: User) -> int:
    """Count a person's unread notices, up to `MOST_COUNTED`."""
    return unread_notices(person)[:MOST_COUNTED].count()


def list_proposals() -> QuerySet[Proposal]:
    """Return every proposal with who proposed and who answered it: open ones first, then newest."""
    return (
        Proposal.objects.select_related("proposer", "entry", "answer__person", "answer__entry")
        .defer("entry__envelope", "answer__entry__envelope")
        .order_by(F("answer__answered_at").desc(nulls_first=True), "-proposed_at", "pk")
    )


def stands(proposal: Proposal, now: datetime) -> ProposalStatus:
    """Say how a proposal stands."""
    verdict = proposal.answer.verdict if hasattr(proposal, "answer") else None
    return status_of(verdict=verdict, expires_at=proposal.expires_at, now=now)


def proposals_awaiting(person: User, now: datetime) -> int:
    """Count the proposals that wait for this person: another's, and not about themselves."""
    if ROLE not in person.roles:
        return 0
    waiting = Proposal.objects.filter(answer=None, expires_at__gt=now)
    return waiting.exclude(proposer=person).exclude(subject=person_subject(str(person.pk))).count()


def reason_of(proposal: Proposal) -> str:
    """Return the reason that came with the answer; empty where there is none any more."""
    commitment = proposal.answer.reason_commitment if hasattr(proposal, "answer") else ""
    if not commitment:
        return ""
    found = Disclosure.objects.filter(commitment=commitment).values_list("text", flat=True).first()
    return found or ""


def names_of_subjects(proposals: Collection[Proposal]) -> dict[str, str]:
    """Return the names of the people whom proposals are about, by their pseudonymous id."""
    ids = [one.subject.partition(":")[2] for one in proposals if one.subject.startswith("person:")]
    people = User.objects.filter(pk__in=ids) if ids else []
    return {str(one.pk): f"{one.printed_name} ({one.username})" for one in people}


def credentials_that_sign(person: User, now: datetime) -> QuerySet[Credential]:
    """Return the credentials of a person that a second one confirmed, and that are not too new."""
    delay = timedelta(hours=settings.SIGNING_DELAY_HOURS)
    return Credential.objects.filter(person=person, confirmed_at__lte=now - delay)


def list_people() -> QuerySet[User]:
    """Return everybody by name, with their credentials; those whose account has ended last."""
    return User.objects.prefetch_related("credentials").order_by(
        "-is_active", "printed_name", "username"
    )
