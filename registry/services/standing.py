"""How a version stands where an alias is asked for: all that a decision reads, evidence by its id.

One statement, written out: it is asked for every answer of the gate, and Django would take longer
to write it than PostgreSQL to answer. The tests of the gate keep it in step with the models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from audits.prepared import fetch_rows
from registry.domain.approvals import Approval, ApprovalFacts
from registry.domain.evidence import StandingViolation, comparison_holder
from registry.domain.findings import OpenFinding
from registry.domain.waivers import Waiver
from registry.models import ModelVersion
from registry.services.lookup import find_version


@dataclass(frozen=True, slots=True)
class PromotionStanding:
    """The newest promotion to the alias, and who is behind it."""

    id: UUID
    status: str
    requester: UUID
    trainer: UUID | None


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a version and moves on without it: read anew for every decision.

    Attributes:
        evidence: of the version, oldest first; `champion_evidence` that of the champion.
        record: the newest lineage record, or None.
        jobs: the kinds of those under way.
    """

    evidence: list[UUID]
    record: UUID | None
    champion_evidence: list[UUID]
    champion_record: UUID | None
    jobs: list[str]
    is_recomputed_now: bool
    violations: tuple[StandingViolation, ...]
    findings: tuple[OpenFinding, ...]
    approvals: ApprovalFacts
    waivers: tuple[Waiver, ...]


@dataclass(frozen=True, slots=True)
class Standing:
    """A version, the alias asked for (lower case), what binds it and who held the alias before.

    Attributes:
        policy_digest: of the bound policy, or None; `risk_tier` as it is bound.
        retired_at: when that policy was retired; None while it is not.
        promotion: the newest of this version to this alias, withdrawn ones and rollbacks aside: a
            rollback asked no reviewer, so what they signed before is what there is.
        champion_uri: the version to compare with, or None.
    """

    alias: str
    version_id: int
    number: int
    version_uri: str
    model_id: int
    model_name: str
    source: str
    policy_digest: str | None
    risk_tier: str | None
    retired_at: datetime | None
    promotion: PromotionStanding | None
    champion_uri: str | None
    alias_ever_held: bool
    facts: Facts


_STANDING = """
SELECT version.id, version.version, version.uri, model.id, model.name, model.source_id,
    binding.policy_id, binding.risk_tier, retirement.retired_at,
    promotion.id, promotion.status, promotion.requester_id, promotion.trainer_id,
    ARRAY(
        SELECT holder.uri
        FROM registry_alias_record change
        LEFT JOIN registry_modelversion holder ON holder.id = change.after_id
        WHERE change.registered_model_id = model.id
            AND upper(change.alias) = upper(%(alias)s::text)
        ORDER BY change.id
    ),
    champion.uri,
    ARRAY(SELECT id FROM audits_evidence WHERE version_uri = version.uri ORDER BY entry_id),
    (SELECT id FROM lineage_record WHERE version_uri = version.uri ORDER BY entry_id DESC LIMIT 1),
    ARRAY(SELECT id FROM audits_evidence WHERE version_uri = champion.uri ORDER BY entry_id),
    (SELECT id FROM lineage_record WHERE version_uri = champion.uri
        ORDER BY entry_id DESC LIMIT 1),
    ARRAY(SELECT kind::text FROM audits_job
        WHERE version_uri = version.uri AND status IN ('queued', 'running')),
    EXISTS(SELECT FROM lineage_recomputation
        WHERE version_uri = version.uri AND status IN ('queued', 'running')),
    (
        SELECT json_agg(json_build_array(entry.sha256, entry.event) ORDER BY entry.id)
        FROM registry_violation violation
        JOIN audits_log_entry entry ON entry.id = violation.entry_id
        WHERE violation.registered_model_id = model.id
            AND (violation.version_id = version.id OR violation.version_id IS NULL)
            AND NOT violation.can_be_undone AND violation.status IN ('open', 'accepted')
    ),
    (
        SELECT json_agg(json_build_array(entry.sha256, entry.event)
            ORDER BY withdrawn.found_at, withdrawn.id)
        FROM registry_withdrawn_record withdrawn
        JOIN audits_log_entry entry ON entry.id = withdrawn.entry_id
        WHERE withdrawn.version_id = version.id
    ),
    (
        SELECT json_agg(json_build_array(entry.sha256, finding.severity, finding.due_at)
            ORDER BY finding.entry_id)
        FROM registry_finding_record finding
        JOIN audits_log_entry entry ON entry.id = finding.entry_id
        WHERE finding.version_id = version.id AND NOT EXISTS(
            SELECT FROM registry_finding_closure_record WHERE finding_id = finding.id)
    ),
    (
        SELECT json_agg(json_build_array(
            approval.person_id, approval.role, approval.verdict, approval.evidence_digest,
            approval.signed_at, entry.sha256, approval.signature,
            EXISTS(SELECT FROM registry_dismissal_record WHERE approval_id = approval.id)
        ) ORDER BY approval.entry_id)
        FROM registry_approval approval
        JOIN audits_log_entry entry ON entry.id = approval.entry_id
        WHERE approval.promotion_id = promotion.id
    ),
    (
        SELECT json_agg(json_build_array(
            waiver.id, entry.sha256, waiver.gate_id, waiver.person_id, waiver.role,
            waiver.granted_at, waiver.until
        ) ORDER BY waiver.entry_id)
        FROM registry_waiver_record waiver
        JOIN audits_log_entry entry ON entry.id = waiver.entry_id
        WHERE waiver.version_id = version.id
            AND waiver.policy_id = coalesce(%(policy)s::text, binding.policy_id)
            AND NOT EXISTS(
                SELECT FROM registry_waiver_revocation_record WHERE waiver_id = waiver.id)
    )
FROM registry_registeredmodel model
LEFT JOIN registry_modelversion version ON version.registered_model_id = model.id
    AND {version}
LEFT JOIN registry_policybinding binding ON binding.registered_model_id = model.id
LEFT JOIN registry_policy_retirement_record retirement
    ON retirement.policy_id = binding.policy_id
LEFT JOIN LATERAL (
    SELECT id, status, requester_id, trainer_id
    FROM registry_promotion
    WHERE version_id = version.id AND alias = %(alias)s
        AND status <> 'withdrawn' AND emergency <> 'rollback'
    ORDER BY requested_at DESC
    LIMIT 1
) promotion ON true
LEFT JOIN LATERAL (
    SELECT holder.uri
    FROM registry_alias_record change
    JOIN registry_modelversion holder ON holder.id = change.after_id
    WHERE change.registered_model_id = model.id
        AND upper(change.alias) = upper(%(alias)s::text) AND holder.id <> version.id
    ORDER BY change.id DESC
    LIMIT 1
) champion ON true
WHERE {model}
"""
_BY_NAME = _STANDING.format(
    version="version.version = %(number)s AND version.gone_at IS NULL",
    model="model.name = %(name)s AND model.gone_at IS NULL"
    " AND (%(source)s::text = '' OR model.source_id = %(source)s)",
)
_BY_ID = _STANDING.format(version="version.id = %(version)s", model="model.id = %(model)s")


def find_standing(*, name: str, number: int, source: str, alias: str) -> Standing:
    """Return how a living model's version stands, found as `find_version` finds it.

    Raises:
        UnknownVersion: the mirror has no such model or version.
        AmbiguousName: several sources have a model of this name.
    """
    if "\0" not in name + source:  # which PostgreSQL cannot hold
        asked = {"name": name, "number": number, "source": source, "alias": alias, "policy": None}
        rows = fetch_rows(_BY_NAME, asked)
        if len(rows) == 1 and rows[0][0] is not None:
            return _standing(rows[0], alias)
    # Which of several it is, or what is wrong.
    return load_standing(find_version(name, number, source), alias)


def load_standing(version: ModelVersion, alias: str, policy: str | None = None) -> Standing:
    """Return how a version stands, whether it is gone or not.

    Args:
        policy: the digest of the one whose waivers are asked for, instead of the bound one.
    """
    asked = {
        "version": version.pk,
        "model": version.registered_model_id,
        "alias": alias,
        "policy": policy,
    }
    (row,) = fetch_rows(_BY_ID, asked)
    return _standing(row, alias, policy)


def _standing(row: tuple[Any, ...], alias: str, policy: str | None = None) -> Standing:
    version_id, number, version_uri, model_id, model_name, source, *more = row
    bound, risk_tier, retired_at, promotion_id, status, requester, trainer, history, *known = more
    champion_uri, ever_held = comparison_holder(history, version_uri)
    if champion_uri != known[0]:
        raise RuntimeError("the evidence read is not that of the version to compare with")
    promotion = (
        PromotionStanding(promotion_id, status, requester, trainer) if promotion_id else None
    )
    return Standing(
        alias=alias,
        version_id=version_id,
        number=number,
        version_uri=version_uri,
        model_id=model_id,
        model_name=model_name,
        source=source,
        policy_digest=bound,
        risk_tier=risk_tier,
        retired_at=retired_at,
        promotion=promotion,
        champion_uri=champion_uri,
        alias_ever_held=ever_held,
        facts=_facts(known[1:], promotion, version_uri, str(policy or bound)),
    )


def _facts(
    known: Sequence[Any], promotion: PromotionStanding | None, version_uri: str, policy: str
) -> Facts:
    evidence, record, of_champion, its_record, jobs, recomputed, *more = known
    violations, withdrawn, findings, approvals, waivers = more
    return Facts(
        evidence=evidence,
        record=record,
        champion_evidence=of_champion,
        champion_record=its_record,
        jobs=jobs,
        is_recomputed_now=recomputed,
        violations=tuple(
            StandingViolation(*row) for row in (*(violations or ()), *(withdrawn or ()))
        ),
        # Findings are raised on promotions.
        findings=tuple(map(_finding, findings or ())) if promotion else (),
        approvals=ApprovalFacts()
        if promotion is None
        else ApprovalFacts(
            requester=str(promotion.requester),
            trainer=str(promotion.trainer) if promotion.trainer else None,
            signed=tuple(map(_approval, approvals or ())),
        ),
        waivers=tuple(_waiver(row, version_uri, policy) for row in waivers or ()),
    )


def _finding(row: Sequence[Any]) -> OpenFinding:
    digest, severity, due_at = row
    return OpenFinding(digest=digest, severity=severity, due_at=datetime.fromisoformat(due_at))


def _approval(row: Sequence[Any]) -> Approval:
    person, role, verdict, evidence_digest, signed_at, digest, signature, is_dismissed = row
    return Approval(
        person=person,
        role=role,
        verdict=verdict,
        evidence_digest=evidence_digest,
        signed_at=datetime.fromisoformat(signed_at),
        digest=digest,
        signature=signature,
        is_dismissed=is_dismissed,
    )


def _waiver(row: Sequence[Any], version_uri: str, policy_digest: str) -> Waiver:
    name, digest, gate_id, person, role, granted_at, until = row
    return Waiver(
        name=name,
        digest=digest,
        version_uri=version_uri,
        policy_digest=policy_digest,
        gate_id=gate_id,
        person=person,
        role=role,
        granted_at=datetime.fromisoformat(granted_at),
        until=datetime.fromisoformat(until),
    )
