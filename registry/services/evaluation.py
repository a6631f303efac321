"""Loading what a gate reads, and evaluating it. Nothing here writes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from django.db.models import Exists, OuterRef, QuerySet

from audits.models import Evidence, Job
from audits.selectors import open_jobs
from lineage.domain.recomputation import OPEN_STATUSES
from lineage.models import LineageRecord, Recomputation
from registry.domain.approvals import Approval as SignedApproval
from registry.domain.approvals import ApprovalFacts
from registry.domain.emergency import Emergency
from registry.domain.evaluation import Decision, evaluate
from registry.domain.evidence import (
    ChampionFacts,
    EvidenceItem,
    EvidenceView,
    LegFact,
    LineageFacts,
    StandingViolation,
    comparison_holder,
    supersede,
)
from registry.domain.findings import OpenFinding
from registry.domain.policy import Policy as PolicyDocument
from registry.domain.words import EvidenceKind, Grade, Leg
from registry.models import (
    AliasChange,
    ModelVersion,
    PolicyBinding,
    Promotion,
    ReviewFinding,
)
from registry.services.policies import document_of, retired
from registry.services.violations import standing_against, withdrawn_against
from registry.services.waiver_facts import load_waivers

RECOMPUTATION = EvidenceKind.RECOMPUTATION.value
# Which evidence each kind of job is about to produce.
_PRODUCES = {
    Job.Kind.LINEAGE: ("lineage",),
    Job.Kind.PREDICTIONS_AUDIT: ("bias", "performance"),
    Job.Kind.SET_AUDIT: ("bias", "performance"),
    Job.Kind.SCAN: ("artifact_safety", "vulnerabilities"),
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
    promotion = (
        # A rollback asked no reviewer: what they signed before is what there is.
        Promotion.objects.filter(version=version, alias=alias)
        .exclude(status="withdrawn")
        .exclude(emergency=Emergency.ROLLBACK)
        .annotate(has_findings=Exists(_open_findings().filter(version=OuterRef("version"))))
        .order_by("-requested_at")
        .first()
    )
    binding = (
        PolicyBinding.objects.select_related("policy__retirement")
        .filter(registered_model=version.registered_model_id)
        .first()
    )
    policy = instead or (None if binding is None else document_of(binding.policy))
    asks_for_recomputation = policy is None or RECOMPUTATION in policy.evidence_kinds
    view = load_view(version=version, alias=alias, asks_for_recomputation=asks_for_recomputation)
    # Findings are raised on promotions, and most have none: no question more where there is none.
    if promotion is not None and promotion.has_findings:
        view = replace(view, findings=_load_findings(version))
    decision = None
    if policy is not None:
        waivers = load_waivers(version=version, policy=policy)
        retired_at = retired(binding.policy) if binding is not None and instead is None else None
        decision = evaluate(policy, view, _approval_facts(promotion), waivers, as_of, retired_at)
    return Evaluation(
        version=version,
        alias=alias,
        view=view,
        decision=decision,
        binding=binding,
        promotion=promotion,
    )


def _open_findings() -> QuerySet[ReviewFinding]:
    return ReviewFinding.objects.filter(closure__isnull=True)


def _load_findings(version: ModelVersion) -> tuple[OpenFinding, ...]:
    rows = _open_findings().filter(version=version).select_related("entry")
    return tuple(
        OpenFinding(digest=row.entry.sha256, severity=row.severity, due_at=row.due_at)
        for row in rows.defer("entry__envelope").order_by("entry_id")
    )


def load_view(
    *, version: ModelVersion, alias: str, asks_for_recomputation: bool = True
) -> EvidenceView:
    """Load all that is known about a version where `alias` (lower case) is asked for.

    Args:
        asks_for_recomputation: whether it matters that one is under way.
    """
    champion_uri, ever_held = _compared_with(version, alias)
    uris = [version.uri] + ([champion_uri] if champion_uri else [])
    items: dict[str, list[EvidenceItem]] = {uri: [] for uri in uris}
    evidence = Evidence.objects.filter(version_uri__in=uris).select_related("entry")
    for row in evidence.order_by("entry_id"):
        items[row.version_uri].append(evidence_item(row))
    records: dict[str, LineageRecord] = {}
    for record in (
        LineageRecord.objects.filter(version_uri__in=uris)
        .select_related("entry")
        .order_by("entry_id")
    ):
        records[record.version_uri] = record
    record_of_version = records.get(version.uri)
    return EvidenceView(
        version_uri=version.uri,
        alias=alias,
        subject_digest=record_of_version.subject_digest if record_of_version else "",
        lineage=_lineage(record_of_version) if record_of_version else None,
        items=supersede(items[version.uri]),
        under_way=_under_way(version, asks_for_recomputation),
        champion=(
            ChampionFacts(
                version_uri=champion_uri,
                subject_digest=(
                    records[champion_uri].subject_digest if champion_uri in records else ""
                ),
                items=supersede(items[champion_uri]),
            )
            if champion_uri
            else None
        ),
        alias_ever_held=ever_held,
        violations=tuple(
            StandingViolation(digest=entry.sha256, event=entry.event)
            for entry in (
                *(one.entry for one in standing_against(version)),
                *(one.entry for one in withdrawn_against(version)),
            )
        ),
    )


def _compared_with(version: ModelVersion, alias: str) -> tuple[str | None, bool]:
    history = (
        AliasChange.objects.filter(
            registered_model=version.registered_model_id, alias__iexact=alias
        )
        .order_by("pk")
        .values_list("after__uri", flat=True)
    )
    return comparison_holder(list(history), version.uri)


def _under_way(version: ModelVersion, asks_for_recomputation: bool) -> frozenset[str]:
    kinds: set[str] = set()
    for kind in open_jobs(version.uri).values_list("kind", flat=True):
        kinds.update(_PRODUCES.get(Job.Kind(kind), ()))
    # The audit of predictions is opened when the lineage record stands, and so is what a policy
    # asks to be trained again.
    if "lineage" in kinds:
        kinds.update(_PRODUCES[Job.Kind.PREDICTIONS_AUDIT])
        kinds.update(_PRODUCES[Job.Kind.SCAN])
    if asks_for_recomputation and ("lineage" in kinds or _is_recomputed_now(version)):
        kinds.add(RECOMPUTATION)
    return frozenset(kinds)


def _is_recomputed_now(version: ModelVersion) -> bool:
    return Recomputation.objects.filter(version_uri=version.uri, status__in=OPEN_STATUSES).exists()


def evidence_item(row: Evidence) -> EvidenceItem:
    """Return recorded evidence as the value that gates read."""
    return EvidenceItem(
        kind=row.kind,
        origin=row.origin,
        conclusion=row.conclusion,
        subject_digest=row.subject_digest,
        measurements=row.measurements,
        produced_at=row.produced_at,
        digest=row.entry.sha256,
        reasons=tuple(row.reasons),
    )


def _lineage(record: LineageRecord) -> LineageFacts:
    return LineageFacts(
        digest=record.entry.sha256,
        subject_digest=record.subject_digest,
        legs=tuple(_legs(record)),
        repeats=record.facts.get("repeated", {}).get("record", ""),
    )


def _legs(record: LineageRecord) -> Iterable[LegFact]:
    for name, leg in record.legs.items():
        yield LegFact(leg=Leg(name), grade=Grade(leg["grade"]), reason=leg["reason"])


def _approval_facts(promotion: Promotion | None) -> ApprovalFacts:
    if promotion is None:
        return ApprovalFacts()
    return ApprovalFacts(
        requester=str(promotion.requester_id),
        trainer=str(promotion.trainer_id) if promotion.trainer_id else None,
        signed=tuple(
            SignedApproval(
                person=str(row.person_id),
                role=row.role,
                verdict=row.verdict,
                evidence_digest=row.evidence_digest,
                signed_at=row.signed_at,
                digest=row.entry.sha256,
                signature=row.signature,
                is_dismissed=hasattr(row, "dismissal"),
            )
            for row in promotion.approvals.select_related("entry", "dismissal")
            .defer("entry__envelope")
            .order_by("entry_id")
        ),
    )
