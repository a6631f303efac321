"""A small world for page tests: people, models and records, made by the real services."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings

from accounts.models import User
from accounts.services.people import actor_of, add_person
from audits.domain.actor import PREDICTIONS_AUDIT, RECORDER, SETUP
from audits.domain.bias import (
    AttributeCounts,
    BiasCriteria,
    Confusion,
    Counts,
    GroupCounts,
    judge,
)
from audits.domain.measurements import AttributeMetrics, GroupMetrics, to_json
from audits.models import Evidence, LogCheckpoint, LogEntry
from audits.services.evidence import NewEvidence, record_evidence
from audits.services.keys import enroll_keys
from audits.services.sequencer import sequence_pending
from lineage.artifacts import ArtifactTree
from lineage.domain.captured import (
    LockFile,
    commit_of,
    dataset_sha256_of,
    entry_point_of,
    remote_of,
)
from lineage.domain.environment import read_environment
from lineage.domain.grading import Origins, grade_legs
from lineage.domain.leg import Leg
from lineage.domain.link import Link, LinkKind
from lineage.domain.provenance import build_predicate, dependencies_of
from lineage.domain.rows import DatasetInput, Run
from lineage.models import LineageRecord
from lineage.services.collect import CollectedLineage
from lineage.services.record import record_lineage
from muniment.attest.digest import Digest
from muniment.lineage_file import LineageFile
from registry.domain.mirror import ModelRow, VersionRow, Walk
from registry.models import ModelVersion, Policy, Promotion, RegisteredModel, RegistrySource
from registry.services.approvals import sign_review
from registry.services.bindings import bind_policy
from registry.services.evaluation import evaluate_version
from registry.services.lineage import snapshot_of
from registry.services.mirror import apply_walk, one_walk_at_a_time
from registry.services.policies import publish_policy
from registry.services.promotions import request_promotion
from registry.services.signing import Password
from registry.services.sources import ensure_source
from tests.policies import lenient_credit_decision

ROOT = Path(__file__).resolve().parents[3]
PASSWORD = "correct horse battery staple"
MODEL = "boston-mortgage"
# When MLflow says that things were made: the same in every walk of a session, as there.
EPOCH_MS = int((datetime.now(UTC) - timedelta(days=2)).timestamp() * 1000)
PEOPLE = {
    "engineer": ("Erin Engel", "engineer"),
    "reviewer": ("Rita Reyes", "reviewer"),
    "reviewer2": ("Remy Roth", "reviewer"),
    "auditor": ("Audrey Aoki", "auditor"),
    "admin": ("Ada Adler", "admin"),
}
# (people, selected, true positives, true negatives) of each group, of the demo's order of size;
# both versions are measured on the same people, so their labels agree
V1_RACE = {"White": (841, 823, 762, 12), "Black": (99, 75, 62, 19), "Hispanic": (55, 45, 42, 5)}
V2_RACE = {"White": (841, 825, 763, 11), "Black": (99, 91, 66, 7), "Hispanic": (55, 49, 45, 4)}
SEX = {"Male": 800, "Female": 187, "unknown": 8}


@dataclass
class World:
    """What was made; tests reach for rows by the names that people use."""

    now: datetime
    people: dict[str, User] = field(default_factory=dict)
    policy: Policy | None = None

    def version(self, number: int, name: str = MODEL) -> ModelVersion:
        return ModelVersion.objects.select_related("registered_model").get(
            registered_model__name=name, version=number
        )

    def model(self, name: str = MODEL) -> RegisteredModel:
        return RegisteredModel.objects.get(name=name)

    def tick(self, **elapsed: float) -> datetime:
        """Let time pass, so that nothing is dated before what it follows."""
        self.now += timedelta(**(elapsed or {"seconds": 1}))
        return self.now

    def sequence(self) -> None:
        """Bring everything that is pending under a checkpoint."""
        sequence_pending(now=self.tick())

    def request(self, number: int, *, note: str = "", name: str = MODEL) -> Promotion:
        return request_promotion(
            version=self.version(number, name),
            alias="champion",
            note=note,
            actor=actor_of(self.people["engineer"]),
            now=self.tick(),
        )

    def evidence_digest(self, promotion: Promotion) -> str:
        decision = evaluate_version(
            version=promotion.version, alias=promotion.alias, as_of=self.now
        ).decision
        assert decision is not None
        return decision.evidence_digest

    def sign(
        self, promotion: Promotion, who: str, *, verdict: str = "approve", reason: str = ""
    ) -> Promotion:
        now = self.tick()
        return sign_review(
            promotion_id=promotion.pk,
            verdict=verdict,
            reason=reason,
            meaning="I have reviewed this evidence and decide as above.",
            evidence_digest=self.evidence_digest(promotion),
            means=Password(PASSWORD),
            actor=actor_of(self.people[who]),
            now=now,
        )


def fresh_log() -> None:
    """Forget the checkpoint that another test published: its database is not this one."""
    Path(settings.PUBLISHED_CHECKPOINT_FILE).unlink(missing_ok=True)


def build_people(world: World) -> None:
    enroll_keys(now=world.tick())
    for username, (printed_name, role) in PEOPLE.items():
        world.people[username] = add_person(
            username=username,
            printed_name=printed_name,
            password=PASSWORD,
            roles=[role],
            actor=SETUP,
            now=world.tick(),
        )


def walk(world: World, models: Sequence[ModelRow], versions: Sequence[VersionRow]) -> None:
    source = RegistrySource.objects.filter(name="default").first() or ensure_source(
        name="default", uri="http://mlflow.example"
    )
    now = world.tick()
    with one_walk_at_a_time(source):
        apply_walk(
            source=source, walk=Walk(tuple(models), tuple(versions)), started_at=now, now=now
        )


def model_row(name: str = MODEL, **values: Any) -> ModelRow:
    offset_ms = int(hashlib.sha256(name.encode()).hexdigest()[:6], 16)
    values.setdefault("creation_timestamp_ms", EPOCH_MS + offset_ms)
    return ModelRow(name=name, **values)


def version_row(number: int, name: str = MODEL, **values: Any) -> VersionRow:
    values.setdefault("run_id", hashlib.md5(f"{name}/{number}".encode()).hexdigest())
    values.setdefault("source", f"models:/m-{values['run_id']}")
    return VersionRow(
        model_name=name,
        version=number,
        creation_timestamp_ms=EPOCH_MS + 20_000_000 + 3_600_000 * number,
        status="READY",
        **values,
    )


def publish_and_bind(world: World, name: str = MODEL, document: str = "") -> None:
    admin = actor_of(world.people["admin"])
    content = (document or lenient_credit_decision()).encode()
    world.policy = publish_policy(document=content, actor=admin, now=world.tick())
    bind_policy(
        registered_model=world.model(name),
        policy=world.policy,
        risk_tier="high",
        actor=admin,
        now=world.tick(),
    )


def lay_lineage(
    world: World,
    version: ModelVersion,
    *,
    params: Mapping[str, str] | None = None,
    dataset_sha256: str | None = hashlib.sha256(b"loanapp").hexdigest(),
    has_commit: bool = True,
    capture: LineageFile | None = None,
    base_models: Sequence[str] = (),
    code: Leg | None = None,
) -> LineageRecord:
    """Record the lineage of a run, graded by the real rules; MLflow itself is not asked.

    Args:
        capture: what the kit recorded of the training, where it did.
        base_models: digests or names of what the run was tuned from.
        code: what its code is graded instead.
    """
    snapshot = snapshot_of(version)
    lock = b"fairlearn==0.15.0\nnumpy==2.4.6\nscikit-learn==1.9.1\n"
    lock_sha256 = hashlib.sha256(lock).hexdigest()
    data_tags = {"muniment.dataset.sha256": dataset_sha256} if dataset_sha256 else {}
    commit = hashlib.sha1(version.uri.encode()).hexdigest()
    code_tags = {"mlflow.source.git.commit": commit} if has_commit else {}
    run = Run(
        run_id=version.run_id,
        artifact_uri=f"mlflow-artifacts:/1/{version.run_id}/artifacts",
        status="FINISHED",
        params={"C": "1.0", "seed": "0", "solver": "lbfgs"} | dict(params or {}),
        metrics={"accuracy": 0.906},
        tags={
            "mlflow.source.git.repoURL": "https://git.example/boston-mortgage.git",
            "muniment.git.dirty": "false",
            "muniment.entry_point": "train.py",
            "muniment.dataset.uri": "file:///data/loanapp.csv",
            "muniment.dataset.name": "loanapp",
            "muniment.environment.lock_sha256": lock_sha256,
            **code_tags,
            **data_tags,
        },
        datasets=(DatasetInput(name="loanapp", digest="1a2b3c4d"),),
    )
    environment = LockFile(lock_sha256, read_environment(lock))
    link = Link(LinkKind.SHOWN)
    graded = grade_legs(Origins(run=run, link=link, lock=environment))
    legs = graded if code is None else (code, *graded[1:])
    dependencies = dependencies_of(run, environment)
    files = {
        "MLmodel": hashlib.sha256(b"MLmodel").hexdigest(),
        "model.skops": hashlib.sha256(version.uri.encode()).hexdigest(),
        "requirements.txt": hashlib.sha256(b"requirements").hexdigest(),
    }
    tree = ArtifactTree(
        files=files,
        total_bytes=48_213,
        dir_hash=Digest("dirHash", hashlib.sha256(repr(files).encode()).hexdigest()),
    )
    collected = CollectedLineage(
        snapshot=snapshot,
        subject_digest=tree.dir_hash,
        legs=legs,
        predicate=build_predicate(
            snapshot=snapshot,
            run=run,
            legs=legs,
            dependencies=dependencies,
            artifacts={"files": len(files), "bytes": tree.total_bytes},
        ),
        facts={
            "parameters": dict(run.params),
            "metrics": dict(run.metrics),
            "seed": "0",
            "commit": commit_of(run),
            "remote": remote_of(run),
            "entry_point": entry_point_of(run),
            "dataset": {
                "name": "loanapp",
                "sha256": dataset_sha256_of(run),
                "uri": "file:///data/loanapp.csv",
            },
            "packages": dict(environment.environment.packages),
            "base_models": list(base_models),
            "dependencies": [item.as_mapping() for item in dependencies],
            **({"capture": capture.as_mapping()} if capture is not None else {}),
        },
        artifacts=tree,
        link=link,
    )
    return record_lineage(collected=collected, actor=RECORDER, now=world.tick())


def _metrics(groups: Mapping[str, tuple[int, int, int, int]]) -> AttributeMetrics:
    rates = [selected / n for n, selected, _, _ in groups.values() if n]
    return AttributeMetrics(
        demographic_parity_difference=max(rates) - min(rates),
        equalized_odds_difference=0.08,
        groups={
            name: GroupMetrics(
                accuracy=(tp + tn) / n,
                tpr=tp / (tp + n - selected - tn),
                fpr=None if not n - tp else (selected - tp) / (selected - tp + tn),
                fnr=1 - tp / (tp + n - selected - tn),
                ppv=tp / selected if selected else None,
            )
            for name, (n, selected, tp, tn) in groups.items()
        },
    )


def _counts(name: str, groups: Mapping[str, tuple[int, int, int, int]]) -> AttributeCounts:
    return AttributeCounts(
        name,
        tuple(
            GroupCounts(group, n, selected, Confusion(tp, selected - tp, tn, n - selected - tn))
            for group, (n, selected, tp, tn) in groups.items()
        ),
    )


def audit(
    world: World, version: ModelVersion, race: Mapping[str, tuple[int, int, int, int]]
) -> tuple[Evidence, Evidence]:
    """Record bias and performance evidence from counted people, judged by the real rule."""
    totals = [sum(group[place] for group in race.values()) for place in range(4)]
    sex = _split(totals, SEX)
    pairs = {
        f"{one} × {two}": part
        for one, counted in race.items()
        for two, part in _split(list(counted), {"Male": 8, "Female": 2}).items()
    }
    criteria = BiasCriteria(standard="demonstrated")
    judgement = judge(
        Counts(
            n=totals[0],
            favourable=1,
            attributes=(_counts("race", race), _counts("sex", sex), _counts("race × sex", pairs)),
        ),
        criteria,
    )
    metrics = {"race": _metrics(race), "sex": _metrics(sex), "race × sex": _metrics(pairs)}
    n, selected, tp, tn = totals
    inputs = [
        {
            "name": "predictions.parquet",
            "digest": f"sha256:{hashlib.sha256(version.uri.encode()).hexdigest()}",
        }
    ]
    bias = NewEvidence(
        kind="bias",
        origin="reported",
        conclusion=judgement.conclusion,
        reasons=judgement.reasons,
        criteria=criteria.to_mapping(),
        measurements=to_json(judgement, metrics),
        inputs=inputs,
    )
    fp, fn = selected - tp, n - selected - tn
    performance = NewEvidence(
        kind="performance",
        origin="reported",
        conclusion="pass",
        reasons=[f"measured on {n} people; a gate's bounds decide"],
        criteria={},
        measurements={
            "n": n,
            "accuracy": (tp + tn) / n,
            "balanced_accuracy": (tp / (tp + fn) + tn / (tn + fp)) / 2,
            "tp": tp,
            "fp": fp,
            "tn": tn,
            "fn": fn,
            "rows_digest": hashlib.sha256(b"rows").hexdigest(),
        },
        inputs=inputs,
    )
    record = LineageRecord.objects.filter(version_uri=version.uri).order_by("-entry_id").first()
    assert record is not None
    first, second = (
        record_evidence(
            version_uri=version.uri,
            stream=version.registered_model.uri,
            subject_digest=record.subject_digest,
            found=found,
            actor=PREDICTIONS_AUDIT,
            now=world.tick(),
        )
        for found in (bias, performance)
    )
    return first, second


def _split(totals: list[int], shares: Mapping[str, int]) -> dict[str, tuple[int, int, int, int]]:
    """Split counted people into groups of about these shares; the parts add up exactly."""
    whole = sum(shares.values())
    n, selected, tp, tn = totals
    cells = {"tp": tp, "fp": selected - tp, "tn": tn, "fn": n - selected - tn}
    left = dict(cells)
    parts: dict[str, tuple[int, int, int, int]] = {}
    names = list(shares)
    for name in names:
        part = {
            cell: left[cell] if name == names[-1] else round(cells[cell] * shares[name] / whole)
            for cell in cells
        }
        for cell in cells:
            left[cell] -= part[cell]
        parts[name] = (
            sum(part.values()),
            part["tp"] + part["fp"],
            part["tp"],
            part["tn"],
        )
    return parts


def build_world() -> World:
    """Build the whole story: v1 reigns since before, v2 is in review, v3 is only registered.

    The promotions of v1 (as challenger again) and v3 are left to the tests.
    """
    fresh_log()
    world = World(now=datetime.now(UTC) - timedelta(hours=3))
    build_people(world)
    walk(
        world,
        [
            model_row(
                description="Approves or refuses mortgage applications.",
                tags={"team": "credit"},
                aliases={"champion": 1},
            )
        ],
        [version_row(number) for number in (1, 2, 3)],
    )
    publish_and_bind(world)
    for number, race in ((1, V1_RACE), (2, V2_RACE)):
        version = world.version(number)
        lay_lineage(world, version, params={"C": str(1.0 / number)})
        audit(world, version, race)
    lay_lineage(world, world.version(3), dataset_sha256=None)
    world.sequence()
    return world


def load_world() -> World:
    """Find the world in a copy of its database, with the checkpoint that it published."""
    published = LogCheckpoint.objects.order_by("-tree_size")[0]
    Path(settings.PUBLISHED_CHECKPOINT_FILE).write_bytes(bytes(published.note))
    newest = LogEntry.objects.order_by("-at").values_list("at", flat=True)[0]
    return World(
        now=newest,
        people={person.username: person for person in User.objects.all()},
        policy=Policy.objects.get(),
    )


def rows_of_the_world() -> list[VersionRow]:
    """Return the versions that every walk of the world's model goes on to see."""
    return [version_row(number) for number in (1, 2, 3)]


def row_of_the_world(champion: int = 1) -> ModelRow:
    """Return the world's model as `build_world` walked it, with its champion."""
    return model_row(
        description="Approves or refuses mortgage applications.",
        tags={"team": "credit"},
        aliases={"champion": champion},
    )
