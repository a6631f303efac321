"""What the gates of a policy ask for, in sentences."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from lineage.domain.comparison import Verdict
from registry.domain.group_metrics import DIFFERENCE, GROUP_METRICS
from registry.domain.policy import Policy
from registry.domain.policy_findings import (
    ArtifactSafetyGate,
    AttestationGate,
    DocumentationGate,
    GroupMetricGate,
    ReportedBound,
    ReportedEvidenceGate,
    VulnerabilitiesGate,
)
from registry.domain.policy_gates import (
    AllOfGate,
    AnyOfGate,
    BiasGate,
    CompositeGate,
    Gate,
    LineageGate,
    MetricFloorGate,
    NotWorseThanChampionGate,
    PublishedAuditGate,
    RecomputationGate,
)
from registry.domain.words import Origin, Severity

# What only one origin may say anyway is not worth a sentence.
_ONE_ORIGIN = (RecomputationGate, AttestationGate, ReportedEvidenceGate)


@dataclass(frozen=True, slots=True)
class GateWords:
    """One gate, explained; `members` are those inside it."""

    id: str
    title: str
    kind: str
    asks: str
    also: tuple[str, ...]
    members: tuple[GateWords, ...] = ()


def explain_gates(policy: Policy) -> list[GateWords]:
    """Explain each gate of a policy, in the document's order."""
    return [_explain(gate) for gate in policy.gates]


def _explain(gate: Gate) -> GateWords:
    return GateWords(
        id=gate.id,
        title=gate.title,
        kind=gate.kind.value,
        asks=_asks(gate),
        also=tuple(_also(gate)),
        members=tuple(_explain(one) for one in gate.gates)
        if isinstance(gate, CompositeGate)
        else (),
    )


def _asks(gate: Gate) -> str:
    match gate:
        case LineageGate():
            legs = ", ".join(f"{leg.leg.value} at least {leg.at_least.value}" for leg in gate.legs)
            return f"The lineage record stands, with {legs}."
        case BiasGate():
            bound = gate.criteria.impact_ratio
            share = f"{_number(bound * 100)}%"
            demonstrated = (
                f" The lower end of the {_number(gate.criteria.confidence * 100)}% interval of the"
                " ratio must reach it too, or the numbers are insufficient."
                if gate.criteria.standard == "demonstrated"
                else ""
            )
            return (
                f"No group by {gate.attribute} is selected at less than {share} of the"
                f" rate of the group compared with.{demonstrated}"
            )
        case MetricFloorGate():
            return f"{_words(gate.metric)} is at least {_number(gate.at_least)}."
        case NotWorseThanChampionGate():
            return (
                f"{_words(gate.metric)} is not more than {_number(gate.at_most_drop)} under the"
                " champion's on the same rows. Not applicable while there was no champion."
            )
        case RecomputationGate():
            level = gate.at_least.value.replace("_", " ")
            better = "" if gate.at_least is Verdict.IDENTICAL else " or better"
            return (
                "Muniment trained the version again from its lineage record alone, not more than"
                f" {gate.max_age_days} days ago, and it came out {level}{better}."
            )
        case GroupMetricGate():
            metric = GROUP_METRICS[gate.metric]
            way = "most" if metric.aspect == DIFFERENCE else "least"
            return (
                f"Between the groups by {gate.attribute}, the {metric.words} is at {way}"
                f" {_number(gate.bound)}."
            )
        case PublishedAuditGate():
            return (
                f"A bias audit was made and has its tables to publish, by {', '.join(gate.tables)}."
                " No number in them decides."
            )
        case ArtifactSafetyGate():
            return f"Every file of the version was scanned, and {_found(gate.at_most_severity)}."
        case VulnerabilitiesGate():
            return (
                "The version's packages were looked up among known vulnerabilities, in a database"
                f" of the last {gate.database_max_age_days} days, and"
                f" {_found(gate.at_most_severity)}."
            )
        case DocumentationGate():
            fields = ", ".join(name.replace("_", " ") for name in gate.requires)
            return (
                f"The documentation says, each in at least {gate.min_length} characters: {fields}."
            )
        case AttestationGate():
            return f"{' or '.join(gate.by_role).capitalize()} attested: {gate.name}."
        case ReportedEvidenceGate():
            bounds = "".join(f" {_bound(one)}" for one in gate.compare)
            return f"Evidence of the type {gate.type} was reported and has the form asked.{bounds}"
        case AllOfGate():
            return "All of these hold:"
        case AnyOfGate():
            return "At least one of these holds:"


def _also(gate: Gate) -> list[str]:
    also = []
    if not isinstance(gate, CompositeGate | LineageGate) and gate.max_age_days is not None:
        also.append(f"Evidence older than {gate.max_age_days} days does not count.")
    if (
        not isinstance(gate, (*_ONE_ORIGIN, AllOfGate, AnyOfGate))
        and Origin.REPORTED not in gate.accepts
    ):
        also.append("Only evidence that Muniment computed itself counts.")
    if isinstance(gate, BiasGate):
        criteria = gate.criteria
        also.append(f"Fewer than {criteria.min_group} people in a group are too few to pass on.")
        also.append(
            f"More than {_number(criteria.max_unknown_share * 100)}% people in no known group"
            " are too many."
        )
        if gate.also_reported:
            also.append(f"Reported beside it, not judged: {', '.join(gate.also_reported)}.")
    if isinstance(gate, GroupMetricGate):
        also.append(f"Fewer than {gate.min_group} people behind a rate are too few to pass on.")
        also.append(
            f"More than {_number(gate.max_unknown_share * 100)}% people in no known group"
            " are too many."
        )
    if isinstance(gate, PublishedAuditGate) and gate.criteria.exclude_below:
        also.append(
            f"Categories under {_number(gate.criteria.exclude_below * 100)}% are shown and compared"
            f" with nobody: {gate.criteria.exclude_because}"
        )
    if isinstance(gate, ArtifactSafetyGate) and gate.formats:
        also.append(f"Files may only be: {', '.join(gate.formats)}.")
    if isinstance(gate, VulnerabilitiesGate):
        also += [
            f"{one.id} is ignored up to {one.until.isoformat()}: {one.reason}"
            for one in gate.ignore
        ]
    if isinstance(gate, RecomputationGate):
        also += [
            f"{bound.metric} may differ by {float(bound.at_most):.6g} ({bound.unit})."
            for bound in gate.tolerance
        ]
        if gate.negative_control:
            also.append("Trained on permuted labels it must come out another model.")
        if gate.near_control:
            also.append("Trained on the same data in other bytes it must come out the same model.")
    if gate.waivable_by:
        also.append(f"May be waived by: {', '.join(gate.waivable_by)}.")
    else:
        also.append("Cannot be waived.")
    return also


def _found(most: Severity) -> str:
    if most is Severity.NONE:
        return "nothing was found"
    return f"nothing worse than {most.value} was found"


def _bound(bound: ReportedBound) -> str:
    limits = [
        f"at {way} {_number(limit)}"
        for way, limit in (("least", bound.at_least), ("most", bound.at_most))
        if limit is not None
    ]
    return f"{bound.path} is {' and '.join(limits)} ({bound.unit})."


def _words(metric: str) -> str:
    return metric.replace("_", " ").capitalize()


def _number(exact: Fraction) -> str:
    return f"{float(exact):.4f}".rstrip("0").rstrip(".")
