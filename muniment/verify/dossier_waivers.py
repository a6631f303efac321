"""The waivers that the pages show, and the waived gates of decisions, against signed waivers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from muniment.attest.predicates import REGISTRY_EVENT
from muniment.verify.dossier_entry import find_entry
from muniment.verify.dossier_reviews import ERASED
from muniment.verify.errors import ReportError
from muniment.verify.evidence import PersonDisclosure, TextDisclosure
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

UNCOVERED = "decision.not_waived"


def require_waivers(dossier: Mapping[str, Any], record: Record) -> int:
    """Accept exactly the waivers of the version, each as it was signed; return how many.

    And every gate that a signed decision, or the one that is shown, calls waived: somebody signed
    that, beforehand, in a role that may, until later, and nobody had taken it back.

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
    for entry in record.promotion_moves:
        decision = object_in(entry.statement.predicate, "decision")
        _require_covered(
            objects_in(decision, "gates"),
            record,
            policy=object_in(decision, "policy").get("digest"),
            requester=object_in(decision, "inputs", "approvals").get("requester"),
            as_of=decision.get("as_of"),
            before=entry.leaf_index,
        )
    current = object_in(dossier, "decision")
    _require_covered(
        objects_in(current, "gates"),
        record,
        policy=object_in(dossier, "policy").get("digest"),
        requester=None,
        as_of=current.get("evaluated_at"),
        before=None,
    )
    return len(stated)


def _require_covered(
    gates: Sequence[Mapping[str, Any]],
    record: Record,
    *,
    policy: object,
    requester: object,
    as_of: object,
    before: int | None,
) -> None:
    """Accept waived gates only where a waiver of the version holds for each.

    Args:
        before: the leaf by which it had to be signed; None for the stream's end.
    """
    for gate in gates:
        members = objects_in(gate, "gates")
        _require_covered(
            members, record, policy=policy, requester=requester, as_of=as_of, before=before
        )
        # One that is made of others is waived too where what holds inside it was waived.
        is_within = any(member.get("outcome") == "waived" for member in members)
        if gate.get("outcome") != "waived" or is_within:
            continue
        if not any(
            _covers(waiver, record, gate, policy, requester, as_of, before)
            for waiver in record.waivers
        ):
            where = "the shown decision" if before is None else f"the decision at leaf {before}"
            raise ReportError(
                f"{where} calls gate {str(gate.get('id'))[:80]} waived, and no waiver of it holds "
                "by the statements",
                code=UNCOVERED,
            )


def _covers(
    waiver: StreamEntry,
    record: Record,
    gate: Mapping[str, Any],
    policy: object,
    requester: object,
    as_of: object,
    before: int | None,
) -> bool:
    detail = _detail(waiver)
    roles = detail.get("waivable_by")
    granted, until, moment = (
        _moment(value) for value in (waiver.statement.predicate["at"], detail.get("until"), as_of)
    )
    end = record.revoked.get(waiver.sha256)
    named = object_in(gate, "details").get("waiver_digest")
    return (
        detail.get("gate") == gate.get("id")
        and detail.get("policy") == policy
        and isinstance(roles, list)
        and detail.get("role") in roles
        and object_in(detail, "person").get("id") != requester
        and None not in (granted, until, moment)
        and granted <= moment < until  # type: ignore[operator] # None is ruled out above
        and named in (None, waiver.sha256)
        and (before is None or waiver.leaf_index < before)
        and (end is None or (before is not None and before < end.leaf_index))
    )


def _detail(entry: StreamEntry) -> Mapping[str, Any]:
    return object_in(entry.statement.predicate, "detail")


def _moment(value: object) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
