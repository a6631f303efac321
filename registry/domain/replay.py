"""Replay: come to a recorded decision again, from what the log holds and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, ClassVar

from accounts.domain.signature import SignatureMethod
from registry.domain.approvals import Approval, ApprovalFacts
from registry.domain.errors import RegistryDomainError
from registry.domain.evaluation import DECISION_FORMAT, Decision, evaluate
from registry.domain.evidence import (
    ChampionFacts,
    EvidenceItem,
    EvidenceView,
    LegFact,
    LineageFacts,
    StandingViolation,
)
from registry.domain.findings import OpenFinding
from registry.domain.policy import Policy
from registry.domain.waivers import Waiver
from registry.domain.words import Grade, Leg, Origin


class ReplayError(RegistryDomainError):
    """A recorded decision cannot be replayed from what was given."""

    code: ClassVar[str] = "decision_not_replayable"


def replay_decision(
    recorded: Mapping[str, Any], *, policy: Policy, evidence: Mapping[str, EvidenceItem]
) -> Decision:
    """Evaluate again what `Decision.to_mapping` recorded, under a policy.

    Law: under the policy that `recorded` names by digest, `.to_mapping()` of the result equals
    `recorded`. Under another one it says what that policy would have decided then.

    Args:
        recorded: a decision as it was logged.
        policy: the policy to decide by.
        evidence: the evidence that `recorded` names, by digest, as its statements hold it.

    Raises:
        ReplayError: evidence is missing from `evidence`, or `recorded` is no such mapping.
    """
    try:
        if recorded["format"] != DECISION_FORMAT:
            raise ReplayError(f"format {recorded['format']!r} is not {DECISION_FORMAT!r}")
        inputs = recorded["inputs"]
        return evaluate(
            policy,
            _view(inputs, evidence),
            _approval_facts(inputs["approvals"]),
            tuple(_waiver(waiver) for waiver in inputs["waivers"]),
            datetime.fromisoformat(recorded["as_of"]),
            _retired_at(recorded, policy),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ReplayError(f"the recorded decision cannot be read: {error!r}") from error


def _retired_at(recorded: Mapping[str, Any], policy: Policy) -> datetime | None:
    """Return when the policy that decided had been retired; of another one nothing is recorded."""
    stated = recorded["inputs"].get("retired_at")
    if stated is None or policy.digest != recorded["policy"]["digest"]:
        return None
    return datetime.fromisoformat(stated)


def _view(inputs: Mapping[str, Any], evidence: Mapping[str, EvidenceItem]) -> EvidenceView:
    champion = inputs["champion"]
    return EvidenceView(
        version_uri=inputs["version_uri"],
        alias=inputs["alias"],
        subject_digest=inputs["subject_digest"],
        lineage=None if inputs["lineage"] is None else _lineage(inputs["lineage"]),
        items=_items(inputs["items"], evidence),
        under_way=frozenset(inputs["under_way"]),
        champion=None
        if champion is None
        else ChampionFacts(
            version_uri=champion["version_uri"],
            subject_digest=champion["subject_digest"],
            items=_items(champion["items"], evidence),
            under_way=frozenset(champion["under_way"]),
        ),
        alias_ever_held=inputs["alias_ever_held"],
        violations=tuple(
            StandingViolation(digest=one["digest"], event=one["event"])
            for one in inputs.get("violations", ())
        ),
        findings=tuple(
            OpenFinding(
                digest=one["digest"],
                severity=one["severity"],
                due_at=datetime.fromisoformat(one["due_at"]),
            )
            for one in inputs.get("findings", ())
        ),
    )


def _lineage(lineage: Mapping[str, Any]) -> LineageFacts:
    return LineageFacts(
        digest=lineage["digest"],
        subject_digest=lineage["subject_digest"],
        legs=tuple(
            LegFact(Leg(fact["leg"]), Grade(fact["grade"]), fact["reason"])
            for fact in lineage["legs"]
        ),
        origin=Origin(lineage["origin"]),
        repeats=lineage.get("repeats", ""),
    )


def _items(
    references: Sequence[Mapping[str, Any]], evidence: Mapping[str, EvidenceItem]
) -> tuple[EvidenceItem, ...]:
    items = []
    for reference in references:
        item = evidence.get(reference["digest"])
        if item is None:
            raise ReplayError(f"the evidence {reference['digest']} was not given")
        # Standing is a matter of the moment: whatever supersedes it today did not then.
        item = replace(item, superseded_by=None)
        stated = reference["kind"], reference["origin"], reference["subject_digest"]
        if (item.kind, item.origin, item.subject_digest) != stated:
            raise ReplayError(f"the evidence {reference['digest']} is not what was recorded")
        items.append(item)
    return tuple(items)


def _approval_facts(facts: Mapping[str, Any]) -> ApprovalFacts:
    return ApprovalFacts(
        requester=facts["requester"],
        trainer=facts["trainer"],
        risk_tier=facts.get("risk_tier"),
        signed=tuple(
            Approval(
                person=signed["person"],
                role=signed["role"],
                verdict=signed["verdict"],
                evidence_digest=signed["evidence_digest"],
                signed_at=datetime.fromisoformat(signed["signed_at"]),
                digest=signed["digest"],
                is_dismissed=signed.get("is_dismissed", False),
                signature=signed.get("signature", SignatureMethod.PASSWORD.value),
            )
            for signed in facts["signed"]
        ),
    )


def _waiver(waiver: Mapping[str, Any]) -> Waiver:
    return Waiver(
        name=waiver["name"],
        digest=waiver["digest"],
        version_uri=waiver["version_uri"],
        policy_digest=waiver["policy_digest"],
        gate_id=waiver["gate_id"],
        person=waiver["person"],
        role=waiver["role"],
        granted_at=datetime.fromisoformat(waiver["granted_at"]),
        until=datetime.fromisoformat(waiver["until"]),
    )
