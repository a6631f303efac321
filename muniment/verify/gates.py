"""Gates made of gates: what they come to follows from those inside them, by nobody's word."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from muniment.verify.errors import ReportError
from muniment.verify.shown import objects_in

WAIVED: Final = "waived"
NOT_APPLICABLE: Final = "not_applicable"
# From the worst to the best. What is not applicable shows nothing, and is left aside.
_FROM_WORST: Final = ("unsatisfied", "insufficient", "pending", WAIVED, "satisfied")
_PICKS: Final = {"all_of": min, "any_of": max}
# A waiver of the whole gate stands in for these alone.
_WAIVABLE: Final = ("unsatisfied", "insufficient", "pending")


def flattened(gates: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Give every gate, and every one inside another, in order."""
    for gate in gates:
        yield gate
        yield from flattened(objects_in(gate, "gates"))


def require_gates_of_gates(gates: Sequence[Mapping[str, Any]], where: str) -> None:
    """Accept gates of which each that holds others is what those come to, or is waived as a whole.

    Whether somebody waived it is looked at elsewhere.

    Args:
        where: which decision it is, for the error.

    Raises:
        ReportError: one that is better or other than its members make it, that has none or does
            not say how it reads them; or two gates of one name, which one waiver would cover.
    """
    every = list(flattened(gates))
    names = [str(gate.get("id")) for gate in every]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise _wrong(where, twice[0], "stands there twice")
    # Decisions from before gates told their kind tell none at all.
    tell_kinds = any(gate.get("kind") for gate in every)
    for gate in every:
        kind, members = str(gate.get("kind") or ""), objects_in(gate, "gates")
        name, outcome = str(gate.get("id")), str(gate.get("outcome"))
        if not members:
            if kind in _PICKS:
                raise _wrong(where, name, "holds no other, and is made of others by its kind")
            continue
        if kind not in _PICKS and (kind or tell_kinds):
            raise _wrong(where, name, "holds others, and is not made of others by its kind")
        possible = {outcome_of(one, members) for one in ([kind] if kind else _PICKS)}
        by_waiver = outcome == WAIVED and any(one in _WAIVABLE for one in possible)
        if outcome not in possible and not by_waiver:
            raise _wrong(
                where,
                name,
                f"is {outcome[:40]}, and the gates inside it come to "
                f"{' or '.join(sorted(map(str, possible)))}",
            )


def is_waived_within(gate: Mapping[str, Any]) -> bool:
    """Whether a waived gate is so because of those inside it, and needs no waiver of its own."""
    members, kind = objects_in(gate, "gates"), str(gate.get("kind") or "")
    if not members:
        return False
    return WAIVED in {outcome_of(one, members) for one in ([kind] if kind else _PICKS)}


def outcome_of(kind: str, members: Sequence[Mapping[str, Any]]) -> str | None:
    """Return what gates come to together; None where nobody can say."""
    outcomes = [str(member.get("outcome")) for member in members]
    applicable = [one for one in outcomes if one != NOT_APPLICABLE]
    if kind not in _PICKS or not set(applicable) <= set(_FROM_WORST):
        return None
    if not applicable:
        return NOT_APPLICABLE
    return _PICKS[kind](applicable, key=_FROM_WORST.index)


def _wrong(where: str, gate: str, why: str) -> ReportError:
    return ReportError(f"{where}: gate {gate[:80]} {why}", code="decision.gates")
