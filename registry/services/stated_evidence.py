"""What people and other tools state of a version: documentation, attestations, measurements.

Free text is kept as personal data; the evidence holds commitments to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from audits.domain.actor import Actor
from audits.models import Evidence
from audits.services.disclosures import commit_text
from audits.services.evidence import NewEvidence, record_evidence
from audits.services.log import Seal, lock_stream
from lineage.models import LineageRecord
from muniment.attest.digest import canonical_json
from registry.domain.json_schema import Unjudgeable, exact_values, first_mismatch
from registry.domain.policy import Policy
from registry.domain.policy_findings import (
    AttestationGate,
    DocumentationGate,
    ReportedEvidenceGate,
)
from registry.domain.words import EvidenceKind
from registry.errors import InvalidRequest, NoPolicyBound, ReviewNotAllowed
from registry.models import ModelVersion, PolicyBinding
from registry.services.decisions import NO_POLICY, decide_open_promotions
from registry.services.policies import document_of
from registry.services.signature_strength import least_for, require_least
from registry.services.signing import MAX_ABOUT, Means, Pen, sign
from registry.services.text import require_plain_text

MAX_TEXT: Final = 20_000
MAX_STATEMENT: Final = 4_000
MAX_REPORT_BYTES: Final = 24_000
WRITERS: Final = ("engineer", "admin")


def documentation_asked(policy: Policy) -> tuple[str, ...]:
    """Return the fields of documentation that a policy asks for, in the order of the document."""
    gates = [gate for gate in policy.every_gate if isinstance(gate, DocumentationGate)]
    return tuple(dict.fromkeys(name for gate in gates for name in gate.requires))


def attestations_asked(policy: Policy) -> dict[str, AttestationGate]:
    """Return what a policy has attested, by name; the first gate of a name tells its title."""
    gates = [gate for gate in policy.every_gate if isinstance(gate, AttestationGate)]
    return {gate.name: gate for gate in reversed(gates)}


def asks_people(binding: PolicyBinding | None) -> bool:
    """Tell whether a bound policy asks people to state something about a version."""
    if binding is None:
        return False
    policy = document_of(binding.policy)
    return bool(documentation_asked(policy) or attestations_asked(policy))


def write_documentation(
    *, version: ModelVersion, texts: Mapping[str, str], actor: Actor, now: datetime
) -> Evidence:
    """Record a version's documentation; it replaces what was written before.

    Args:
        texts: by field; a field that the policy does not ask for is refused, blank ones count as
            not written.

    Raises:
        RoleRequired: the actor is neither engineer nor admin.
        NoPolicyBound, InvalidRequest: nothing asks for it, no lineage record is there to tell the
            bytes that it is about, a field is unknown or a text too long.
    """
    actor.require_role("write a version's documentation", *WRITERS)
    policy = _policy(version)
    asked = documentation_asked(policy)
    if not asked or set(texts) - set(asked):
        raise InvalidRequest("The policy of this model asks for no such documentation.")
    written = {name: texts.get(name, "").strip() for name in asked}
    for name, text in written.items():
        require_plain_text(name.replace("_", " "), text, MAX_TEXT)
    with transaction.atomic(durable=True):
        evidence = _record(
            version,
            kind=EvidenceKind.DOCUMENTATION.value,
            origin="computed",  # the lengths are counted here
            conclusion="pass" if all(written.values()) else "insufficient",
            reason=f"{sum(map(bool, written.values()))} of {len(asked)} fields are written.",
            measurements={
                "fields": {
                    name: {"length": len(text), "commitment": _commit(text, actor)}
                    for name, text in written.items()
                    if text
                }
            },
            actor=actor,
            now=now,
        )
        decide_open_promotions(registered_model=version.registered_model, now=now)
        return evidence


def attest_version(
    *,
    version: ModelVersion,
    name: str,
    holds: bool,
    statement: str,
    means: Means,
    actor: Actor,
    now: datetime,
) -> Evidence:
    """Sign that what a policy has attested holds of a version, or that it does not.

    Args:
        name: of an attestation that the bound policy asks for.
        statement: what was looked at and found, in the signer's words.

    Raises:
        As `sign`, where the roles are those that the policy names, and
        ReviewNotAllowed: the actor asked for the version or trained it.
        SignatureTooWeak: the policy asks for more than was shown; nothing was signed.
        NoPolicyBound, InvalidRequest: the policy asks for no such attestation, nothing was stated,
            or no lineage record is there to tell the bytes that it is about.
    """
    gate = _attestation(version, name)
    actor.require_role(f"attest {name}", *gate.by_role)
    statement = statement.strip()
    if not statement:
        raise InvalidRequest("Say what you looked at and what you found: that is what you attest.")
    require_plain_text("statement", statement, MAX_STATEMENT)

    def write(pen: Pen) -> Evidence:
        lock_stream(version.registered_model.uri)
        gate = _attestation(version, name)
        pen.actor.require_role(f"attest {name}", *gate.by_role)
        require_least(pen.method, least_for(version.registered_model))
        # Denied requests too: an attestation is often what the next one lacks.
        involved = Q(requester=pen.person) | Q(trainer=pen.person)
        if version.promotions.filter(involved).exists():
            raise ReviewNotAllowed(
                "You asked for this version or trained it, and nobody attests their own work."
            )
        evidence = _record(
            version,
            kind=gate.evidence_kind,
            origin="computed",  # Muniment itself saw who signed
            conclusion="pass" if holds else "fail",
            reason=f"{gate.title}: attested to {'hold' if holds else 'not hold'}.",
            measurements={
                "statement": pen.commit_text(statement),
                "role": next(role for role in gate.by_role if role in pen.actor.roles),
                "person": pen.actor.id,
                "expires": None,
            },
            seal=pen.seal,
            actor=pen.actor,
            now=pen.at,
        )
        decide_open_promotions(registered_model=version.registered_model, now=pen.now)
        return evidence

    return sign(
        write,
        operation=f"attest {name}",
        roles=gate.by_role,
        about=f"attestation:{version.pk}:{name}"[:MAX_ABOUT],
        means=means,
        actor=actor,
        now=now,
    )


def report_evidence(
    *,
    version: ModelVersion,
    type_name: str,
    measurements: Mapping[str, Any],
    subject_digest: str,
    actor: Actor,
    now: datetime,
) -> Evidence:
    """Record what another tool measured, for a gate of the bound policy that reads that type.

    Args:
        measurements: as the gate's JSON Schema has them; what does not fit is refused here, so
            that whoever reports is told.
        subject_digest: of the files that were measured; empty for those that were recorded.

    Raises:
        RoleRequired: the actor is no engineer.
        NoPolicyBound, InvalidRequest: no gate reads it, it does not fit the schema, it is too
            large, or it is about other files than the version has.
    """
    actor.require_role("report evidence", "engineer")
    gates = [
        gate
        for gate in _policy(version).every_gate
        if isinstance(gate, ReportedEvidenceGate) and gate.type == type_name
    ]
    if not gates:
        raise InvalidRequest(f"No gate of this model's policy reads the type {type_name[:80]!r}.")
    try:
        values = exact_values(measurements)
        if len(canonical_json(dict(measurements))) > MAX_REPORT_BYTES:
            raise InvalidRequest(f"Measurements have at most {MAX_REPORT_BYTES:,} bytes as JSON.")
    except (Unjudgeable, ValueError, TypeError, RecursionError) as error:
        raise InvalidRequest(f"These measurements cannot be judged: {error}.") from error
    for gate in gates:
        mismatch = first_mismatch(gate.schema, values)
        if mismatch is not None:
            raise InvalidRequest(f"This is not what the gate {gate.id} reads: {mismatch}.")
    with transaction.atomic(durable=True):
        evidence = _record(
            version,
            kind=gates[0].evidence_kind,
            origin="reported",
            conclusion="pass",
            reason=f"Reported as {type_name}; a gate's bounds decide.",
            measurements=dict(measurements),
            expected_subject=subject_digest,
            actor=actor,
            now=now,
        )
        decide_open_promotions(registered_model=version.registered_model, now=now)
        return evidence


def _attestation(version: ModelVersion, name: str) -> AttestationGate:
    gate = attestations_asked(_policy(version)).get(name)
    if gate is None:
        raise InvalidRequest("The policy of this model asks for no such attestation.")
    return gate


def _policy(version: ModelVersion) -> Policy:
    # Read anew each time: under the lock it may be another one than before.
    bound = PolicyBinding.objects.select_related("policy")
    binding = bound.filter(registered_model=version.registered_model_id).first()
    if binding is None:
        raise NoPolicyBound(NO_POLICY)
    return document_of(binding.policy)


def _commit(text: str, actor: Actor) -> str:
    return commit_text(person_id=UUID(actor.id), text=text)


def _record(
    version: ModelVersion,
    *,
    kind: str,
    origin: str,
    conclusion: str,
    reason: str,
    measurements: Mapping[str, Any],
    expected_subject: str = "",
    seal: Seal | None = None,
    actor: Actor,
    now: datetime,
    inputs: Sequence[Mapping[str, str]] = (),
) -> Evidence:
    lock_stream(version.registered_model.uri)
    record = LineageRecord.objects.filter(version_uri=version.uri).order_by("-entry_id").first()
    if record is None:
        raise InvalidRequest(
            "This version's lineage is not recorded yet, so that nothing can be said of its files. "
            "Try again in a minute."
        )
    if expected_subject and expected_subject != record.subject_digest:
        raise InvalidRequest("These measurements are about other files than this version has.")
    return record_evidence(
        version_uri=version.uri,
        stream=version.registered_model.uri,
        subject_digest=record.subject_digest,
        found=NewEvidence(
            kind=kind,
            origin=origin,
            conclusion=conclusion,
            reasons=[reason],
            criteria={},
            measurements=measurements,
            inputs=inputs or [{"name": "artifacts", "digest": record.subject_digest}],
        ),
        seal=seal,
        actor=actor,
        now=now,
    )
