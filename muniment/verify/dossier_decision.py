"""The decision that the pages show against the signed ones; a preview is the issuer's claim."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from muniment.verify.errors import ReportError
from muniment.verify.evidence_view import (
    EVERY_KIND,
    counting_evidence,
    evidence_digest,
    kinds_read,
    standing_violations,
)
from muniment.verify.gates import flattened
from muniment.verify.passkeys import reaches
from muniment.verify.record import Record
from muniment.verify.shown import (
    differs,
    object_in,
    objects_in,
    read_digest,
    read_object,
    read_objects,
    require_same,
    require_same_digest,
)
from muniment.verify.stream import StreamEntry

VERDICT_RANK: Final = {"deny": 0, "pending": 1, "allow": 2}
# Whatever neither blocks nor waits lets a version pass.
OUTCOME_RANK: Final = {
    "unsatisfied": 0,
    "insufficient": 0,
    "pending": 1,
    "waived": 2,
    "not_applicable": 2,
    "satisfied": 2,
}
PASSES: Final = 2
GATE_PARTS: Final = ("id", "title", "outcome", "reason", "expected", "actual")
# What these say follows from the evidence alone, not from the time of asking.
MEASURED: Final = ("satisfied", "unsatisfied")
# It reads the champion's evidence too, which its own digest does not name.
COMPARING: Final = "not_worse_than_champion"
# What a policy ignores of it has an end, after which the same evidence is told in other words.
TIMED: Final = "vulnerabilities"


@dataclass(frozen=True, slots=True)
class Ruling:
    """What the shown decision is.

    Attributes:
        alias: what it is about; None where none is shown.
        words: for the finding.
        limits: what of it is not proven, a sentence each.
    """

    alias: str | None
    words: str
    limits: tuple[str, ...] = ()


def require_decision(shown: object, record: Record) -> Ruling:
    """Accept only the decision that was signed last, or a preview that is no better.

    Raises:
        ReportError: none where a policy is bound, or one where none is; other evidence than
            counts now; anything but a denial where a violation or a withdrawn dataset stands; a
            leaf that is not the last signed decision's; a verdict, gate, reason or count that
            differs from it; a preview that contradicts itself or is better than what was signed.
    """
    bound = record.binding
    if shown is None:
        if bound is not None:
            raise differs("decision", "none is shown, and a policy is bound to the model")
        return Ruling(None, "none shown, for no policy is bound")
    decision = read_object(shown, "decision")
    if bound is None:
        raise differs("decision", "no policy is bound to the model")
    alias = str(decision.get("alias"))
    policy = bound.statement.predicate["digest"]
    gates = _with_kinds(read_objects(decision, "gates"))
    counts = evidence_digest(
        record,
        policy_digest=_text(policy),
        alias=alias,
        kinds=kinds_read(gates) if gates else EVERY_KIND,
    )
    require_same_digest("dossier.decision.evidence_digest", decision.get("evidence_digest"), counts)
    if standing_violations(record) and decision.get("verdict") != "deny":
        raise differs("decision", "a violation or a withdrawn dataset stands, which denies")
    signed = _signed(record, alias)
    if decision.get("leaf_index") is None:
        return _preview(decision, record, alias, signed)
    withdrawn = record.withdrawn
    valid = [
        entry for entry in signed if entry.statement.predicate["promotion_id"] not in withdrawn
    ]
    if not valid:
        raise differs("decision", "no statement holds a decision about this alias")
    last = valid[-1]
    require_same("dossier.decision.leaf_index", decision["leaf_index"], last.leaf_index)
    _require_signed(decision, _content(last))
    return Ruling(alias, f"{decision['verdict']}, as signed at leaf {last.leaf_index}")


def _require_signed(shown: Mapping[str, Any], signed: Mapping[str, Any]) -> None:
    path = "dossier.decision"
    require_same(f"{path}.verdict", shown.get("verdict"), signed.get("verdict"))
    require_same_digest(
        f"{path}.evidence_digest", shown.get("evidence_digest"), signed.get("evidence_digest")
    )
    require_same(f"{path}.reasons", shown.get("reasons"), signed.get("reasons"))
    gates = read_objects(shown, "gates")
    stated = objects_in(signed, "gates")
    _require_same_gates(gates, stated)
    for gate, judged in zip(gates, stated, strict=True):
        _require_same_gate(gate, judged)
    approvals = object_in(signed, "approvals")
    for name in ("given", "required", "reason"):
        require_same(
            f"{path}.approvals_{name}", shown.get(f"approvals_{name}"), approvals.get(name)
        )


def _preview(
    shown: Mapping[str, Any], record: Record, alias: str, signed: Sequence[StreamEntry]
) -> Ruling:
    """Accept a decision that was evaluated for the report, if nothing signed speaks against it."""
    verdict = str(shown.get("verdict"))
    _require_coherent(shown, verdict)
    _require_like_its_peers(shown, record)
    given = _approving(record, alias, shown.get("evidence_digest"))
    if _count(shown, "approvals_given") > given:
        raise differs("decision", f"{given} people approved this evidence, by the statements")
    last = signed[-1] if signed else None
    limit = (
        f"Whether the decision shown ({verdict}) is what the policy comes to: it is a preview, "
        "made for this report and in no signed statement, so it is the issuer's claim."
    )
    if last is None:
        words = f"{verdict} as a preview, the issuer's claim, in no statement; none was ever signed"
        return Ruling(alias, words, (limit,))
    _require_no_better(shown, verdict, record, last)
    words = (
        f"{verdict} as a preview, the issuer's claim, in no statement; the last one signed, "
        f"at leaf {last.leaf_index}, is {_content(last).get('verdict')}"
    )
    return Ruling(alias, words, (limit,))


def _require_coherent(shown: Mapping[str, Any], verdict: str) -> None:
    ranks = [
        OUTCOME_RANK.get(str(gate.get("outcome")), -1) for gate in read_objects(shown, "gates")
    ]
    missing = _count(shown, "approvals_required") - _count(shown, "approvals_given")
    best = min([*ranks, 1 if missing > 0 else PASSES]) if ranks else 0
    if VERDICT_RANK.get(verdict, 3) > best:
        raise differs("decision", f"its own gates and approvals do not come to {verdict[:40]}")
    reasons = shown.get("reasons")
    if not isinstance(reasons, list):
        raise differs("decision.reasons", "not a list")
    for gate in read_objects(shown, "gates"):
        stands_in_the_way = OUTCOME_RANK.get(str(gate.get("outcome")), -1) < PASSES
        if stands_in_the_way and gate.get("reason") not in reasons:
            raise differs(
                "decision.reasons", f"that of gate {str(gate.get('id'))[:80]} is left out"
            )


def _require_like_its_peers(shown: Mapping[str, Any], record: Record) -> None:
    """Hold a preview to what decisions by the same policy, about any version, were made of."""
    bound = record.binding
    digest = None if bound is None else bound.statement.predicate["digest"]
    for entry in record.entries:
        content = _content(entry)
        if not content or object_in(content, "policy").get("digest") != digest:
            continue
        _require_same_gates(read_objects(shown, "gates"), objects_in(content, "gates"))
        _require_as_many(shown, content, 0 if bound is None else _added(bound))


def _require_as_many(shown: Mapping[str, Any], content: Mapping[str, Any], added: int) -> None:
    """Hold the approvals asked for to a decision's: others only for a trainer known in one."""
    signed = object_in(content, "approvals").get("required")
    if added and type(signed) is int:
        trainer = object_in(content, "inputs", "approvals").get("trainer")
        either = (signed - added, signed) if trainer is None else (signed, signed + added)
        if shown.get("approvals_required") in either:
            return
    require_same("dossier.decision.approvals_required", shown.get("approvals_required"), signed)


def _added(bound: StreamEntry) -> int:
    """Return how many more must approve where nobody knows who trained a version."""
    added = bound.statement.predicate.get("unknown_trainer_adds", 0)
    return added if type(added) is int else 0


def _require_no_better(
    shown: Mapping[str, Any], verdict: str, record: Record, last: StreamEntry
) -> None:
    signed = _content(last)
    was = str(signed.get("verdict"))
    if VERDICT_RANK.get(verdict, 3) > VERDICT_RANK.get(was, 0):
        raise _better(f"it is {verdict}, and {was} was signed at leaf {last.leaf_index}")
    # Those inside another too: what the whole comes to follows from them.
    judged = {str(gate.get("id")): gate for gate in flattened(objects_in(signed, "gates"))}
    digest = read_digest("dossier.decision.evidence_digest", shown.get("evidence_digest")).hex
    unchanged = (
        frozenset(judged)
        if digest == _hexadecimal(signed.get("evidence_digest"))
        else _unchanged_gates(record, last)
    )
    for gate in flattened(read_objects(shown, "gates")):
        name, outcome = str(gate.get("id")), str(gate.get("outcome"))
        before = str(judged.get(name, {}).get("outcome"))
        if name in unchanged and OUTCOME_RANK.get(outcome, 3) > OUTCOME_RANK.get(before, 0):
            raise _better(
                f"gate {name[:80]} is {outcome}, and {before} on the same evidence was signed "
                f"at leaf {last.leaf_index}"
            )
        is_timeless = TIMED not in kinds_read([gate])
        if name in unchanged and outcome == before and outcome in MEASURED and is_timeless:
            _require_same_gate(gate, judged[name])


def _require_same_gates(
    shown: Sequence[Mapping[str, Any]], signed: Sequence[Mapping[str, Any]]
) -> None:
    parts = ("id", "title", "kind", "reads") if _with_kinds(shown) else ("id", "title")
    require_same(
        "dossier.decision.gates",
        # Only a gate that its kind says too little about names what it reads.
        [[gate.get(part) or None for part in parts] for gate in shown],
        [[gate.get(part) or None for part in parts] for gate in signed],
    )


def _with_kinds(gates: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """Return the gates, or none of them in a report from before gates told their kind.

    Then every item counts, and whoever left the kinds out has won nothing by it.
    """
    return gates if any(gate.get("kind") for gate in gates) else ()


def _require_same_gate(shown: Mapping[str, Any], signed: Mapping[str, Any]) -> None:
    path = f"dossier.decision.gates.{str(shown.get('id'))[:80]}"
    for part in GATE_PARTS:
        require_same(f"{path}.{part}", shown.get(part), signed.get(part))
    inside, stated = objects_in(shown, "gates"), objects_in(signed, "gates")
    _require_same_gates(inside, stated)
    for gate, judged in zip(inside, stated, strict=True):
        _require_same_gate(gate, judged)


def _unchanged_gates(record: Record, last: StreamEntry) -> frozenset[str]:
    """Return the ids of the gates that would read today what they read in a signed decision.

    Those of the same policy, over the same lineage record and a finding that still counts, the
    comparing ones aside. One that found no evidence has read nothing that could be the same.
    """
    signed, bound = _content(last), record.binding
    lineage = record.lineage_of(record.version_uri)
    policy = None if bound is None else bound.statement.predicate["digest"]
    if lineage is None or object_in(signed, "policy").get("digest") != policy:
        return frozenset()
    if object_in(signed, "inputs", "lineage").get("digest") != lineage.sha256:
        return frozenset()
    read = {entry.sha256 for entry in counting_evidence(record, record.version_uri).values()}
    return frozenset(
        str(gate.get("id"))
        for gate in flattened(objects_in(signed, "gates"))
        if gate.get("kind") != COMPARING and gate.get("evidence_digest") in {*read, lineage.sha256}
    )


def _signed(record: Record, alias: str) -> list[StreamEntry]:
    return [
        entry
        for entry in record.promotion_moves
        if entry.statement.predicate["alias"] == alias and _content(entry)
    ]


def _approving(record: Record, alias: str, digest: object) -> int:
    hexadecimal = read_digest("dossier.decision.evidence_digest", digest).hex
    bound = record.binding
    least = "password" if bound is None else bound.statement.predicate.get("signature", "password")
    people = set()
    for entry in record.reviews:
        predicate = entry.statement.predicate
        judged = read_digest("approval.evidence_digest", predicate["evidence_digest"]).hex
        if not reaches(str(predicate.get("signature", "password")), least):
            continue
        if (predicate["alias"], predicate["verdict"], judged) == (alias, "approve", hexadecimal):
            people.add(predicate["person"]["id"])
    return len(people)


def _content(entry: StreamEntry) -> Mapping[str, Any]:
    return object_in(entry.statement.predicate, "decision")


def _hexadecimal(digest: object) -> str | None:
    """Return a signed digest; None for the empty one of a decision that judged no evidence."""
    return read_digest("decision.evidence_digest", digest).hex if digest else None


def _text(digest: object) -> str:
    return str(read_digest("policy.digest", digest))


def _count(shown: Mapping[str, Any], name: str) -> int:
    number = shown.get(name)
    if type(number) is not int or number < 0:
        raise differs(f"decision.{name}", "not a number of people")
    return number


def _better(why: str) -> ReportError:
    return ReportError(
        f"decision: a preview is the issuer's claim, and this one is better than what was signed: "
        f"{why}. A new request for promotion gets a new decision signed.",
        code="dossier.preview_better",
    )
