"""Lineage, performance, history and log evidence, as the pages show them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from audits.domain.dossier import Dossier, Evidence
from audits.report.text import (
    decimal,
    instant,
    integer,
    plain,
    printable,
    rest,
    signed,
    verbatim,
)
from audits.report.view_decision import Fact
from audits.report.view_set import evaluation_set

MAX_ROWS = 40
MAX_LEGS = 8
MAX_DEPENDENCIES = 24
MAX_MOVES = 24
MAX_EVENTS = 40

_GRADES = {"verified": "good", "recorded": "good", "weak": "open", "missing": "bad"}
_CONCLUSIONS = {"pass": "good", "fail": "bad", "insufficient": "bad", "error": "bad"}
_METRICS = {
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "n": "Rows",
    "tp": "True positives",
    "fp": "False positives",
    "tn": "True negatives",
    "fn": "False negatives",
}


def leaf(index: int | None) -> str:
    """Return a leaf index as printed, or nothing."""
    return "" if index is None else f"{index:,}"


def lineage(dossier: Dossier) -> dict[str, Any]:
    """Return the lineage page."""
    made = dossier.lineage
    if made is None:
        return {"recorded": False}
    parameters, more_parameters = _pairs(made.parameters)
    return {
        "recorded": True,
        "legs": [
            {
                "name": printable(leg.name, 40).capitalize(),
                "grade": leg.grade.capitalize(),
                "tone": _GRADES[leg.grade],
                "reason": printable(leg.reason),
            }
            for leg in made.legs[:MAX_LEGS]
        ],
        "more_legs": rest(len(made.legs), MAX_LEGS),
        "facts": (
            Fact("Artifact tree", printable(made.artifact_tree_digest or ""), mono=True),
            Fact("Artifact files", integer(made.artifact_files)),
            Fact("Statement subject", printable(made.subject_digest or ""), mono=True),
            Fact("Git commit", printable(made.commit or ""), mono=True),
            Fact("Git remote", printable(made.remote or ""), mono=True),
            Fact("Entry point", printable(made.entry_point or ""), mono=True),
            Fact("MLflow run", printable(made.run_id or ""), mono=True),
            Fact("Seeds", plain(made.seeds)),
            Fact("Recorded", instant(made.recorded_at)),
            Fact("Statement digest", printable(made.digest or ""), mono=True),
            Fact("Log entry", leaf(made.leaf_index)),
        ),
        "dependencies": [
            {
                "name": printable(one.name, 60),
                "uri": printable(one.uri or "", 240),
                "digest": printable(one.digest or "", 200),
            }
            for one in made.dependencies[:MAX_DEPENDENCIES]
        ],
        "more_dependencies": rest(len(made.dependencies), MAX_DEPENDENCIES),
        "parameters": parameters,
        "more_parameters": more_parameters,
    }


def _pairs(mapping: Mapping[str, Any]) -> tuple[list[tuple[tuple[str, str], ...]], str]:
    items = sorted(mapping.items())
    shown = [
        (printable(key, 40), printable(verbatim(value), 80)) for key, value in items[:MAX_ROWS]
    ]
    return list(batched_pairs(shown)), rest(len(items), MAX_ROWS)


def batched_pairs(pairs: list[tuple[str, str]]) -> Iterator[tuple[tuple[str, str], ...]]:
    """Yield rows of two pairs side by side, read downwards; an odd last one stands alone."""
    half = (len(pairs) + 1) // 2
    for index in range(half):
        yield tuple(pairs[index::half])


def performance(dossier: Dossier) -> dict[str, Any]:
    """Return the performance page: each performance finding, and the champion beside it."""
    findings = [one for one in dossier.evidence if one.kind == "performance"]
    comparison = dossier.champion
    return {
        "findings": [_performance(one) for one in _newest(findings)[:2]],
        "more": rest(len(findings), 2),
        "compared": comparison is not None,
        "champion": printable(comparison.champion_version or "", 40) if comparison else "",
        "same_rows": None if comparison is None else comparison.same_rows,
        "note": printable(comparison.note or "") if comparison else "",
        "differences": [
            {
                "name": _METRICS.get(one.name, printable(one.name.replace("_", " "), 80)),
                "here": decimal(one.this_version),
                "champion": decimal(one.champion),
                "difference": (
                    signed(one.this_version - one.champion)
                    if one.this_version is not None and one.champion is not None
                    else ""
                ),
            }
            for one in (comparison.metrics[:20] if comparison else ())
        ],
    }


def _newest(findings: list[Evidence]) -> list[Evidence]:
    return sorted(findings, key=lambda one: one.produced_at, reverse=True)


def _performance(finding: Evidence) -> dict[str, Any]:
    measured = finding.measurements
    return {
        **heading(finding),
        "metrics": [
            (
                label,
                decimal(measured.get(name))
                if name.endswith("accuracy")
                else integer(measured.get(name)),
            )
            for name, label in _METRICS.items()
        ],
        "rows_digest": printable(measured.get("rows_digest") or ""),
    }


def heading(finding: Evidence) -> dict[str, Any]:
    """Return what stands over any finding: its conclusion, origin, time, digest, place."""
    return {
        "kind": printable(finding.kind, 40),
        "conclusion": finding.conclusion.capitalize(),
        "tone": _CONCLUSIONS[finding.conclusion],
        "reported": finding.origin == "reported",
        "asked": evaluation_set(finding.measurements),
        "reasons": [printable(reason) for reason in finding.reasons[:8]],
        "more_reasons": rest(len(finding.reasons), 8),
        "produced_at": instant(finding.produced_at),
        "producer": printable(finding.producer or "", 120),
        "digest": printable(finding.digest),
        "leaf_index": leaf(finding.leaf_index),
    }


def evidence_list(dossier: Dossier) -> dict[str, Any]:
    """Return every finding in one table, newest first."""
    found = _newest(list(dossier.evidence))
    return {"rows": [heading(one) for one in found[:MAX_ROWS]], "more": rest(len(found), MAX_ROWS)}


def history(dossier: Dossier) -> dict[str, Any]:
    """Return aliases, their moves and the registry's events; violations survive a cut."""
    events = sorted(dossier.events, key=lambda one: (one.at, one.leaf_index or 0))
    violations = [one for one in events if one.violation][-MAX_EVENTS:]
    ordinary = [one for one in events if not one.violation]
    room = MAX_EVENTS - len(violations)
    shown = violations + (ordinary[-room:] if room else [])
    shown.sort(key=lambda one: (one.at, one.leaf_index or 0))
    moves = sorted(dossier.alias_history, key=lambda one: one.at)
    return {
        "aliases": [
            (printable(one.name, 40), printable(one.version or "", 20))
            for one in dossier.aliases[:20]
        ],
        "more_aliases": rest(len(dossier.aliases), 20),
        "moves": [
            {
                "at": instant(move.at),
                "alias": printable(move.alias, 40),
                "from": printable(move.from_version or "", 20),
                "to": printable(move.to_version or "", 20),
                "cause": printable(move.cause or "", 160),
                "leaf_index": leaf(move.leaf_index),
            }
            for move in moves[-MAX_MOVES:]
        ],
        "more_moves": rest(len(moves), MAX_MOVES),
        "events": [
            {
                "at": instant(one.at),
                "event": printable(one.event, 60),
                "summary": printable(one.summary, 200),
                "actor": printable(one.actor or "", 60),
                "violation": one.violation,
                "leaf_index": leaf(one.leaf_index),
            }
            for one in shown
        ],
        "more_events": rest(len(events), len(shown)),
    }


def log(dossier: Dossier) -> dict[str, Any]:
    """Return the log evidence: the checkpoint, its key, and where each statement stands."""
    state = dossier.log
    if state is None:
        return {"recorded": False}
    lines = state.checkpoint.splitlines()
    return {
        "recorded": True,
        "vkey": printable(state.vkey, 300),
        "facts": (
            Fact("Log", printable(state.origin, 200), mono=True),
            Fact("Tree size", integer(state.tree_size)),
            Fact("Root hash", printable(state.root_hash, 200), mono=True),
            Fact("Statements about this model", integer(state.stream_length)),
            Fact("Stream", printable(dossier.stream), mono=True),
        ),
        "checkpoint": [printable(line, 300) for line in lines[:24]],
        "more_lines": rest(len(lines), 24),
        "keys": [
            {
                "use": printable(key.use, 40),
                "keyid": printable(key.keyid, 130),
                "scheme": printable(key.scheme or "", 60),
                "certificate": printable(key.certificate_sha256 or "", 130),
                "leaf_index": leaf(key.leaf_index),
            }
            for key in state.keys[:12]
        ],
        "more_keys": rest(len(state.keys), 12),
    }
