"""Dossiers as the demo's registry would hand them down: Boston mortgages, v1 denied, v2 champion.

Counts, rates and verdicts in `boston_mortgage.json` were produced by the bias rule itself.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from audits.domain.dossier import (
    Alias,
    AliasChange,
    Approval,
    ChampionComparison,
    Decision,
    Dependency,
    Dossier,
    Evidence,
    Gate,
    Key,
    Leg,
    Lineage,
    Log,
    MetricDifference,
    Policy,
    Promotion,
    RegistryEvent,
    StatusChange,
)

START = datetime(2026, 11, 23, 14, 0, 5, 120000, tzinfo=UTC)
STREAM = "muniment://default/models/boston-mortgage@1795442400000"
_MEASURED = json.loads((Path(__file__).parent / "boston_mortgage.json").read_text("utf-8"))
_MEANING = (
    "I have reviewed the evidence shown and approve that this version may hold the alias champion."
)


def hexed(label: str) -> str:
    """Return 64 hex digits that look like a digest and are always the same for a label."""
    return hashlib.sha256(label.encode()).hexdigest()


def later(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def _policy() -> Policy:
    return Policy(
        name="credit-decision",
        version="1",
        digest=f"sha256:{hexed('policy')}",
        title="Consumer credit decisions",
        jurisdiction="United States",
        in_force_from="2026-11-01",
    )


def _lineage(version: str, leaf_index: int) -> Lineage:
    penalty = {"1": 1.0, "2": 0.1, "3": 0.01}[version]
    return Lineage(
        subject_digest=f"dirHash:{hexed('tree' + version)}",
        legs=(
            Leg(
                "code",
                "recorded",
                "The run names commit 9a1f…; the remote is known and the tree was clean.",
            ),
            Leg("data", "recorded", "The training data's full sha256 is recorded, 1,989 rows."),
            Leg(
                "environment",
                "recorded",
                "The frozen environment is kept with the run, 86 packages.",
            ),
            Leg(
                "configuration",
                "recorded",
                "14 parameters, the seed and the entry point are recorded.",
            ),
        ),
        dependencies=(
            Dependency("loanapp", f"sha256:{hexed('data')}", "file:///srv/data/loanapp.csv"),
            Dependency(
                "code", f"gitCommit:{hexed('commit')[:40]}", "file:///srv/git/boston-mortgage.git"
            ),
            Dependency(
                "environment", f"sha256:{hexed('lock')}", "environment/requirements.lock.txt"
            ),
        ),
        artifact_files=6,
        artifact_tree_digest=f"dirHash:{hexed('tree' + version)}",
        parameters={
            "C": penalty,
            "constraint": "DemographicParity(0.02)" if version != "1" else "none",
            "dropped": ["race"] if version != "1" else [],
            "estimator": "LogisticRegression",
            "max_iter": 2000,
            "member": "largest weight" if version != "1" else None,
            "solver": "lbfgs",
            "stratify": "race",
            "test_size": 0.5,
        },
        seeds={"seed": 0, "split": 0},
        run_id=hexed("run" + version)[:32],
        commit=hexed("commit")[:40],
        remote="file:///srv/git/boston-mortgage.git",
        entry_point="train.py",
        recorded_at=later(1.2),
        digest=f"sha256:{hexed('lineage' + version)}",
        leaf_index=leaf_index,
    )


def _evidence(version: str, leaf_index: int) -> tuple[Evidence, ...]:
    measured: dict[str, Any] = _MEASURED[f"v{version}"]
    return (
        Evidence(
            kind="bias",
            origin="reported",
            conclusion=measured["conclusion"],
            reasons=tuple(measured["reasons"]),
            measurements=measured["bias"],
            criteria=measured["criteria"],
            produced_at=later(2.5),
            digest=f"sha256:{hexed('bias' + version)}",
            producer="audit worker, from predictions.parquet of the run",
            leaf_index=leaf_index,
        ),
        Evidence(
            kind="performance",
            origin="reported",
            conclusion="pass",
            reasons=(),
            measurements=measured["performance"],
            produced_at=later(2.6),
            digest=f"sha256:{hexed('performance' + version)}",
            producer="audit worker, from predictions.parquet of the run",
            leaf_index=leaf_index + 1,
        ),
    )


def _gates(version: str) -> tuple[Gate, ...]:
    measured = _MEASURED[f"v{version}"]
    balanced = measured["performance"]["balanced_accuracy"]
    race = measured["bias"]["attributes"]["race"]
    lowest = min(g["impact_ratio"] for n, g in race["groups"].items() if n != race["reference"])
    sex = measured["bias"]["attributes"]["sex"]["groups"]["Female"]["impact_ratio"]
    return (
        Gate(
            "lineage",
            "Lineage complete",
            "satisfied",
            "Every leg is at least recorded.",
            {"grade": "recorded"},
            {
                "code": "recorded",
                "data": "recorded",
                "environment": "recorded",
                "configuration": "recorded",
            },
        ),
        Gate(
            "bias-race",
            "Bias on race",
            "satisfied" if version != "1" else "unsatisfied",
            " ".join(race["reasons"][:1]),
            {"impact_ratio": 0.8, "standard": "demonstrated"},
            {"impact_ratio": lowest, "verdict": race["verdict"]},
        ),
        Gate(
            "bias-sex",
            "Bias on sex",
            "satisfied",
            "Every group reaches the limit.",
            {"impact_ratio": 0.8, "standard": "demonstrated"},
            {"impact_ratio": sex, "verdict": "pass"},
        ),
        Gate(
            "balanced-accuracy",
            "Balanced accuracy floor",
            "satisfied",
            f"Balanced accuracy is {balanced:.3f}.",
            0.6,
            balanced,
        ),
        Gate(
            "champion",
            "Not worse than the champion",
            "not_applicable",
            "No version has ever held the alias champion.",
            {"at_most_below": 0.03},
            None,
        ),
    )


def _log() -> Log:
    origin = "muniment.example/log"
    vkey = f"{origin}+5c9ac5a5+AYEkpIq4pDT4cPCjNnHyhsVkPkVKPyXBTcdPEkUvcJpk"
    root = "Yk3mZr6Vb0c2cU0bq0l0QmS0lQm0yS7c7b6GqgVZ0Zk="
    return Log(
        origin=origin,
        vkey=vkey,
        checkpoint=(
            f"{origin}\n41\n{root}\n\n— {origin} XJrFpWmH0yB7s0mGm1x5H0bqkK0c4c2nVw2dW5o3c0n6"
            "6mZt2n4t8i5p1qJ0v8r3y7u2e9wqkK0c4c2nVw2dW5o3c0n66mZt2n4=\n"
        ),
        tree_size=41,
        root_hash=hexed("root"),
        stream_length=31,
        keys=(
            Key("statement", hexed("statement key"), "ed25519", None, 0),
            Key("grant", hexed("grant key"), "ed25519", None, 1),
            Key("pdf", hexed("pdf key"), "rsa-pkcs1v15-sha256", hexed("certificate"), 2),
        ),
    )


def denied() -> Dossier:
    """Version 1: adverse impact on race; asked for, denied by policy, nobody reviewed it."""
    timeline = (
        StatusChange("requested", later(4), "Ellen Engineer", None, 18),
        StatusChange("denied", later(4.1), "muniment", "Denied by policy: bias on race.", 19),
    )
    return Dossier(
        model_name="boston-mortgage",
        version="1",
        version_uri=f"{STREAM}/versions/1",
        stream=STREAM,
        created_at=later(0.5),
        source="default (MLflow 3.17.2)",
        owner=None,
        risk_tier=None,
        intended_use=None,
        aliases=(Alias("champion", None),),
        alias_history=(),
        policy=_policy(),
        decision=Decision(
            verdict="deny",
            alias="champion",
            gates=_gates("1"),
            evaluated_at=later(4.1),
            reasons=(_MEASURED["v1"]["reasons"][0],),
            approvals_given=0,
            approvals_required=2,
            approvals_reason="0 of 2 required approvals (by reviewer) are signed.",
            evidence_digest=f"sha256:{hexed('evidence 1')}",
            leaf_index=19,
        ),
        lineage=_lineage("1", 9),
        evidence=_evidence("1", 12),
        champion=ChampionComparison(None, None, ()),
        promotions=(
            Promotion(
                "7e7e3a54-0b54-4a51-9f0b-9f5f9d0a7d11",
                "champion",
                "denied",
                "Ellen Engineer",
                later(4),
                None,
                timeline,
            ),
        ),
        approvals=(),
        events=_events("1"),
        log=_log(),
        generated_at=later(12),
        generator="Muniment 0.1.0",
        requested_by="Aud Auditor",
    )


def _events(version: str) -> tuple[RegistryEvent, ...]:
    happened = [
        RegistryEvent(
            "model.appeared", later(0.4), "Model boston-mortgage appeared.", "mirror", False, 6
        ),
        RegistryEvent(
            "version.appeared", later(0.5), f"Version {version} appeared.", "mirror", False, 8
        ),
        RegistryEvent(
            "lineage.recorded",
            later(1.2),
            f"Lineage of version {version} recorded.",
            "lineage",
            False,
            9,
        ),
        RegistryEvent(
            "evidence.recorded", later(2.5), "Bias evidence recorded.", "audits", False, 12
        ),
        RegistryEvent(
            "evidence.recorded", later(2.6), "Performance evidence recorded.", "audits", False, 13
        ),
        RegistryEvent(
            "promotion.requested",
            later(4),
            "Promotion to champion asked for.",
            "Ellen Engineer",
            False,
            18,
        ),
    ]
    if version == "2":
        happened += [
            RegistryEvent(
                "approval.given", later(7), "Rita Reviewer approved.", "Rita Reviewer", False, 24
            ),
            RegistryEvent(
                "approval.given", later(8.5), "Ravi Reviewer approved.", "Ravi Reviewer", False, 26
            ),
            RegistryEvent(
                "promotion.executed",
                later(9),
                "Alias champion set to version 2.",
                "muniment",
                False,
                29,
            ),
            RegistryEvent(
                "alias.removed",
                later(10),
                "Alias staging was removed, by nobody that Muniment knows.",
                None,
                True,
                33,
            ),
        ]
    return tuple(happened)


def champion() -> Dossier:
    """Version 2: reviewed by two people, one earlier refusal dismissed, champion since."""
    digest = f"sha256:{hexed('evidence 2')}"
    approvals = (
        Approval(
            "Rita Reviewer",
            "reviewer",
            "refuse",
            _MEANING.replace("approve", "refuse"),
            later(5),
            "The performance evidence is older than the bias audit. Ask again with one run.",
            f"sha256:{hexed('evidence 2, earlier')}",
            "0c1f",
            False,
            "New performance evidence was recorded on 2026-11-23 14:06:00 UTC.",
            21,
        ),
        Approval(
            "Rita Reviewer",
            "reviewer",
            "approve",
            _MEANING,
            later(7),
            "The gap on race is significant, but every group clears four fifths with its "
            "interval. Accuracy is within a point of v1.",
            digest,
            "0c1f",
            True,
            None,
            24,
        ),
        Approval(
            "Ravi Reviewer",
            "reviewer",
            "approve",
            _MEANING,
            later(8.5),
            None,
            digest,
            "0c1f",
            True,
            None,
            26,
        ),
    )
    timeline = (
        StatusChange("requested", later(4), "Ellen Engineer", None, 20),
        StatusChange("in_review", later(4.1), "muniment", "Only approvals are missing.", 20),
        StatusChange("approved", later(8.5), "Ravi Reviewer", "2 of 2 approvals are signed.", 27),
        StatusChange("granted", later(8.7), "muniment", "Single-use grant written.", 28),
        StatusChange("executed", later(9), "muniment", "Alias champion set in MLflow.", 29),
    )
    base = denied()
    return replace(
        base,
        version="2",
        version_uri=f"{STREAM}/versions/2",
        owner="Retail Credit Analytics",
        risk_tier="high",
        intended_use="Pre-screening of residential mortgage applications; a person decides.",
        aliases=(Alias("champion", "2"), Alias("staging", None)),
        alias_history=(
            AliasChange("champion", later(9), None, "2", "grant of the approved promotion", 29),
            AliasChange("staging", later(10), "1", None, "no grant: found in MLflow", 33),
        ),
        decision=Decision(
            verdict="allow",
            alias="champion",
            gates=_gates("2"),
            evaluated_at=later(8.5),
            approvals_given=2,
            approvals_required=2,
            approvals_reason="2 of 2 required approvals are signed.",
            evidence_digest=digest,
            leaf_index=27,
        ),
        lineage=_lineage("2", 10),
        evidence=_evidence("2", 14),
        promotions=(
            Promotion(
                "0c1f9a40-91c4-4c0e-8a49-1b3a2a4c7a77",
                "champion",
                "executed",
                "Ellen Engineer",
                later(4),
                None,
                timeline,
            ),
        ),
        approvals=approvals,
        events=_events("2"),
    )


def challenger() -> Dossier:
    """A version that waits for its second approval, compared with the reigning champion."""
    base = champion()
    new, old = _MEASURED["v1"]["performance"], _MEASURED["v2"]["performance"]
    differences = tuple(
        MetricDifference(name, new[name], old[name]) for name in ("accuracy", "balanced_accuracy")
    )
    assert base.decision is not None
    gates = (
        *base.decision.gates[:-1],
        Gate(
            "champion",
            "Not worse than the champion",
            "satisfied",
            "Accuracy is 0.006 over the champion's on the same rows.",
            {"at_most_below": 0.03},
            {"accuracy": new["accuracy"], "champion": old["accuracy"]},
        ),
    )
    return replace(
        base,
        version="3",
        version_uri=f"{STREAM}/versions/3",
        decision=replace(
            base.decision,
            verdict="pending",
            gates=gates,
            reasons=("1 of 2 required approvals (by reviewer) are signed.",),
            approvals_given=1,
            approvals_reason="1 of 2 required approvals (by reviewer) are signed.",
        ),
        lineage=_lineage("3", 11),
        champion=ChampionComparison(
            "2", True, differences, "Accuracy may be at most 0.03 under the champion's."
        ),
        approvals=base.approvals[1:2],
        promotions=(
            replace(
                base.promotions[0],
                status="in_review",
                replaces_version="2",
                timeline=base.promotions[0].timeline[:2],
            ),
        ),
    )


def bare() -> Dossier:
    """A version of which next to nothing is known: every part says so."""
    return Dossier(
        model_name="scorecard",
        version="7",
        version_uri="muniment://default/models/scorecard@1/versions/7",
        stream="muniment://default/models/scorecard@1",
        created_at=None,
        source=None,
        owner=None,
        risk_tier=None,
        intended_use=None,
        aliases=(),
        alias_history=(),
        policy=None,
        decision=None,
        lineage=None,
        evidence=(),
        champion=None,
        promotions=(),
        approvals=(),
        events=(),
        log=None,
        generated_at=later(12),
        generator="Muniment 0.1.0",
        requested_by="Aud Auditor",
    )
