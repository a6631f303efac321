"""Policies: publishing an exact document, and reading it back as values."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache

from django.db import transaction

from accounts.models import ProposalAnswer
from accounts.services.two_people import require_two_people
from audits.domain.actor import Actor
from audits.domain.log import Event
from audits.services.log import append_statement, predicate_type
from muniment.attest.digest import Digest
from registry.domain.policy import Policy as PolicyDocument
from registry.domain.policy_parser import parse_policy
from registry.errors import PolicyNotBindable
from registry.models import Policy


@lru_cache(maxsize=64)
def parsed(digest: str, document: bytes) -> PolicyDocument:
    """Return a published document as values; parsed once, for its digest names its bytes."""
    return parse_policy(document)


def document_of(policy: Policy) -> PolicyDocument:
    """Return the parsed document of a published policy."""
    return parsed(policy.digest, bytes(policy.document))


@lru_cache(maxsize=64)
def document_by_digest(digest: str) -> PolicyDocument:
    """Return a published document as values; read once a process, for it never changes."""
    return document_of(Policy.objects.get(pk=digest))


def retired(policy: Policy) -> datetime | None:
    """Return when a policy was retired; None while it is not."""
    return policy.retirement.retired_at if hasattr(policy, "retirement") else None


@transaction.atomic
def publish_policy(
    *, document: bytes, second: ProposalAnswer | None = None, actor: Actor, now: datetime
) -> Policy:
    """Publish a policy document by the digest of its exact bytes; the same bytes twice is once.

    Args:
        second: the answer that confirms it, where two people are needed.

    Raises:
        RoleRequired: the actor is no admin.
        SecondPersonNeeded: nobody confirmed it, and one person is not enough any more.
        PolicyError: the document is not a policy; every problem with its path.
        PolicyNotBindable: the same name and version already stand for other bytes.
    """
    actor.require_role("publish a policy", "admin")
    policy = parse_policy(document)
    known = Policy.objects.filter(name=policy.name, version=policy.version).first()
    if known is not None:
        if known.digest == policy.digest:
            return known
        raise PolicyNotBindable(
            f"Policy {policy.name} version {policy.version} is already published with other "
            "content. Give the changed document the next version."
        )
    authority = require_two_people("publish a policy", second)
    entry = append_statement(
        event=Event.POLICY_PUBLISHED,
        predicate_type=predicate_type("policy"),
        subject_name=f"policy:{policy.name}@{policy.version}",
        subject_digest=Digest.parse(policy.digest),
        predicate={
            "name": policy.name,
            "version": policy.version,
            "digest": policy.digest,
            "document": document.decode("utf-8"),
            "authority": authority,
        },
        stream=None,
        actor=actor,
        now=now,
    )
    return Policy.objects.create(
        digest=policy.digest,
        name=policy.name,
        version=policy.version,
        document=document,
        published_at=now,
        entry=entry,
    )
