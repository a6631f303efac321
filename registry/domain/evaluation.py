"""Evaluate a policy: `evaluate(policy, evidence, approvals, waivers, as_of) -> Decision`.

Pure, total, deterministic and monotone, so that an auditor can replay it without our database.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NoReturn

from muniment.attest.digest import canonical_json
from registry.domain.approvals import ApprovalFacts, ApprovalsResult, review
from registry.domain.evidence import EvidenceView, evidence_digest, view_mapping
from registry.domain.findings import overdue_reasons
from registry.domain.gate_composite import judge_composite
from registry.domain.gate_result import GateResult, plain_text
from registry.domain.gates import judge_gate
from registry.domain.moments import is_aware, rfc3339
from registry.domain.policy import Policy, PolicyRef
from registry.domain.policy_gates import CompositeGate, Gate
from registry.domain.waivers import Waiver, active_waiver, shown_waivers
from registry.domain.words import GateOutcome, ReviewOutcome, Verdict

# A log entry has 65,535 bytes, of which a third is base64 and some are the statement's own.
_MOST_BYTES: Final = 46_000
DECISION_FORMAT = "https://muniment.dev/decision/v1"


@dataclass(frozen=True, slots=True)
class Decision:
    """What a policy came to, with everything needed to come to it again.

    A decision is never truthy: ask `.allowed`. `reasons` are one sentence for each thing that
    stands in the way, gates and approvals included, blockers first; empty when allowed.
    `evidence_digest` is what a reviewer signs.
    """

    verdict: Verdict
    gates: tuple[GateResult, ...]
    approvals: ApprovalsResult
    reasons: tuple[str, ...]
    evidence_digest: str
    policy: PolicyRef
    as_of: datetime
    evidence: EvidenceView
    facts: ApprovalFacts
    waivers: tuple[Waiver, ...]
    retired_at: datetime | None = None

    @property
    def allowed(self) -> bool:
        """Tell whether the verdict is `allow`."""
        return self.verdict is Verdict.ALLOW

    def __bool__(self) -> NoReturn:
        raise TypeError("a Decision is neither true nor false: ask .allowed")

    def to_mapping(self) -> dict[str, object]:
        """Give the decision as JSON-able values.

        `inputs` and the policy's digest name all that a replay needs: the bodies of the policy
        and of each evidence item are statements of the log, found by digest. Where the numbers
        behind the sentences would not fit into a log entry, they are left out: whoever chose
        long names for groups must not stop a decision.
        """
        whole = self._mapping([gate.to_mapping() for gate in self.gates])
        if len(canonical_json(whole)) <= _MOST_BYTES:
            return whole
        return self._mapping([gate.without_numbers().to_mapping() for gate in self.gates])

    def _mapping(self, gates: list[dict[str, Any]]) -> dict[str, object]:
        return {
            "format": DECISION_FORMAT,
            "verdict": self.verdict.value,
            "reasons": list(self.reasons),
            "policy": {
                "name": self.policy.name,
                "version": self.policy.version,
                "digest": self.policy.digest,
            },
            "evidence_digest": self.evidence_digest,
            "as_of": rfc3339(self.as_of),
            "gates": gates,
            "approvals": self.approvals.to_mapping(),
            "inputs": {
                **view_mapping(self.evidence),
                "approvals": self.facts.to_mapping(),
                "waivers": [waiver.to_mapping() for waiver in self.waivers],
                # Left out where it stands: what was decided before any could be retired stays true.
                **({"retired_at": rfc3339(self.retired_at)} if self.retired_at else {}),
            },
        }


def evaluate(
    policy: Policy,
    evidence: EvidenceView,
    approvals: ApprovalFacts,
    waivers: Sequence[Waiver],
    as_of: datetime,
    retired_at: datetime | None = None,
) -> Decision:
    """Decide whether a version may hold an alias under a policy at a moment.

    Unsatisfied, insufficient, or missing with no job under way: deny, and so does a refusal by an
    eligible reviewer of this evidence. Evidence being computed, or only approvals missing:
    pending. Otherwise allow. At least one gate must be satisfied for anything but deny (or still
    be pending): waivers and what is not applicable show nothing about a version. A standing
    violation denies whatever the gates say, and so does a policy that was retired; no waiver
    covers either.

    Never raises for any evidence or approval. Monotone: taking away evidence, a job, an approval
    or a waiver never turns deny or pending into allow (approvals of the whole do not cover the
    rest), nor deny by a measured failure into
    anything better than pending.

    Raises:
        ValueError: `as_of` has no timezone.

    """
    if not is_aware(as_of):
        raise ValueError("as_of needs a timezone")
    digest = evidence_digest(
        policy.digest,
        evidence.alias,
        evidence,
        policy.evidence_kinds,
        waivers=shown_waivers(
            waivers, version_uri=evidence.version_uri, policy_digest=policy.digest
        ),
    )
    # Nobody waives a gate for what they asked for or made.
    involved = {approvals.requester, approvals.trainer}
    results = tuple(
        _result(policy, gate, evidence, waivers, involved, as_of) for gate in policy.gates
    )
    reviewed = review(policy.approvals, approvals, evidence_digest=digest, as_of=as_of)
    standing = _why_policy_does_not_apply(policy, evidence, as_of)
    if retired_at is not None and retired_at <= as_of:
        standing.append(
            f"Policy {policy.name} version {policy.version} was retired on"
            f" {retired_at.astimezone(UTC).date().isoformat()}, so nothing passes by it. Admins"
            " bind another one on the model's page."
        )
    standing += [violation.reason for violation in evidence.violations]
    standing += overdue_reasons(evidence.findings, as_of)
    if not any(result.shows_something for result in results):
        standing.append("No gate is satisfied, so nothing has been shown about this version.")
    blockers = [result.reason for result in results if result.outcome.blocks]
    waiting = [result.reason for result in results if result.outcome is GateOutcome.PENDING]
    if reviewed.outcome is ReviewOutcome.REFUSED:
        blockers.append(reviewed.reason)
    elif reviewed.outcome is ReviewOutcome.PENDING:
        waiting.append(reviewed.reason)
    if standing or blockers:
        verdict = Verdict.DENY
    elif waiting:
        verdict = Verdict.PENDING
    else:
        verdict = Verdict.ALLOW
    return Decision(
        verdict=verdict,
        gates=results,
        approvals=reviewed,
        reasons=(*standing, *blockers, *waiting),
        evidence_digest=digest,
        policy=policy.ref,
        as_of=as_of,
        evidence=evidence,
        facts=approvals,
        waivers=tuple(waivers),
        retired_at=retired_at,
    )


def _result(
    policy: Policy,
    gate: Gate,
    evidence: EvidenceView,
    waivers: Sequence[Waiver],
    involved: Collection[str | None],
    as_of: datetime,
) -> GateResult:
    if isinstance(gate, CompositeGate):
        members = tuple(
            _result(policy, one, evidence, waivers, involved, as_of) for one in gate.gates
        )
        result = judge_composite(gate, members)
    else:
        result = judge_gate(policy, gate, evidence, as_of=as_of)
    # What is waived waits for no job either, or taking the job away would let the version through.
    if not result.outcome.blocks and result.outcome is not GateOutcome.PENDING:
        return result
    waiver = active_waiver(
        waivers,
        gate,
        version_uri=evidence.version_uri,
        policy_digest=policy.digest,
        not_by=involved,
        as_of=as_of,
    )
    if waiver is None:
        return result
    return result.waived_until(waiver.until, waiver.digest)


def _why_policy_does_not_apply(
    policy: Policy, evidence: EvidenceView, as_of: datetime
) -> list[str]:
    reasons = []
    today = as_of.astimezone(UTC).date()
    if policy.in_force_until is not None and today > policy.in_force_until:
        reasons.append(
            f"Policy {policy.name} version {policy.version} was in force until"
            f" {policy.in_force_until.isoformat()}."
        )
    if today < policy.in_force_from:
        reasons.append(
            f"Policy {policy.name} version {policy.version} is in force only from"
            f" {policy.in_force_from.isoformat()}."
        )
    if evidence.alias.lower() not in policy.bound_to.aliases:
        reasons.append(
            f"Policy {policy.name} version {policy.version} says nothing about the alias"
            f" {plain_text(evidence.alias.lower())}."
        )
    return reasons
