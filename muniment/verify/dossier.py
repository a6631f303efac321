"""What the pages show against what was signed: the dossier repeats the statements, or fails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from muniment.attest.checkpoint import Checkpoint
from muniment.attest.digest import Digest, canonical_json
from muniment.verify.dossier_bindings import require_bindings
from muniment.verify.dossier_conditions import require_conditions
from muniment.verify.dossier_decision import require_decision
from muniment.verify.dossier_evidence import require_champion, require_evidence
from muniment.verify.dossier_history import require_history, require_promotions
from muniment.verify.dossier_lineage import require_lineage
from muniment.verify.dossier_reviews import require_reviews
from muniment.verify.dossier_waivers import require_waivers
from muniment.verify.evidence import ReportEvidence
from muniment.verify.log import EnrolledKeys
from muniment.verify.record import Record
from muniment.verify.shown import (
    differs,
    object_in,
    read_object,
    read_objects,
    require_same,
    require_same_digest,
)
from muniment.verify.stream import StreamEntry

UNSIGNED: Final = (
    "Whether these are true, for no statement of the model's stream repeats them: the registry's "
    "address and when its store was heard from, the owner, the policy's title, jurisdiction and "
    "date in force (they are in the document that the policy's digest names), when lineage was "
    "recorded and when the decision was evaluated, why a review was dismissed, the names of "
    "people other than reviewers, and by whom, when and with what the report was made."
)

_KNOWN: Final = frozenset(
    (
        # Compared.
        *("model_name", "version", "version_uri", "stream", "created_at", "risk_tier"),
        *("intended_use", "aliases", "alias_history", "policy", "decision", "lineage"),
        *("evidence", "champion", "promotions", "approvals", "events", "log", "waivers"),
        "conditions",
        # Named in UNSIGNED.
        *("source", "gatekeeper_seen_at", "owner", "generated_at", "generator", "requested_by"),
    )
)


@dataclass(frozen=True, slots=True)
class Agreement:
    """How much of the dossier was found again in signed statements.

    Attributes:
        decision: what the shown decision is, in words.
        limits: what it shows beside that and no statement repeats, a sentence each.
    """

    evidence: int
    approvals: int
    promotions: int
    events: int
    decision: str
    limits: tuple[str, ...]


def require_agreement(
    evidence: ReportEvidence,
    entries: Sequence[StreamEntry],
    checkpoint: Checkpoint,
    vkeys: Sequence[str],
    keys: EnrolledKeys,
) -> Agreement:
    """Accept a dossier only if it shows what the stream's statements say, all of it.

    Args:
        entries: the whole stream, in order, each proven and signed.
        vkeys: the log's keys that the auditor brought; the one that is shown is one of them.
        keys: as the log's own entries enrol them.

    Raises:
        ReportError: another version, stream, checkpoint or key than the report's; anything that
            differs from its statement or has none; anything left out that was stated; or a
            preview that is better than the decision that was signed.
    """
    dossier = evidence.dossier
    require_same("dossier.version_uri", dossier.get("version_uri"), evidence.version_uri)
    require_same("dossier.stream", dossier.get("stream"), evidence.stream)
    if not evidence.version_uri.startswith(f"{evidence.stream}/versions/"):
        raise differs("version_uri", "the version is not one of the stream's model")
    record = Record.of(evidence, entries)
    _log(read_object(dossier.get("log"), "log"), evidence, entries, checkpoint, vkeys, keys)
    _heading(dossier, record)
    _policy(dossier, record)
    require_bindings(record)
    limits = [UNSIGNED, *require_lineage(dossier.get("lineage"), record)]
    findings = require_evidence(read_objects(dossier, "evidence"), record)
    reviews = require_reviews(read_objects(dossier, "approvals"), record)
    require_waivers(dossier, record)
    require_conditions(dossier, record)
    promotions = require_promotions(read_objects(dossier, "promotions"), record)
    events = require_history(dossier, record)
    ruling = require_decision(dossier.get("decision"), record)
    require_champion(dossier.get("champion"), record, ruling.alias)
    limits += ruling.limits
    unknown = sorted(str(name) for name in dossier.keys() - _KNOWN)
    if unknown:
        limits.append(
            "Whether these parts of the report's data are true, for this version of the verifier "
            f"does not know them: {', '.join(unknown)[:300]}."
        )
    return Agreement(findings, reviews, promotions, events, ruling.words, tuple(limits))


def _log(
    shown: Mapping[str, Any],
    evidence: ReportEvidence,
    entries: Sequence[StreamEntry],
    checkpoint: Checkpoint,
    vkeys: Sequence[str],
    keys: EnrolledKeys,
) -> None:
    expected = {
        "origin": checkpoint.origin,
        "vkey": _vkey_of_log(shown.get("vkey"), checkpoint.origin, vkeys, keys),
        "checkpoint": evidence.checkpoint.decode("utf-8", "replace"),
        "tree_size": checkpoint.tree_size,
        "root_hash": checkpoint.root_hash.hex(),
        "stream_length": len(entries),
    }
    for name, value in expected.items():
        require_same(f"dossier.log.{name}", shown.get(name), value)
    for place, item in enumerate(read_objects(shown, "keys")):
        path = f"dossier.log.keys[{place}]"
        key = keys.by_keyid.get(str(item.get("keyid")))
        if key is None:
            raise differs(path, "the log enrols no such key")
        enrolled = {
            "use": key.use,
            "scheme": key.scheme,
            "certificate_sha256": key.certificate_sha256,
            "leaf_index": keys.leaves.get(key.keyid),
        }
        for name, value in enrolled.items():
            require_same(f"{path}.{name}", item.get(name), value)


def _vkey_of_log(shown: object, origin: str, vkeys: Sequence[str], keys: EnrolledKeys) -> object:
    """Return the shown key where it is trusted or the log enrols it; else one that is trusted."""
    accepted = {*vkeys, *(key.vkey(origin) for key in keys.of_use("log"))}
    return shown if isinstance(shown, str) and shown in accepted else vkeys[0]


def _heading(dossier: Mapping[str, Any], record: Record) -> None:
    registered, version = record.row_of(record.stream), record.row_of(record.version_uri)
    require_same("dossier.version", dossier.get("version"), record.version)
    require_same("dossier.model_name", dossier.get("model_name"), registered.get("name"))
    created = version.get("creation_timestamp_ms")
    require_same(
        "dossier.created_at",
        _milliseconds(dossier.get("created_at")),
        created if type(created) is int else None,
    )
    described = version.get("description") or registered.get("description") or None
    shown = dossier.get("intended_use")
    if isinstance(described, dict) and isinstance(shown, str):
        # Of a long text the statement holds the digest of its JSON.
        require_same_digest(
            "dossier.intended_use", Digest.of_bytes(canonical_json(shown)), described.get("sha256")
        )
    else:
        require_same("dossier.intended_use", shown, described)


def _policy(dossier: Mapping[str, Any], record: Record) -> None:
    shown, bound = dossier.get("policy"), record.binding
    if bound is None:
        require_same("dossier.policy", shown, None)
        require_same("dossier.risk_tier", dossier.get("risk_tier"), None)
        return
    policy, predicate = read_object(shown, "policy"), bound.statement.predicate
    require_same("dossier.policy.name", policy.get("name"), predicate["name"])
    require_same("dossier.policy.version", policy.get("version"), str(predicate["version"]))
    require_same_digest("dossier.policy.digest", policy.get("digest"), predicate["digest"])
    tier = object_in(predicate, "binding").get("risk_tier")
    require_same("dossier.risk_tier", dossier.get("risk_tier"), tier)


def _milliseconds(shown: object) -> int | None:
    try:
        at = datetime.fromisoformat(str(shown))
        return round(at.replace(tzinfo=at.tzinfo or UTC).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None
