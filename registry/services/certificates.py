"""Certificates: issued in the transaction that settles a promotion as executed."""

from __future__ import annotations

from datetime import datetime

import structlog
from django.conf import settings
from django.db.models import Q

from audits.domain.actor import Actor
from audits.domain.log import Event
from audits.models import Evidence
from audits.services.log import append_statement
from audits.services.signing import may_state
from muniment.attest.digest import Digest
from muniment.attest.predicates import VERIFICATION_SUMMARY
from registry.domain.certificate import Promoted, certificate_predicate
from registry.domain.words import ATTESTATION_PREFIX, EvidenceKind, Verdict
from registry.models import Certificate, Decision, Promotion
from registry.services.policies import document_of
from registry.services.stating import subject_digest_of

logger = structlog.get_logger(__name__)


def issue_certificate(*, promotion: Promotion, actor: Actor, now: datetime) -> Certificate | None:
    """State in the log that a promotion was executed, as a SLSA verification summary.

    It is about the bytes that the allowing decision names, whatever was recorded since. None where
    the statement key of this installation was enrolled before there were certificates and may not
    sign one: the log would refuse it, and the model's stream would have a gap. None in an
    emergency either, which no policy decided: a signature against the policy verifies nothing.
    """
    if promotion.emergency:
        return None
    if not may_state(VERIFICATION_SUMMARY):
        logger.warning("certificate.key_not_permitted", promotion=str(promotion.pk))
        return None
    decision = (
        Decision.objects.select_related("entry", "policy")
        .filter(promotion=promotion, verdict=Verdict.ALLOW.value)
        .latest("entry_id")
    )
    promoted = _promoted(promotion, decision)
    version = promotion.version
    decided_on = promoted.inputs["subject_digest"]
    entry = append_statement(
        event=Event.CERTIFICATE_ISSUED,
        predicate_type=VERIFICATION_SUMMARY,
        subject_name=version.uri,
        subject_digest=Digest.parse(decided_on) if decided_on else subject_digest_of(version),
        predicate=certificate_predicate(promoted, now=now),
        stream=version.registered_model.uri,
        actor=actor,
        now=now,
    )
    return Certificate.objects.create(
        promotion=promotion, issued_at=now, expires_at=promoted.end(now=now), entry=entry
    )


def _promoted(promotion: Promotion, decision: Decision) -> Promoted:
    version = promotion.version
    if decision.policy is None:
        raise AssertionError("a decision that allows is made by a policy")
    inputs = decision.content["inputs"]
    held = [inputs, *([inputs["champion"]] if inputs["champion"] else [])]
    named = [item["digest"] for holder in held for item in holder["items"]]
    made = Evidence.objects.filter(entry__sha256__in=named)
    timed = made.filter(
        Q(kind=EvidenceKind.VULNERABILITIES.value) | Q(kind__startswith=ATTESTATION_PREFIX)
    )
    standing = promotion.approvals.filter(dismissal__isnull=True).order_by("entry_id")
    return Promoted(
        promotion_id=str(promotion.pk),
        model=version.registered_model.name,
        version=version.version,
        version_uri=version.uri,
        alias=promotion.alias,
        policy=document_of(decision.policy),
        decision=decision.content,
        decision_entry=decision.entry.sha256,
        reviews=tuple(standing.values_list("entry__sha256", flat=True)),
        produced_at=dict(made.values_list("entry__sha256", "produced_at")),
        measured=dict(timed.values_list("entry__sha256", "measurements")),
        server=settings.MUNIMENT_URL,
    )
