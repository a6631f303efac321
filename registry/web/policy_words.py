"""What the gates of a policy ask for, in sentences."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from lineage.domain.comparison import Verdict
from registry.domain.policy import (
    BiasGate,
    Gate,
    LineageGate,
    MetricFloorGate,
    NotWorseThanChampionGate,
    Policy,
    RecomputationGate,
)
from registry.domain.words import Origin


@dataclass(frozen=True, slots=True)
class GateWords:
    """One gate, explained."""

    id: str
    title: str
    kind: str
    asks: str
    also: tuple[str, ...]


def explain_gates(policy: Policy) -> list[GateWords]:
    """Explain each gate of a policy, in the document's order."""
    return [
        GateWords(
            id=gate.id,
            title=gate.title,
            kind=gate.kind.value,
            asks=_asks(gate),
            also=tuple(_also(gate)),
        )
        for gate in policy.gates
    ]


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


def _also(gate: Gate) -> list[str]:
    also = []
    if Origin.REPORTED not in gate.accepts and not isinstance(gate, RecomputationGate):
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
    if isinstance(gate, RecomputationGate):
        also += [
            f"{bound.metric} may differ by {float(bound.at_most):.6g} ({bound.unit})."
            for bound in gate.tolerance
        ]
        if gate.negative_control:
            also.append("Trained on permuted labels it must come out another model.")
    if gate.waivable_by:
        also.append(f"May be waived by: {', '.join(gate.waivable_by)}.")
    else:
        also.append("Cannot be waived.")
    return also


def _words(metric: str) -> str:
    return metric.replace("_", " ").capitalize()


def _number(exact: Fraction) -> str:
    return f"{float(exact):.4f}".rstrip("0").rstrip(".")
