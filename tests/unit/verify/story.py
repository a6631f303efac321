"""What the small log is about: the values of its statements."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from muniment.attest import predicates
from muniment.attest.digest import Digest
from registry.domain.evidence import (
    ChampionFacts,
    EvidenceItem,
    EvidenceView,
    LegFact,
    LineageFacts,
    StandingViolation,
    comparison_holder,
    evidence_digest,
    supersede,
)
from registry.domain.words import Grade, Leg

BORN_MS = 1763900000000
STREAM = f"muniment://default/models/loan@{BORN_MS}"
FIRST_VERSION = f"{STREAM}/versions/1"
VERSION = f"{STREAM}/versions/2"
PROMOTION_ID = "11111111-1111-4111-8111-111111111111"
ARTIFACTS = Digest("dirHash", "ab" * 32)
COMMIT = "12" * 20
MEASUREMENTS = {"n": 995, "accuracy": 0.906, "balanced_accuracy": 0.61, "rows_digest": "ef" * 32}
BIAS_MEASUREMENTS = {"n": 995, "attributes": {"race": {"judged": True, "verdict": "fail"}}}
POLICY_REF = {"name": "credit", "version": 1, "digest": f"sha256:{'9c' * 32}"}
MODEL_ROW = {
    "name": "loan",
    "creation_timestamp_ms": BORN_MS,
    "description": "Decides on loans.",
    "tags": {},
}
LEGS = {
    "code": {"grade": "recorded", "reason": "The commit is named in full."},
    "data": {"grade": "weak", "reason": "Only a short digest is recorded."},
    "environment": {"grade": "verified", "reason": "The lock file has its digest."},
    "configuration": {"grade": "recorded", "reason": "Parameters are recorded."},
}
PROVENANCE = {
    "buildDefinition": {
        "buildType": "https://muniment.dev/mlflow-training/v1",
        "externalParameters": {
            "parameters": {"seed": "0", "c": "1.0"},
            "seeds": {"seed": "0"},
            "entry_point": "train.py",
        },
        "internalParameters": {
            "muniment_legs": LEGS,
            "muniment_version": {"run_id": "r" * 32, "version": 2},
            "muniment_artifacts": {"files": 5, "bytes": 9000},
        },
        "resolvedDependencies": [
            {"name": "code", "digest": {"gitCommit": COMMIT}, "uri": "https://git.test/loan.git"},
            {"name": "data: loans", "digest": {"sha256": "77" * 32}},
        ],
    },
    "runDetails": {"builder": {"id": "https://muniment.dev/builders/mlflow-run/v1"}},
}


def version_row(number: int) -> dict[str, Any]:
    """Return a version's row of the registry."""
    return {
        "version": number,
        "creation_timestamp_ms": BORN_MS + number,
        "description": "",
        "tags": {},
    }


def decision_content(
    verdict: str, digest: str, statements: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """Return the content of a signed decision: race fails, unless the verdict is better."""
    read = {
        item["predicate"].get("kind", "lineage"): item["sha256"]
        for item in statements
        if item["predicateType"] in (predicates.EVIDENCE, predicates.SLSA_PROVENANCE)
    }
    fails = verdict == "deny"
    return {
        "format": "https://muniment.dev/decision/v1",
        "verdict": verdict,
        "reasons": ["It is unsatisfied.", "A reviewer refused this evidence."] if fails else [],
        "policy": POLICY_REF,
        "evidence_digest": digest,
        "gates": [
            gate("lineage", "lineage_complete", "satisfied", read.get("lineage"), "recorded"),
            gate("bias", "bias", "unsatisfied" if fails else "satisfied", read.get("bias"), 0.8),
            gate("better", "not_worse_than_champion", "not_applicable", None, None),
        ],
        "approvals": {
            "given": 1,
            "required": 2,
            "reason": "A reviewer refused this evidence.",
        },
        "inputs": {"lineage": {"digest": read.get("lineage")}},
    }


def gate(
    name: str, kind: str, outcome: str, evidence: str | None, expected: object
) -> dict[str, Any]:
    """Return one gate of a signed decision."""
    return {
        "id": name,
        "kind": kind,
        "title": f"The {name} gate",
        "outcome": outcome,
        "reason": f"It is {outcome}.",
        "expected": expected,
        "actual": 0.7,
        "evidence_digest": evidence,
        "details": {},
    }


def server_evidence_digest(
    statements: Sequence[dict[str, Any]],
    version_uri: str = VERSION,
    alias: str = "champion",
    *,
    standing: Collection[str] = (),
    kinds: Collection[str] = ("bias", "performance"),
) -> str:
    """Return the digest of the evidence that counts, by the server's own code.

    Args:
        standing: digests of the statements of violations that stand.
        kinds: of evidence that the policy's gates read.
    """
    holders = [
        f"{STREAM}/versions/{item['predicate']['after']['version']}"
        if item["predicate"]["after"]
        else None
        for item in statements
        if item["predicate"].get("event", "").startswith("alias.")
        and item["predicate"]["detail"]["alias"].lower() == alias
    ]
    champion, ever_held = comparison_holder(holders, version_uri)
    lineage = _lineage(statements, version_uri)
    view = EvidenceView(
        version_uri=version_uri,
        alias=alias,
        subject_digest=lineage.subject_digest if lineage else "",
        lineage=lineage,
        items=_items(statements, version_uri),
        under_way=frozenset({"bias"}),
        champion=None if champion is None else _champion(statements, champion),
        alias_ever_held=ever_held,
        violations=tuple(
            StandingViolation(item["sha256"], item["predicate"]["event"])
            for item in statements
            if item["sha256"] in standing
        ),
    )
    return evidence_digest(str(POLICY_REF["digest"]), alias, view, kinds)


def _champion(statements: Sequence[dict[str, Any]], uri: str) -> ChampionFacts:
    lineage = _lineage(statements, uri)
    return ChampionFacts(uri, lineage.subject_digest if lineage else "", _items(statements, uri))


def _lineage(statements: Sequence[dict[str, Any]], uri: str) -> LineageFacts | None:
    found = [
        item
        for item in statements
        if item["predicateType"] == predicates.SLSA_PROVENANCE and item["subject"][0]["name"] == uri
    ]
    if not found:
        return None
    internal = found[-1]["predicate"]["buildDefinition"].get("internalParameters", {})
    return LineageFacts(
        digest=found[-1]["sha256"],
        subject_digest=_subject(found[-1]),
        legs=tuple(
            LegFact(Leg(name), Grade(leg["grade"]), leg["reason"])
            for name, leg in internal.get("muniment_legs", {}).items()
        ),
    )


def _items(statements: Sequence[dict[str, Any]], uri: str) -> tuple[EvidenceItem, ...]:
    return supersede(
        EvidenceItem(
            kind=item["predicate"]["kind"],
            origin=item["predicate"]["origin"],
            conclusion=item["predicate"]["conclusion"],
            subject_digest=_subject(item),
            measurements=item["predicate"]["measurements"],
            produced_at=datetime.fromisoformat(item["predicate"]["at"]),
            digest=item["sha256"],
        )
        for item in statements
        if item["predicateType"] == predicates.EVIDENCE and item["subject"][0]["name"] == uri
    )


def _subject(statement: dict[str, Any]) -> str:
    ((algorithm, digits),) = statement["subject"][0]["digest"].items()
    return f"{algorithm}:{digits}"
