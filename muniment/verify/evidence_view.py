"""The digest of the evidence that counts, computed again from the stream alone.

It is what reviewers sign and what a decision judged. The rules are those of
``https://muniment.dev/evidence-view/v1``: the newest item of a kind counts, except that what was
reported never supersedes what was computed about the same bytes; a version is compared with the
last other holder of the alias. Violations that nothing undid are part of it, and so are withdrawn
datasets that the version was made from, and the waivers of its gates. Evidence of a kind that no
gate reads is not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from muniment.attest.digest import canonical_json
from muniment.attest.predicates import REGISTRY_EVENT
from muniment.verify.record import Record
from muniment.verify.shown import object_in
from muniment.verify.stream import StreamEntry

UNDONE: Final = "violation.undone"
WITHDRAWN: Final = "dataset.withdrawn"
FORMAT: Final = "https://muniment.dev/evidence-view/v1"


# What a gate of each kind reads: evidence of another kind dismisses no approval.
_READS: Final = {
    "bias": "bias",
    "metric_floor": "performance",
    "not_worse_than_champion": "performance",
    "recomputation": "recomputation",
    "group_metric": "bias",
    "published_audit": "bias",
    "artifact_safety": "artifact_safety",
    "vulnerabilities": "vulnerabilities",
    "documentation": "documentation",
}

EVERY_KIND: Final = frozenset(_READS.values())


def kinds_read(gates: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """Return the kinds of evidence that the gates of a decision read.

    A gate whose own kind does not say so, such as one made of others, names them in ``reads``.
    """
    kinds: set[str] = set()
    for gate in gates:
        reads = gate.get("reads")
        if str(gate.get("kind")) in _READS:
            kinds.add(_READS[str(gate["kind"])])
        elif isinstance(reads, list):
            kinds.update(str(kind) for kind in reads)
    return frozenset(kinds)


def evidence_digest(
    record: Record, *, policy_digest: str, alias: str, kinds: Collection[str]
) -> str:
    """Return the 64 hexadecimal digits of exactly what counts at the stream's end.

    Args:
        policy_digest: textual, ``sha256:<hex>``.
        kinds: of evidence that the policy's gates read.
    """
    champion, ever_held = comparison_holder(record, alias)
    lineage = record.lineage_of(record.version_uri)
    shown: dict[str, Any] = {
        "format": FORMAT,
        "policy": policy_digest,
        "version_uri": record.version_uri,
        "alias": alias.lower(),
        "subject_digest": _subject_digest(record, record.version_uri),
        "lineage": None if lineage is None else _lineage(record, lineage),
        "items": _items(record, record.version_uri, kinds),
        "champion": None
        if champion is None
        else {
            "version_uri": champion,
            "subject_digest": _subject_digest(record, champion),
            "items": _items(record, champion, kinds),
        },
        "alias_ever_held": ever_held,
    }
    if violations := standing_violations(record):
        shown["violations"] = violations
    if waivers := standing_waivers(record, policy_digest):
        shown["waivers"] = waivers
    return hashlib.sha256(canonical_json(shown)).hexdigest()


def comparison_holder(record: Record, alias: str) -> tuple[str | None, bool]:
    """Return the URI of the version to compare with, and whether another ever held the alias."""
    holders = [
        record.uri_of(move.after)
        for move in record.alias_moves
        if move.after is not None and move.alias.lower() == alias.lower()
    ]
    while holders and holders[-1] == record.version_uri:
        holders.pop()
    return (holders[-1], True) if holders else (None, False)


def counting_evidence(record: Record, version_uri: str) -> dict[str, StreamEntry]:
    """Return the finding of each kind that counts for a version."""
    counting: dict[str, StreamEntry] = {}
    for entry in record.evidence_of(version_uri):
        kind = str(entry.statement.predicate["kind"])
        held = counting.get(kind)
        is_outranked = (
            held is not None
            and held.statement.predicate["origin"] == "computed"
            and entry.statement.predicate["origin"] != "computed"
            and record.digest_of(held, version_uri) == record.digest_of(entry, version_uri)
        )
        if not is_outranked:
            counting[kind] = entry
    return counting


def standing_violations(record: Record) -> list[dict[str, str]]:
    """Return the violations against the version, or its model, that stand at the stream's end.

    Those whose statement says so, and that no later one supersedes or says to be undone. Nothing
    undoes that a dataset was withdrawn.
    """
    standing: dict[str, str] = {}
    withdrawn: dict[str, str] = {}
    for entry in record.entries:
        if entry.statement.predicate_type != REGISTRY_EVENT:
            continue
        predicate = entry.statement.predicate
        detail = object_in(predicate, "detail")
        superseded = detail.get("supersedes")
        for digest in superseded if isinstance(superseded, list) else []:
            standing.pop(str(digest), None)
        if predicate["event"] == UNDONE:
            standing.pop(str(detail.get("violation")), None)
        is_against = predicate.get("violation") is True and detail.get("standing") is True
        if is_against and entry.statement.subjects[0].name in (record.version_uri, record.stream):
            event = str(predicate["event"])
            (withdrawn if event == WITHDRAWN else standing)[entry.sha256] = event
    standing |= withdrawn
    return [{"digest": digest, "event": standing[digest]} for digest in sorted(standing)]


def standing_waivers(record: Record, policy_digest: str) -> list[str]:
    """Return the digests of the waivers under a policy that nobody took back; ended ones too."""
    revoked = record.revoked
    return sorted(
        entry.sha256
        for entry in record.waivers
        if entry.sha256 not in revoked
        and object_in(entry.statement.predicate, "detail").get("policy") == policy_digest
    )


def legs_of(lineage: StreamEntry) -> Mapping[str, Any]:
    """Return the graded legs of a provenance statement, by name."""
    return object_in(
        lineage.statement.predicate, "buildDefinition", "internalParameters", "muniment_legs"
    )


def _subject_digest(record: Record, version_uri: str) -> str:
    lineage = record.lineage_of(version_uri)
    return "" if lineage is None else record.digest_of(lineage, version_uri)


def _lineage(record: Record, lineage: StreamEntry) -> dict[str, Any]:
    legs = legs_of(lineage)
    internal = object_in(lineage.statement.predicate, "buildDefinition", "internalParameters")
    repeated = internal.get("muniment_repeated")
    repeats = {"repeats": repeated.get("record")} if isinstance(repeated, Mapping) else {}
    return {
        **repeats,
        "digest": lineage.sha256,
        "subject_digest": record.digest_of(lineage, record.version_uri),
        "origin": "reported",
        # A record has one leg of each name.
        "legs": [
            {
                "leg": name,
                "grade": object_in(legs, name).get("grade"),
                "reason": object_in(legs, name).get("reason"),
            }
            for name in sorted(legs)
        ],
    }


def _items(record: Record, version_uri: str, kinds: Collection[str]) -> Sequence[Mapping[str, Any]]:
    return sorted(
        (
            {
                "digest": entry.sha256,
                "kind": kind,
                "origin": entry.statement.predicate["origin"],
                "subject_digest": record.digest_of(entry, version_uri),
            }
            for kind, entry in counting_evidence(record, version_uri).items()
            if kind in kinds
        ),
        key=lambda item: (str(item["kind"]), str(item["digest"])),
    )
