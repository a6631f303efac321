"""A version that is scanned: its real files in the sandbox, its packages in a database."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from accounts.services.people import actor_of
from audits.models import Evidence, Job
from registry import tasks
from registry.services.bindings import bind_policy
from registry.services.evaluation import evaluate_version
from registry.services.policies import publish_policy
from tests.integration.registry.live import LiveRegistry

GATES = """
  - id: files
    kind: artifact_safety
    title: Nothing runs that should not
    accepts: [computed]
    at_most_severity: low

  - id: packages
    kind: vulnerabilities
    title: No known vulnerability
    accepts: [computed]
    at_most_severity: low
    database_max_age_days: 30

approvals:"""
SHIPPED = Path(__file__).resolve().parents[3] / "policies" / "credit-decision.yaml"


def advisories(path: Path, package: str, *, count: int = 1) -> Path:
    """Write a database that knows of so many vulnerabilities in a package of that name."""
    told = {
        "id": "GHSA-1111-2222-3333",
        "modified": f"{timezone.now():%Y-%m-%dT%H:%M:%SZ}",
        "database_specific": {"severity": "HIGH"},
        "affected": [
            {
                "package": {"ecosystem": "PyPI", "name": package},
                "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}]}],
            }
        ],
    }
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(count):
            archive.writestr(f"{number}.json", json.dumps(told | {"id": f"GHSA-{number:04}"}))
    return path


def outcomes(live: LiveRegistry) -> dict[str, str]:
    decision = evaluate_version(
        version=live.version(1), alias="champion", as_of=timezone.now()
    ).decision
    assert decision is not None
    return {gate.id: gate.outcome.value for gate in decision.gates}


@pytest.fixture
def asked(live: LiveRegistry, settings: Any, tmp_path: Path) -> LiveRegistry:
    """A trained version under a policy that asks for scans, and a database of one advisory."""
    live.new_model()
    live.train()
    live.walk()
    text = SHIPPED.read_text().replace("\nversion: 1\n", "\nversion: 2\n")
    admin = actor_of(live.world.people["admin"])
    bind_policy(
        registered_model=live.version(1).registered_model,
        policy=publish_policy(
            document=text.replace("\napprovals:", GATES).encode(),
            actor=admin,
            now=live.world.tick(),
        ),
        risk_tier="high",
        actor=admin,
        now=live.world.tick(),
    )
    settings.RECOMPUTE_FOLDER = tmp_path / "worker"
    settings.VULNERABILITY_DATABASE = str(advisories(tmp_path / "all.zip", "nobody-has-it"))
    return live


def test_a_version_is_scanned_when_its_policy_asks_and_both_gates_read_it(
    asked: LiveRegistry, tmp_path: Path
) -> None:
    asked.work()
    assert outcomes(asked)["files"] == "satisfied"
    assert outcomes(asked)["packages"] == "satisfied"
    found = Evidence.objects.get(kind="artifact_safety")
    assert (found.origin, found.measurements["unscanned"]) == ("computed", [])
    assert not any((tmp_path / "worker").iterdir())


def test_a_worker_without_a_database_says_so_and_nothing_passes(
    asked: LiveRegistry, settings: Any
) -> None:
    settings.VULNERABILITY_DATABASE = ""
    asked.work()
    assert outcomes(asked)["packages"] == "insufficient"
    found = Evidence.objects.get(kind="vulnerabilities")
    assert found.conclusion == "error"
    assert "MUNIMENT_VULNERABILITY_DATABASE" in found.reasons[0]


def test_files_that_changed_meanwhile_are_no_evidence(asked: LiveRegistry) -> None:
    tasks.record_lineage(str(Job.objects.get(kind="lineage").pk))
    next(path for path in asked.stored_files().rglob("*") if path.is_file()).write_bytes(b"other")
    asked.work()
    assert outcomes(asked)["files"] == "insufficient"
    assert Evidence.objects.get(kind="artifact_safety").conclusion == "error"


def test_a_known_vulnerability_denies(asked: LiveRegistry, settings: Any, tmp_path: Path) -> None:
    settings.VULNERABILITY_DATABASE = str(advisories(tmp_path / "all.zip", "scikit-learn"))
    asked.work()
    assert outcomes(asked)["packages"] == "unsatisfied"


def test_more_than_an_entry_of_the_log_can_hold_is_an_error_and_no_pass(
    asked: LiveRegistry, settings: Any, tmp_path: Path
) -> None:
    settings.VULNERABILITY_DATABASE = str(advisories(tmp_path / "all.zip", "numpy", count=1_000))
    asked.work()
    assert outcomes(asked)["packages"] == "insufficient"
    found = Evidence.objects.get(kind="vulnerabilities")
    assert (found.conclusion, found.measurements["packages"]) == ("error", 2)
    assert "More was found" in found.reasons[0]
