"""The waivers that the pages show, and the waived gates of decisions, against signed waivers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from muniment.attest.predicates import REGISTRY_EVENT
from muniment.verify.dossier_entry import find_entry
from muniment.verify.dossier_reviews import ERASED
from muniment.verify.errors import ReportError
from muniment.verify.evidence import PersonDisclosure, TextDisclosure
from muniment.verify.gates import WAIVED, flattened, is_waived_within, require_gates_of_gates
from muniment.verify.record import Record
from muniment.verify.shown import (
    differs,
    object_in,
    objects_in,
    read_objects,
    require_each,
    require_same,
    require_same_digest,
)
from muniment.verify.stream import StreamEntry

# What a person asked for; an emergency rollback is asked of nobody.
REQUESTED: Final = ("promotion.requested", "promotion.emergency_requested")
UNCOVERED: Final = "decision.not_waived"


def require_waivers(dossier: Mapping[str, Any], record: Record) -> int:
    """Accept exactly the waivers of the version, each as it was signed; return how many.

    And every gate that a signed decision, or the one that is shown, calls waived: somebody who
    neither asked for the version nor trained it signed that, beforehand, in a role that may, until
    later, and nobody had taken it back. A gate made of others is what those come to.

    Raises:
        ReportError: a waiver left out, added or changed; or a waived gate that none covers.
    """
    # A report from before there were waivers has no such part.
    shown = read_objects(dossier, "waivers") if "waivers" in dossier else []
    stated, revoked = record.waivers, record.revoked
    for place, item in enumerate(shown):
        path = f"dossier.waivers[{place}]"
        entry = find_entry(path, item, record, REGISTRY_EVENT)
        if entry not in stated:
            raise differs(path, f"leaf {entry.leaf_index} is no waiver of this version")
        detail = _detail(entry)
        for name in ("gate", "role", "until"):
            require_same(f"{path}.{name}", item.get(name), detail.get(name))
        require_same_digest(
            f"{path}.policy_digest", item.get("policy_digest"), detail.get("policy")
        )
        require_same(f"{path}.granted_at", item.get("granted_at"), entry.statement.predicate["at"])
        end = revoked.get(entry.sha256)
        at = None if end is None else end.statement.predicate["at"]
        require_same(f"{path}.revoked_at", item.get("revoked_at"), at)
        person = record.disclosures.get(str(object_in(detail, "person").get("commitment")))
        printed = person.printed_name if isinstance(person, PersonDisclosure) else ERASED
        require_same(f"{path}.printed_name", item.get("printed_name"), printed)
        reason = record.disclosures.get(str(detail.get("reason_commitment")))
        text = reason.text if isinstance(reason, TextDisclosure) else None
        require_same(f"{path}.reason", item.get("reason"), text)
    require_each(
        "dossier.waivers",
        [item.get("leaf_index") for item in shown],
        [entry.leaf_index for entry in stated],
        "the waiver of a gate of this version",
    )
    _require_one_rule(stated)
    for entry in record.promotion_moves:
        decision = object_in(entry.statement.predicate, "decision")
        _require_covered(
            objects_in(decision, "gates"),
            record,
            _Asked(
                where=f"the decision at leaf {entry.leaf_index}",
                policy=object_in(decision, "policy").get("digest"),
                involved=_involved(record, entry),
                as_of=decision.get("as_of"),
                before=entry.leaf_index,
            ),
        )
    current = object_in(dossier, "decision")
    _require_covered(
        objects_in(current, "gates"),
        record,
        _Asked(
            where="the shown decision",
            policy=object_in(dossier, "policy").get("digest"),
            involved=_involved_now(record, current.get("alias")),
            as_of=current.get("evaluated_at"),
            before=None,
        ),
    )
    return len(stated)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a waiver must be like to cover a gate of one decision.

    Attributes:
        where: which decision it is, for the error.
        involved: who asked for the version and who trained it: their waivers do not count.
        before: the leaf by which it had to be signed; None for the stream's end.
    """

    where: str
    policy: object
    involved: frozenset[str]
    as_of: object
    before: int | None


def _involved(record: Record, decided: StreamEntry) -> frozenset[str]:
    """Return who asked and who trained: by the decision, and by the request that it is about."""
    predicate = decided.statement.predicate
    facts = object_in(predicate, "decision", "inputs", "approvals")
    named = {facts.get("requester"), facts.get("trainer")}
    for entry in record.promotion_moves:
        one = entry.statement.predicate
        if one["promotion_id"] == predicate["promotion_id"] and one["event"] in REQUESTED:
            named.add(object_in(one, "actor").get("id"))
    return frozenset(str(person) for person in named if person is not None)


def _involved_now(record: Record, alias: object) -> frozenset[str]:
    """Return who is behind the newest promotion to the alias: a preview is about that one."""
    withdrawn = record.withdrawn
    # In the order in which they were begun; what became of an older one later is no newer one.
    moves: dict[object, list[StreamEntry]] = {}
    for entry in record.promotion_moves:
        predicate = entry.statement.predicate
        if predicate["alias"] == alias and predicate["promotion_id"] not in withdrawn:
            moves.setdefault(predicate["promotion_id"], []).append(entry)
    asked = [one for one in moves.values() if one[0].statement.predicate["event"] in REQUESTED]
    newest = asked[-1] if asked else []
    decided = [entry for entry in newest if object_in(entry.statement.predicate, "decision")]
    # The trainer is who the last decision says: an account may be mapped to somebody meanwhile.
    return frozenset[str]().union(*(_involved(record, one) for one in (decided or newest)[-1:]))


def _require_one_rule(waivers: Sequence[StreamEntry]) -> None:
    """Accept waivers that name the same roles for the same gate of one and the same policy."""
    said: dict[tuple[str, str], object] = {}
    for entry in waivers:
        detail = _detail(entry)
        roles = detail.get("waivable_by")
        if said.setdefault((str(detail.get("policy")), str(detail.get("gate"))), roles) != roles:
            raise ReportError(
                f"the waiver at leaf {entry.leaf_index} names other roles than another one of the "
                "same gate under the same policy",
                code=UNCOVERED,
            )


def _require_covered(gates: Sequence[Mapping[str, Any]], record: Record, asked: _Asked) -> None:
    """Accept waived gates only where a waiver of the version holds for each."""
    require_gates_of_gates(gates, asked.where)
    for gate in flattened(gates):
        # One that is made of others is waived too where they come to that.
        if gate.get("outcome") != WAIVED or is_waived_within(gate):
            continue
        if not any(_covers(waiver, record, gate, asked) for waiver in record.waivers):
            raise ReportError(
                f"{asked.where} calls gate {str(gate.get('id'))[:80]} waived, and no waiver of it "
                "holds by the statements",
                code=UNCOVERED,
            )


def _covers(waiver: StreamEntry, record: Record, gate: Mapping[str, Any], asked: _Asked) -> bool:
    detail = _detail(waiver)
    roles = detail.get("waivable_by")
    granted, until, moment = (
        _moment(value)
        for value in (waiver.statement.predicate["at"], detail.get("until"), asked.as_of)
    )
    end = record.revoked.get(waiver.sha256)
    named = object_in(gate, "details").get("waiver_digest")
    person = object_in(detail, "person").get("id")
    return (
        detail.get("gate") == gate.get("id")
        and detail.get("policy") == asked.policy
        and isinstance(roles, list)
        and detail.get("role") in roles
        # Nobody signs for another, and nobody for their own work.
        and person == object_in(waiver.statement.predicate, "actor").get("id")
        and person not in asked.involved
        and None not in (granted, until, moment)
        and granted <= moment < until  # type: ignore[operator] # None is ruled out above
        and named in (None, waiver.sha256)
        and (asked.before is None or waiver.leaf_index < asked.before)
        and (end is None or (asked.before is not None and asked.before < end.leaf_index))
    )


def _detail(entry: StreamEntry) -> Mapping[str, Any]:
    return object_in(entry.statement.predicate, "detail")


def _moment(value: object) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
