"""Loading what a gate reads, and evaluating it. Nothing here writes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from audits.models import Job
from registry.domain.evaluation import Decision, evaluate
from registry.domain.evidence import ChampionFacts, EvidenceView, supersede
from registry.domain.policy import Policy as PolicyDocument
from registry.domain.words import EvidenceKind
from registry.models import ModelVersion, PolicyBinding, Promotion
from registry.services.policies import document_by_digest, retired
from registry.services.recorded import read_evidence, read_lineage
from registry.services.standing import Facts, Standing, load_standing
from registry.services.trainers import trainer_of

RECOMPUTATION = EvidenceKind.RECOMPUTATION.value
# Which evidence each kind of job is about to produce.
_PRODUCES = {
    Job.Kind.LINEAGE.value: ("lineage",),
    Job.Kind.PREDICTIONS_AUDIT.value: ("bias", "performance"),
    Job.Kind.SET_AUDIT.value: ("bias", "performance"),
    Job.Kind.SCAN.value: ("artifact_safety", "vulnerabilities"),
}


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A decision about a version and an alias, and what it was made from.

    Attributes:
        decision: None where no policy is bound to the model, which denies.
        binding: the policy's binding, or None.
        promotion: the newest promotion of this version to this alias, withdrawn ones aside.
    """

    version: ModelVersion
    alias: str
    view: EvidenceView
    decision: Decision | None
    binding: PolicyBinding | None
    promotion: Promotion | None


@dataclass(frozen=True, slots=True)
class Judged:
    """A decision about how a version stands, None where no policy is bound, which denies.

    Attributes:
        evidence: the version's, by the digest of its statement.
    """

    decision: Decision | None
    view: EvidenceView
    evidence: dict[str, UUID]


def evaluate_version(
    *,
    version: ModelVersion,
    alias: str,
    as_of: datetime,
    instead: PolicyDocument | None = None,
) -> Evaluation:
    """Evaluate the bound policy for a version and an alias at a moment; writes nothing.

    Args:
        instead: judge by this policy, whatever is bound.
    """
    alias = alias.lower()
    binding = (
        PolicyBinding.objects.select_related("policy__retirement")
        .filter(registered_model=version.registered_model_id)
        .first()
    )
    # What is returned is what was judged by, though it be bound anew between two questions.
    bound = binding.policy_id if binding else None
    standing = replace(
        load_standing(version, alias, instead.digest if instead else bound),
        policy_digest=bound,
        risk_tier=binding.risk_tier if binding else None,
        retired_at=retired(binding.policy) if binding else None,
    )
    judged = judge_standing(standing, as_of=as_of, instead=instead)
    return Evaluation(
        version=version,
        alias=alias,
        view=judged.view,
        decision=judged.decision,
        binding=binding,
        promotion=None
        if standing.promotion is None
        else Promotion.objects.get(pk=standing.promotion.id),
    )


def judge_standing(
    standing: Standing, *, as_of: datetime, instead: PolicyDocument | None = None
) -> Judged:
    """Evaluate the bound policy for a version as it stands; writes nothing.

    Args:
        instead: judge by this policy, whatever is bound; the waivers must be those under it.
    """
    bound = standing.policy_digest
    policy = instead or (None if bound is None else document_by_digest(bound))
    asks_for_recomputation = policy is None or RECOMPUTATION in policy.evidence_kinds
    facts = standing.facts
    view = _view(standing, asks_for_recomputation=asks_for_recomputation)
    decision = None
    if policy is not None:
        # What nobody may waive is not waived.
        is_waivable = any(gate.waivable_by for gate in policy.every_gate)
        approvals = facts.approvals
        if policy.approvals.review_by_tier:
            approvals = replace(approvals, risk_tier=standing.risk_tier)
        if policy.approvals.unknown_trainer_adds and standing.promotion is None:
            # A request will name whom is known by then; before one, so does a preview.
            approvals = replace(approvals, trainer=_trainer_of(standing))
        decision = evaluate(
            policy,
            view,
            approvals,
            facts.waivers if is_waivable else (),
            as_of,
            standing.retired_at if instead is None else None,
        )
    return Judged(
        decision=decision,
        view=view,
        evidence=dict(zip((item.digest for item in view.items), facts.evidence, strict=True)),
    )


def _trainer_of(standing: Standing) -> str | None:
    known = ModelVersion.objects.select_related("registered_model")
    trainer = trainer_of(known.get(pk=standing.version_id))
    return None if trainer is None else str(trainer.pk)


def load_view(*, version: ModelVersion, alias: str) -> EvidenceView:
    """Load all that is known about a version where `alias` (lower case) is asked for."""
    return _view(load_standing(version, alias), asks_for_recomputation=True)


def _view(standing: Standing, *, asks_for_recomputation: bool) -> EvidenceView:
    facts = standing.facts
    record = read_lineage(facts.record) if facts.record else None
    of_champion = read_lineage(facts.champion_record) if facts.champion_record else None
    return EvidenceView(
        version_uri=standing.version_uri,
        alias=standing.alias,
        subject_digest=record.subject_digest if record else "",
        lineage=record,
        items=supersede(read_evidence(facts.evidence)),
        under_way=_under_way(facts, asks_for_recomputation),
        champion=None
        if standing.champion_uri is None
        else ChampionFacts(
            version_uri=standing.champion_uri,
            subject_digest=of_champion.subject_digest if of_champion else "",
            items=supersede(read_evidence(facts.champion_evidence)),
        ),
        alias_ever_held=standing.alias_ever_held,
        violations=facts.violations,
        findings=facts.findings,
    )


def _under_way(facts: Facts, asks_for_recomputation: bool) -> frozenset[str]:
    kinds: set[str] = set()
    for kind in facts.jobs:
        kinds.update(_PRODUCES.get(kind, ()))
    # The audit of predictions is opened when the lineage record stands, and so is what a policy
    # asks to be trained again.
    if "lineage" in kinds:
        kinds.update(_PRODUCES[Job.Kind.PREDICTIONS_AUDIT])
        kinds.update(_PRODUCES[Job.Kind.SCAN])
    if asks_for_recomputation and ("lineage" in kinds or facts.is_recomputed_now):
        kinds.add(RECOMPUTATION)
    return frozenset(kinds)
