"""The honest dossier of the small log, as a server fills it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from muniment.attest import predicates
from muniment.attest.envelope import parse_envelope
from muniment.attest.keyring import KeyEntry
from muniment.attest.merkle import root_hash
from muniment.attest.statement import format_time, parse_statement
from tests.unit.verify.story import (
    ARTIFACTS,
    BORN_MS,
    COMMIT,
    LEGS,
    MODEL_ROW,
    POLICY_REF,
    STREAM,
    VERSION,
)

if TYPE_CHECKING:
    from tests.unit.verify.world import World

Statement = dict[str, Any]
GATE = ("id", "title", "kind", "outcome", "reason", "expected", "actual")
SLSA, EVIDENCE = predicates.SLSA_PROVENANCE, predicates.EVIDENCE
PROMOTION, APPROVAL = predicates.PROMOTION, predicates.APPROVAL


def build_dossier(world: World, note: bytes, hashes: list[bytes]) -> dict[str, Any]:
    """Return everything that a report on version 2 shows."""
    said = world.statements()
    about = [item for item in said if item["subject"][0]["name"] == VERSION]
    bound = [item for item in said if item["predicateType"] == predicates.POLICY]
    return {
        "model_name": "loan",
        "version": "2",
        "version_uri": VERSION,
        "stream": STREAM,
        "created_at": format_time(datetime.fromtimestamp((BORN_MS + 2) / 1000, UTC)),
        "source": "http://mlflow.test",
        "owner": None,
        "risk_tier": "high" if bound else None,
        "intended_use": MODEL_ROW["description"],
        "aliases": _aliases(said),
        "alias_history": _alias_history(said),
        "policy": {
            "name": POLICY_REF["name"],
            "version": str(POLICY_REF["version"]),
            "digest": POLICY_REF["digest"],
            "title": "Consumer credit",
        }
        if bound
        else None,
        "decision": _decision(about),
        "lineage": _lineage(about),
        "evidence": [_evidence(item) for item in about if item["predicateType"] == EVIDENCE],
        "champion": _champion(about),
        "promotions": _promotions(about),
        "approvals": _approvals(about),
        "events": [_event(item) for item in said],
        "log": {
            "origin": world.log.name,
            "vkey": world.vkey,
            "checkpoint": note.decode(),
            "tree_size": len(hashes),
            "root_hash": root_hash(hashes).hex(),
            "stream_length": len(said),
            "keys": _keys(world),
        },
        "generated_at": "2026-11-23T15:00:00.000000Z",
        "generator": "Muniment",
        "requested_by": "Aude Auditor",
    }


def _keys(world: World) -> list[dict[str, Any]]:
    shown: list[dict[str, Any]] = []
    for index, leaf in enumerate(world.leaves):
        try:
            key = KeyEntry.from_statement(parse_statement(parse_envelope(leaf).payload))
        except Exception:  # noqa: BLE001 - a leaf that a test has damaged, or no key
            continue
        if key.keyid in [other["keyid"] for other in shown]:
            continue
        shown.append(
            {
                "use": key.use,
                "keyid": key.keyid,
                "scheme": key.scheme,
                "certificate_sha256": key.certificate_sha256,
                "leaf_index": index,
            }
        )
    return shown


def _moves(said: list[Statement]) -> list[Statement]:
    return [item for item in said if item["predicate"].get("event", "").startswith("alias.")]


def _aliases(said: list[Statement]) -> list[dict[str, Any]]:
    held = {
        item["predicate"]["detail"]["alias"]: item["predicate"]["after"] for item in _moves(said)
    }
    return [
        {"name": alias, "version": str(after["version"])}
        for alias, after in sorted(held.items())
        if after is not None
    ]


def _alias_history(said: list[Statement]) -> list[dict[str, Any]]:
    def number(row: Any) -> str | None:
        return None if row is None else str(row["version"])

    return [
        {
            "alias": item["predicate"]["detail"]["alias"],
            "at": item["predicate"]["at"],
            "from_version": number(item["predicate"]["before"]),
            "to_version": number(item["predicate"]["after"]),
            "cause": "no grant explains this change"
            if item["predicate"]["violation"]
            else "found in MLflow",
            "leaf_index": item["leaf_index"],
        }
        for item in _moves(said)
    ]


def _decision(about: list[Statement]) -> dict[str, Any] | None:
    decided = [item for item in about if item["predicate"].get("decision")]
    if not decided:
        return None
    content = decided[-1]["predicate"]["decision"]
    return {
        "verdict": content["verdict"],
        "alias": "champion",
        "gates": [{part: gate[part] for part in GATE} for gate in content["gates"]],
        "evaluated_at": "2026-11-23T15:00:00.000000Z",
        "reasons": list(content["reasons"]),
        "approvals_given": content["approvals"]["given"],
        "approvals_required": content["approvals"]["required"],
        "approvals_reason": content["approvals"]["reason"],
        "evidence_digest": f"sha256:{content['evidence_digest']}",
        "leaf_index": decided[-1]["leaf_index"],
    }


def _lineage(about: list[Statement]) -> dict[str, Any] | None:
    found = [item for item in about if item["predicateType"] == SLSA]
    if not found:
        return None
    return {
        "subject_digest": str(ARTIFACTS),
        "legs": [{"name": name, **leg} for name, leg in LEGS.items()],
        "dependencies": [
            {
                "name": "code",
                "digest": f"gitCommit:{COMMIT}",
                "uri": "https://git.test/loan.git",
            },
            {"name": "data: loans", "digest": f"sha256:{'77' * 32}", "uri": None},
        ],
        "artifact_files": 5,
        "artifact_tree_digest": str(ARTIFACTS),
        "parameters": {"seed": "0", "c": "1.0"},
        "seeds": {"seed": "0"},
        "run_id": "r" * 32,
        "commit": COMMIT,
        "remote": "https://git.test/loan.git",
        "entry_point": "train.py",
        "recorded_at": "2026-11-23T14:00:00.000000Z",
        "digest": f"sha256:{found[-1]['sha256']}",
        "leaf_index": found[-1]["leaf_index"],
    }


def _evidence(item: Statement) -> dict[str, Any]:
    predicate = item["predicate"]
    return {
        **{
            name: predicate[name]
            for name in ("kind", "origin", "conclusion", "reasons", "measurements")
        },
        "produced_at": predicate["at"],
        "digest": f"sha256:{item['sha256']}",
        "criteria": predicate["criteria"] or None,
        "producer": predicate["actor"]["id"],
        "leaf_index": item["leaf_index"],
    }


def _champion(about: list[Statement]) -> dict[str, Any]:
    measured = [
        item["predicate"]["measurements"]
        for item in about
        if item["predicate"].get("kind") == "performance"
    ]
    ours = measured[-1] if measured else {}
    return {
        "champion_version": "1",
        "same_rows": None,
        "metrics": [
            {"name": name, "this_version": ours.get(name), "champion": None}
            for name in ("accuracy", "balanced_accuracy")
        ],
        "note": None,
    }


def _promotions(about: list[Statement]) -> list[dict[str, Any]]:
    moves: dict[str, list[Statement]] = {}
    for item in about:
        if item["predicateType"] == PROMOTION:
            moves.setdefault(item["predicate"]["promotion_id"], []).append(item)
    return [
        {
            "id": name,
            "alias": items[0]["predicate"]["alias"],
            "status": items[-1]["predicate"]["status"],
            "requested_by": "Erik Engineer",
            "requested_at": items[0]["predicate"]["at"],
            "replaces_version": "1",
            "timeline": [
                {
                    "status": item["predicate"]["event"]
                    .removeprefix("promotion.")
                    .replace("_", " "),
                    "at": item["predicate"]["at"],
                    "actor": item["predicate"]["actor"]["id"],
                    "note": None,
                    "leaf_index": item["leaf_index"],
                }
                for item in items
            ],
        }
        for name, items in moves.items()
    ]


def _approvals(about: list[Statement]) -> list[dict[str, Any]]:
    signed = [item for item in about if item["predicateType"] == APPROVAL]
    dismissed = [
        item["predicate"]["person"]["commitment"]
        for item in signed
        if item["predicate"]["event"] == "approval.dismissed"
    ]
    return [
        {
            "printed_name": f"Ada {item['predicate']['verdict']}",
            "role": item["predicate"]["role"],
            "verdict": item["predicate"]["verdict"],
            "meaning": item["predicate"]["meaning"],
            "signed_at": item["predicate"]["at"],
            "reason": f"because {item['predicate']['verdict']}",
            "evidence_digest": f"sha256:{item['predicate']['evidence_digest']}",
            "promotion_id": item["predicate"]["promotion_id"],
            "valid": item["predicate"]["person"]["commitment"] not in dismissed,
            "dismissal": None,
            "leaf_index": item["leaf_index"],
        }
        for item in signed
        if item["predicate"]["event"] != "approval.dismissed"
    ]


def _event(item: Statement) -> dict[str, Any]:
    predicate = item["predicate"]
    event = predicate.get("event", "lineage.recorded")
    _, separator, number = item["subject"][0]["name"].rpartition("/versions/")
    what = f"version {number}" if separator else "the model"
    return {
        "event": event,
        "at": predicate.get("at", "2026-11-23T14:00:00.000000Z"),
        "summary": f"{event.replace('.', ' ').replace('_', ' ')}: {what}",
        "actor": predicate.get("actor", {}).get("id", "recorder"),
        "violation": predicate.get("violation", False),
        "leaf_index": item["leaf_index"],
    }
