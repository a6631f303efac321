"""The first pages: what the version is, what was decided, in one paragraph, and every gate."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from audits.domain.dossier import Dossier, Gate
from audits.report.text import counted, instant, lines, listed, printable, rest

MAX_GATES = 30
MAX_REASONS = 8
NO_DECISION = "no decision"

_VERDICTS = {
    "allow": ("Allowed", "good"),
    "deny": ("Denied", "bad"),
    "pending": ("Pending", "open"),
}
_OUTCOMES = {
    "satisfied": ("Satisfied", "good"),
    "unsatisfied": ("Not satisfied", "bad"),
    "insufficient": ("Insufficient", "bad"),
    "pending": ("Pending", "open"),
    "waived": ("Waived", "open"),
    "not_applicable": ("Not applicable", "none"),
}
# Blocking ones first, the rest as the policy has them: a cut must never hide why it was denied.
_FIRST = ("unsatisfied", "insufficient", "pending", "waived")


@dataclass(frozen=True, slots=True)
class Fact:
    """One labelled value. An empty value prints as "not recorded"."""

    label: str
    value: str
    mono: bool = False


def cover(dossier: Dossier) -> dict[str, Any]:
    """Return what the first page shows."""
    decision = dossier.decision
    word, tone = _VERDICTS[decision.verdict] if decision else ("No decision recorded", "none")
    policy = dossier.policy
    return {
        "name": printable(dossier.model_name, 120),
        "version": printable(dossier.version, 20),
        "verdict": word,
        "tone": tone,
        "target": printable(decision.alias, 60) if decision else "",
        "judged_at": instant(decision.evaluated_at) if decision else "",
        "summary": summary(dossier),
        "facts": (
            Fact("Identity", printable(dossier.version_uri), mono=True),
            Fact("Registered", instant(dossier.created_at)),
            Fact("Registry", printable(dossier.source or "", 200)),
            Fact("Changes in it", _guard_line(dossier)),
            Fact("Owner", printable(dossier.owner or "", 200)),
            Fact("Risk tier", printable(dossier.risk_tier or "", 100)),
            Fact("Intended use", printable(dossier.intended_use or "", 500)),
            Fact("Policy", _policy_line(dossier)),
            Fact("Policy digest", printable(policy.digest) if policy else "", mono=True),
            Fact("Report made", instant(dossier.generated_at)),
            Fact("Asked for by", printable(dossier.requested_by, 200)),
            Fact("Made with", printable(dossier.generator, 120)),
        ),
    }


def _guard_line(dossier: Dossier) -> str:
    seen_at = dossier.gatekeeper_seen_at
    if seen_at is None:
        return "found afterwards, not prevented: a weaker guarantee (see Limits)"
    return f"refused without a grant; the registry store was heard from {instant(seen_at)}"


def _policy_line(dossier: Dossier) -> str:
    policy = dossier.policy
    if policy is None:
        return ""
    title = f" ({printable(policy.title, 120)})" if policy.title else ""
    parts = [f"{printable(policy.name, 120)}{title}, version {printable(policy.version, 40)}"]
    if policy.jurisdiction:
        parts.append(printable(policy.jurisdiction, 120))
    if policy.in_force_from:
        parts.append(f"in force from {printable(policy.in_force_from, 40)}")
    return "; ".join(parts)


def decision(dossier: Dossier) -> dict[str, Any]:
    """Return the decision with its gates, blocking ones first, cut at `MAX_GATES`."""
    made = dossier.decision
    if made is None:
        return {"made": False}
    rows = list(_rows(sorted(made.gates, key=_gate_rank)))
    word, tone = _VERDICTS[made.verdict]
    return {
        "made": True,
        "verdict": word,
        "tone": tone,
        "facts": (
            Fact("Decision", f"{word} for alias {printable(made.alias, 60)}"),
            Fact("Judged at", instant(made.evaluated_at)),
            Fact("Policy", _policy_line(dossier)),
            Fact("Evidence judged", printable(made.evidence_digest or ""), mono=True),
            Fact("Approvals", _approvals_line(dossier)),
            Fact("Log entry", "" if made.leaf_index is None else f"{made.leaf_index:,}"),
        ),
        "reasons": [printable(reason) for reason in made.reasons[:MAX_REASONS]],
        "more_reasons": rest(len(made.reasons), MAX_REASONS),
        "gates": rows[:MAX_GATES],
        "more": rest(len(rows), MAX_GATES),
    }


def _approvals_line(dossier: Dossier) -> str:
    made = dossier.decision
    if made is None:
        return ""
    if made.approvals_reason:
        return printable(made.approvals_reason)
    if made.approvals_required is None:
        return ""
    return f"{made.approvals_given or 0} of {made.approvals_required} required"


def _gate_rank(gate: Gate) -> int:
    return _FIRST.index(gate.outcome) if gate.outcome in _FIRST else len(_FIRST)


def _rows(gates: Iterable[Gate], depth: int = 0) -> Iterator[dict[str, Any]]:
    """Give each gate, and after it those that it is made of."""
    for gate in gates:
        yield _gate(gate, depth)
        yield from _rows(gate.gates, depth + 1)


def _gate(gate: Gate, depth: int) -> dict[str, Any]:
    word, tone = _OUTCOMES[gate.outcome]
    return {
        "title": printable(gate.title, 80),
        "id": printable(gate.id, 60),
        "inside": depth > 0,
        "outcome": word,
        "tone": tone,
        "reason": printable(gate.reason),
        "expected": [printable(line, 60) for line in lines(gate.expected)[:6]],
        "actual": [printable(line, 60) for line in lines(gate.actual)[:6]],
        "applies": gate.outcome != "not_applicable",
    }


def summary(dossier: Dossier) -> list[str]:
    """Return the sentences of the first page's paragraph: what a reader must know, in order."""
    sentences = [_decided(dossier)]
    blocking = [
        printable(gate.title, 60)
        for gate in (dossier.decision.gates if dossier.decision else ())
        if gate.outcome in ("unsatisfied", "insufficient")
    ]
    if blocking:
        shown = blocking[:3] + ([f"{len(blocking) - 3:,} more"] if len(blocking) > 3 else [])
        sentences.append(f"In the way: {listed(shown)}.")
    sentences.append(_signed(dossier))
    sentences.append(_aliases(dossier))
    # What Muniment computed since takes the place of what was reported before.
    newest = {one.kind: one for one in sorted(dossier.evidence, key=lambda one: one.produced_at)}
    reported = sorted(kind for kind, one in newest.items() if one.origin == "reported")
    if reported:
        kinds = listed([printable(kind, 30) for kind in reported[:4]])
        sentences.append(
            f"The {kinds} evidence was reported by the team that made this version; "
            "Muniment did not compute it."
        )
    if dossier.lineage is None:
        sentences.append("No lineage is recorded.")
    else:
        weak = [leg for leg in dossier.lineage.legs if leg.grade in ("weak", "missing")]
        if weak:
            named = listed([f"{printable(leg.name, 30)} ({leg.grade})" for leg in weak[:4]])
            sentences.append(f"Lineage is incomplete: {named}.")
        elif dossier.lineage.legs:
            sentences.append("Every leg of its lineage is recorded or verified.")
    violations = sum(event.violation for event in dossier.events)
    if violations:
        sentences.append(
            f"{counted(violations, 'registry change').capitalize()} without a grant "
            f"{'is' if violations == 1 else 'are'} on record; see Registry history."
        )
    return sentences


def _decided(dossier: Dossier) -> str:
    made, policy = dossier.decision, dossier.policy
    subject = f"Version {printable(dossier.version, 20)} of {printable(dossier.model_name, 80)}"
    if made is None:
        return f"{subject} has not been judged by any policy."
    by = f"policy {printable(policy.name, 60)}" if policy else "a policy that is not recorded"
    held = sum(gate.outcome == "satisfied" for gate in made.gates)
    verdict = {
        "allow": "may hold",
        "deny": "may not hold",
        "pending": "may not yet hold",
    }[made.verdict]
    counts = [f"{held} of {counted(len(made.gates), 'gate')} satisfied"]
    for outcome, word in (("not_applicable", "not applicable"), ("waived", "waived")):
        number = sum(gate.outcome == outcome for gate in made.gates)
        if number:
            counts.append(f"{number} {word}")
    alias = printable(made.alias, 40)
    return f"Under {by}, {_lower(subject)} {verdict} the alias {alias}: {', '.join(counts)}."


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _signed(dossier: Dossier) -> str:
    standing = [one for one in dossier.approvals if one.valid]
    approved = [one for one in standing if one.verdict == "approve"]
    refused = [one for one in standing if one.verdict == "refuse"]
    if not standing:
        return "No review is signed."
    parts = []
    for verb, group in (("approved", approved), ("refused", refused)):
        names = list(dict.fromkeys(printable(one.printed_name, 60) for one in group))
        if names:
            shown = names[:3] + ([f"{len(names) - 3:,} more"] if len(names) > 3 else [])
            parts.append(f"{listed(shown)} {verb} it")
    return f"{'; '.join(parts)}." if parts else "No approval stands."


def _aliases(dossier: Dossier) -> str:
    held = [alias.name for alias in dossier.aliases if alias.version == dossier.version]
    if not held:
        return "It holds no alias in the registry."
    shown = [printable(name, 40) for name in held[:4]]
    return f"It holds the {'alias' if len(held) == 1 else 'aliases'} {listed(shown)}."
