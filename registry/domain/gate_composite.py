"""Gates made of gates: as bad as the worst of them, or as good as the best. There is no `not`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from registry.domain.gate_reading import gate_result
from registry.domain.gate_result import GateResult, plain_text
from registry.domain.policy_gates import AllOfGate, CompositeGate
from registry.domain.words import GateOutcome

_FROM_WORST: Final = (
    GateOutcome.UNSATISFIED,
    GateOutcome.INSUFFICIENT,
    GateOutcome.PENDING,
    GateOutcome.WAIVED,
    GateOutcome.SATISFIED,
)


def judge_composite(gate: CompositeGate, members: Sequence[GateResult]) -> GateResult:
    """Judge a gate by the results of those inside it, in their order.

    Of unsatisfied < insufficient < pending < waived < satisfied, `all_of` has the lowest and
    `any_of` the highest, so that no member's becoming worse makes the whole better. What is not
    applicable shows nothing, and is left aside; where nothing else is there, so is the whole.
    `expected` and `actual` count members that must be, and are, satisfied.
    """
    is_all = isinstance(gate, AllOfGate)
    applicable = [one for one in members if one.outcome is not GateOutcome.NOT_APPLICABLE]
    satisfied = [one for one in applicable if one.satisfied]
    pick = min if is_all else max
    outcome = (
        pick((one.outcome for one in applicable), key=_FROM_WORST.index)
        if applicable
        else GateOutcome.NOT_APPLICABLE
    )
    return gate_result(
        gate,
        outcome,
        plain_text(_reason(outcome, applicable, is_all=is_all)),
        expected=len(applicable) if is_all else min(1, len(applicable)),
        actual=len(satisfied),
        members=tuple(members),
    )


def _reason(outcome: GateOutcome, applicable: Sequence[GateResult], *, is_all: bool) -> str:
    if not applicable:
        return "None of its gates is applicable."
    if outcome is GateOutcome.SATISFIED:
        held = "Every one of its gates holds" if is_all else "One of its gates holds"
        deciding = next(one for one in applicable if one.satisfied)
        return f"{held}." if is_all else f"{held}: {deciding.title}."
    deciding = next(one for one in applicable if one.outcome is outcome)
    if is_all:
        return f"{deciding.title}: {deciding.reason}"
    if outcome.blocks:
        why = " ".join(f"{one.title}: {one.reason}" for one in applicable)
        return f"None of its gates holds. {why}"
    return f"None of its gates is satisfied. {deciding.title}: {deciding.reason}"
