"""A registry that lives: training into a real MLflow, and Muniment's tasks called as functions."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.utils import timezone

from audits.models import Job, LogEntry
from lineage.errors import MlflowUnavailable
from lineage.mlflow import MlflowClient, Patience
from registry import tasks
from registry.models import ModelVersion, Promotion
from registry.services.execution import Progress, execute_promotion
from tests.instance import INSTANCE
from tests.integration.lineage.trainer import Logged, Trainer
from tests.integration.registry.forwarder import Forwarder
from tests.integration.web.world import V2_RACE, World, audit, publish_and_bind

HURRIED = Patience(attempts=1, connect_timeout_seconds=1.0, read_timeout_seconds=5.0)
MODEL = "loans"


def empty_mlflow() -> None:
    """Forget every registered model, as nobody but the database's owner can."""
    behind_the_back("TRUNCATE registered_models CASCADE")


def behind_the_back(statement: str, *values: object) -> None:
    """Change MLflow's own database without asking MLflow or its registry store."""
    with psycopg.connect(INSTANCE.stack.mlflow_database_url(), autocommit=True) as connection:
        connection.execute(statement, values)


def set_alias_behind_the_back(alias: str, version: int, name: str = MODEL) -> None:
    """Point an alias at a version, past MLflow and its registry store; other aliases go."""
    behind_the_back("DELETE FROM registered_model_aliases WHERE name = %s", name)
    behind_the_back(
        "INSERT INTO registered_model_aliases (workspace, name, alias, version)"
        " VALUES ('default', %s, %s, %s)",
        *(name, alias, version),
    )


class LiveWorld(World):
    """A world on the real clock, which tasks and the MLflow server read too."""

    def tick(self, **elapsed: float) -> datetime:
        self.now = timezone.now()
        return self.now


class LiveRegistry:
    """One model team's MLflow, and the Muniment that watches it; `world` has the people."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.trainer = Trainer(url)
        self.client = MlflowClient(url, patience=HURRIED)
        self.world = LiveWorld(now=timezone.now())

    def __enter__(self) -> LiveRegistry:
        self.trainer.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.trainer.__exit__(kind, error, trace)

    def new_model(self, name: str = MODEL, **fields: object) -> None:
        self.trainer.call("POST", "registered-models/create", {"name": name, **fields})

    def new_version(self, name: str = MODEL, **fields: object) -> int:
        """Register a version that names no run and whose files are nowhere."""
        return self.trainer.version(name, **{"source": "s3://bucket/model", **fields})

    def train(self, name: str = MODEL, **training: Any) -> Logged:
        """Train with everything that a careful training logs, as the next version of `name`."""
        return self.trainer.train(name=name, **training)

    def walk(self) -> list[LogEntry]:
        """Walk the registry; return the facts that this wrote."""
        newest = LogEntry.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
        tasks.walk_registry()
        return list(LogEntry.objects.filter(pk__gt=newest).order_by("pk"))

    def work(self) -> None:
        """Do every job that is queued, and those that they open, as the worker would."""
        done: set[object] = set()
        while job := Job.objects.filter(status="queued").exclude(pk__in=done).first():
            done.add(job.pk)
            {
                Job.Kind.LINEAGE: tasks.record_lineage,
                Job.Kind.PREDICTIONS_AUDIT: tasks.audit_predictions_of_version,
                Job.Kind.SET_AUDIT: tasks.predict_on_evaluation_set,
                Job.Kind.SCAN: tasks.scan_files_of_version,
                Job.Kind.REPORT: tasks.render_report_of_version,
            }[Job.Kind(job.kind)](str(job.pk))

    def bind(self, name: str = MODEL) -> None:
        """Publish the shipped policy and bind it to a model."""
        publish_and_bind(self.world, name)

    def version(self, number: int, name: str = MODEL) -> ModelVersion:
        return self.world.version(number, name)

    def reviewable(self, name: str = MODEL) -> Promotion:
        """Train a version that passes every gate; return its promotion, in review."""
        if not ModelVersion.objects.filter(registered_model__name=name).exists():
            self.new_model(name)
        number = self.train(name).version
        self.walk()
        if self.world.policy is None:
            self.bind(name)
        self.work()
        audit(self.world, self.version(number, name), V2_RACE)
        promotion = self.world.request(number, name=name)
        assert promotion.status == "in_review", promotion.decisions.get().content["reasons"]
        return promotion

    def approved(self, name: str = MODEL) -> Promotion:
        """Return a promotion that two reviewers have signed; nothing of it is executed."""
        promotion = self.reviewable(name)
        for reviewer in ("reviewer", "reviewer2"):
            promotion = self.world.sign(promotion, reviewer)
        assert promotion.status == "approved"
        return promotion

    def run(self, promotion: Promotion) -> Promotion:
        """Take a promotion one attempt further, as the task does."""
        tasks.run_promotion(str(promotion.pk))
        return Promotion.objects.get(pk=promotion.pk)

    def executing(self, promotion: Promotion, forwarder: Forwarder) -> Promotion:
        """Bring a promotion to where its grant may be used, and nobody has."""
        forwarder.lose_alias_requests()
        with pytest.raises(MlflowUnavailable):
            self.run(promotion)
        forwarder.heal()
        return Promotion.objects.get(pk=promotion.pk)

    def attempt(self, promotion: Promotion, *, later: timedelta) -> Progress:
        """Take a promotion one attempt further at a later time."""
        return execute_promotion(
            promotion_id=promotion.pk,
            client=self.client,
            clock=lambda: timezone.now() + later,
        )

    def stored_files(self, number: int = 1) -> Path:
        """Return where the files of a version lie on the MLflow server's disk."""
        model_id = self.version(number).source_uri.removeprefix("models:/")
        place = self.client.get_logged_model(model_id).artifact_uri
        stored = place.removeprefix("mlflow-artifacts:/")
        return INSTANCE.stack.home.path / "mlflow/artifacts" / stored

    def champion(self, name: str = MODEL) -> int | None:
        """Return what MLflow itself says."""
        return self.client.get_alias(name, settings.GOVERNED_ALIASES[0])
