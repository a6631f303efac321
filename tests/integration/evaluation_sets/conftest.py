"""A model team's MLflow, a registered evaluation set, and a worker's sandbox on this machine."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from accounts.services.people import actor_of
from audits.domain.actor import Actor
from audits.models import Evidence, Job
from audits.selectors import current_evidence
from lineage.models import AllowedPlace
from lineage.recompute.environment import PackageSource, build_environment
from lineage.services.places import allow_place
from muniment.attest.digest import sha256_file
from muniment.datasets import DatasetReference
from muniment.lineage_file import (
    LINEAGE_PATH,
    LOCK_PATH,
    CapturedEnvironment,
    LineageFile,
)
from registry.models import ModelVersion, Promotion
from registry.services.bindings import bind_policy
from registry.services.policies import publish_policy
from tests.integration.evaluation_sets.applicants import (
    COLUMNS,
    HELD_OUT,
    TRAINING,
    as_csv,
    model_files,
)
from tests.integration.recomputations.ordering import CAPTURE
from tests.integration.recompute.package_index import PackageIndex
from tests.integration.registry.live import MODEL, LiveRegistry, empty_mlflow
from tests.integration.web.world import build_people, fresh_log
from tests.policies import lenient_credit_decision


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[bytes, str, Path]]:
    """A lock file, the index it is built from, and a store where it stands built.

    What stands there is the tests' own environment, which has MLflow: building a real one takes a
    minute, and has tests of its own.
    """
    folder = tmp_path_factory.mktemp("locked")
    with PackageIndex(folder / "index") as index:
        sha256 = index.add("tiny", "1.0", {"tiny.py": "X = 1"})
        lock = f"tiny==1.0 --hash=sha256:{sha256}\n".encode()
        built = build_environment(
            capture_with(lock),
            lock,
            store=folder / "store",
            packages=PackageSource(index.url, folder / "packages"),
        )
        kept = built.folder.with_name("tiny")
        built.folder.chmod(0o755)
        built.folder.rename(kept)
        built.folder.symlink_to(sys.prefix)
        yield lock, index.url, folder / "store"


def capture_with(lock: bytes, *datasets: DatasetReference) -> LineageFile:
    return replace(
        CAPTURE,
        datasets=datasets,
        environment=CapturedEnvironment(
            python="3.11.0", implementation="cpython", lock_sha256=hashlib.sha256(lock).hexdigest()
        ),
    )


@dataclass
class Bench:
    """Versions trained into MLflow, and what Muniment says when it asked them itself."""

    registry: LiveRegistry
    folder: Path
    lock: bytes

    @property
    def admin(self) -> Actor:
        return actor_of(self.registry.world.people["admin"])

    def train(
        self,
        files: Mapping[str, bytes] | None = None,
        *,
        training: bytes | None = None,
        predictions: bytes | None = None,
        lock: bool = True,
    ) -> ModelVersion:
        """Train the next version, captured by the kit; the mirror and its lineage follow."""
        data = self.folder / f"training-{len(list(self.folder.iterdir()))}.csv"
        data.write_bytes(training or as_csv(TRAINING))
        reference = DatasetReference(
            role="training",
            name="applicants",
            kind="file",
            uri=data.as_uri(),
            digest=sha256_file(data),
            size_bytes=data.stat().st_size,
        )
        content = capture_with(self.lock, reference).to_bytes()
        logged = self.registry.train(lock=self.lock if lock else None, files=files or model_files())
        trainer = self.registry.trainer
        trainer.put(logged.run_place, LINEAGE_PATH, content)
        if lock:
            trainer.put(logged.run_place, LOCK_PATH, self.lock)
        if predictions is not None:
            trainer.put(logged.run_place, "predictions.parquet", predictions)
        trainer.call(
            "POST",
            "runs/set-tag",
            {
                "run_id": logged.run_id,
                "key": "muniment.lineage.sha256",
                "value": hashlib.sha256(content).hexdigest(),
            },
        )
        self.registry.walk()
        self.work()
        return self.registry.version(logged.version)

    def work(self) -> None:
        """Do every queued job, as the workers would."""
        self.registry.work()

    def register(self, content: bytes | None = None, *more: str, name: str = "held-out") -> str:
        """Register a set as an admin does; return its digest."""
        file = self.folder.parent / "held-out.csv"
        file.write_bytes(content or as_csv(HELD_OUT))
        said = self.manage(
            *("add", str(file), "--name", name, "--label", COLUMNS.label, "--row-id", "row"),
            *(word for group in COLUMNS.groups for word in ("--group", group)),
            *(word for feature in COLUMNS.features for word in ("--feature", feature)),
            *more,
        )
        return str(said["digest"])

    def bind(self, name: str = "held-out") -> None:
        self.manage("bind", MODEL, name)

    def manage(self, *arguments: str) -> dict[str, Any]:
        written = StringIO()
        call_command("evaluation_set", *arguments, "--as", "admin", "--json", stdout=written)
        said: dict[str, Any] = json.loads(written.getvalue())
        return said

    def govern(self, *, most: int | None = None) -> None:
        """Bind the shipped policy, made to accept nothing but what Muniment computes of bias."""
        document = lenient_credit_decision()
        head, gate, tail = document.partition("  - id: bias-race")
        tail = tail.replace("accepts: [reported, computed]", "accepts: [computed]", 1)
        bound = "" if most is None else f"\nevaluation:\n  max_audits_per_set: {most}\n"
        now = timezone.now()
        policy = publish_policy(
            document=f"{head}{gate}{tail}{bound}".encode(), actor=self.admin, now=now
        )
        bind_policy(
            registered_model=self.registry.world.model(MODEL),
            policy=policy,
            risk_tier="high",
            actor=self.admin,
            now=now,
        )

    def request(self, version: ModelVersion) -> Promotion:
        return self.registry.world.request(version.version, name=MODEL)

    def evidence(self, version: ModelVersion, kind: str = "bias") -> Evidence:
        return next(item for item in current_evidence(version.uri) if item.kind == kind)

    def job(self, version: ModelVersion) -> Job:
        return Job.objects.filter(version_uri=version.uri, kind=Job.Kind.SET_AUDIT).latest(
            "created_at"
        )


@pytest.fixture
def bench(
    mlflow_server: str,
    live_url: str,
    quick_passwords: None,
    locked: tuple[bytes, str, Path],
    tmp_path: Path,
    settings: Any,
) -> Iterator[Bench]:
    lock, index_url, store = locked
    settings.EVALUATION_SETS = tmp_path / "sets"
    settings.RECOMPUTE_FOLDER = tmp_path / "recompute"
    settings.RECOMPUTE_INDEX_URL = index_url
    settings.RECOMPUTE_MEMORY_MB = 2_048
    (tmp_path / "recompute/environments").mkdir(parents=True)
    (tmp_path / "recompute/environments/default").symlink_to(store)
    data = tmp_path / "data"
    data.mkdir()
    empty_mlflow()
    fresh_log()
    with LiveRegistry(mlflow_server) as registry:
        build_people(registry.world)
        registry.new_model()
        registry.walk()
        found = Bench(registry, data, lock)
        allow_place(
            place=AllowedPlace(source_name="default", kind="data", prefix=str(data)),
            actor=found.admin,
            now=timezone.now(),
        )
        yield found
