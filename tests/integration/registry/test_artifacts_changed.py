"""Files that change after a version was registered: found, logged, alarmed, and held against it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.services.people import actor_of
from audits.models import Alarm, LogEntry
from audits.selectors import decoded_statement
from lineage.errors import MlflowUnavailable
from registry import tasks
from registry.errors import SourceUnusable
from registry.models import ModelAlias, ModelVersion, Promotion, RegistrySource, Violation
from registry.services.artifacts import verify_artifacts
from registry.services.evaluation import evaluate_version
from registry.services.modes import set_mode
from registry.services.rehashing import due_versions, next_versions
from registry.services.violations import accept_violation
from tests.integration.registry.forwarder import Forwarder
from tests.integration.registry.live import MODEL, LiveRegistry, set_alias_behind_the_back


def look_again(live: LiveRegistry, number: int = 1) -> str:
    return verify_artifacts(version=live.version(number), client=live.client, clock=timezone.now)


@pytest.fixture
def reviewable(live: LiveRegistry) -> Promotion:
    return live.reviewable()


@pytest.mark.parametrize("change", ["replaced", "added", "deleted"])
def test_changed_files_are_a_violation_that_denies_until_they_are_back(
    live: LiveRegistry, reviewable: Promotion, change: str
) -> None:
    folder = live.stored_files()
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert look_again(live) == ""
    if change == "replaced":
        next(iter(before)).write_bytes(b"another thing")
    elif change == "added":
        (folder / "backdoor.py").write_bytes(b"import os")
    else:
        for path in before:
            path.unlink()
    assert "changed after they were judged" in look_again(live)
    fact = LogEntry.objects.get(event="artifacts.changed")
    assert fact.is_violation
    assert decoded_statement(fact).predicate["detail"] == {"standing": True}
    assert "files of loans version 1 changed" in Alarm.objects.get(cleared_at=None).message
    reviewable.refresh_from_db()
    assert reviewable.status == "denied"
    decision = reviewable.decisions.latest("decided_at").content
    assert decision["reasons"][0].startswith("The version's files were changed")
    assert decision["inputs"]["violations"] == [
        {"digest": fact.sha256, "event": "artifacts.changed"}
    ]
    # What is known is not said again.
    assert look_again(live)
    assert LogEntry.objects.filter(event="artifacts.changed").count() == 1
    (folder / "backdoor.py").unlink(missing_ok=True)
    for path, content in before.items():
        path.write_bytes(content)
    assert look_again(live) == ""
    assert Violation.objects.get().status == "undone"
    assert not Alarm.objects.filter(cleared_at=None).exists()
    view = evaluate_version(version=live.version(1), alias="champion", as_of=timezone.now()).view
    assert view.violations == ()


def test_answering_for_changed_files_ends_the_alarm_and_not_the_denial(
    live: LiveRegistry, reviewable: Promotion
) -> None:
    (live.stored_files() / "backdoor.py").write_bytes(b"import os")
    look_again(live)
    accept_violation(
        violation_id=Violation.objects.get().pk,
        reason="Known, and being looked into.",
        actor=actor_of(live.world.people["admin"]),
        now=timezone.now(),
    )
    assert not Alarm.objects.filter(cleared_at=None).exists()
    decision = evaluate_version(
        version=live.version(1), alias="champion", as_of=timezone.now()
    ).decision
    assert decision is not None
    assert decision.verdict == "deny"
    assert decision.reasons[0].startswith("The version's files were changed")


def test_files_of_an_observed_model_are_a_fact_once(live: LiveRegistry) -> None:
    live.new_model()
    live.train()
    live.walk()
    live.work()
    set_mode(
        source=live.version(1).registered_model.source,
        pattern=MODEL,
        mode="observe",
        actor=actor_of(live.world.people["admin"]),
        now=timezone.now(),
    )
    (live.stored_files() / "backdoor.py").write_bytes(b"import os")
    assert look_again(live)
    assert look_again(live)
    fact = LogEntry.objects.get(event="artifacts.changed")
    assert not fact.is_violation
    assert decoded_statement(fact).predicate["detail"] == {"unexplained": True}
    assert not Violation.objects.exists()


def test_champions_are_looked_at_daily_and_others_weekly_and_by_the_task(
    live: LiveRegistry,
) -> None:
    live.new_model()
    for _ in (1, 2):
        live.train()
    live.new_version()  # without files: nothing to hash again
    set_alias_behind_the_back("champion", 1)
    live.walk()
    live.work()
    now = timezone.now()

    def due(**later: int) -> list[int]:
        return [version.version for version in due_versions(now=now + timedelta(**later))]

    assert due(hours=23) == []
    assert due(hours=25) == [1]
    assert due(days=8) == [1, 2]
    (live.stored_files(2) / "backdoor.py").write_bytes(b"import os")
    ModelVersion.objects.filter(version=2).update(hashed_at=now - timedelta(days=8))
    tasks.hash_version_again(live.version(2).uri)
    assert Violation.objects.get().version == live.version(2)
    assert due(hours=1) == []


def test_a_champion_that_cannot_be_read_keeps_nobody_from_a_turn_and_alarms(
    live: LiveRegistry, forwarder: Forwarder
) -> None:
    live.new_model()
    for _ in (1, 2):
        live.train()
    set_alias_behind_the_back("champion", 1)
    live.walk()
    live.work()
    now = timezone.now()
    ModelVersion.objects.update(hashed_at=now - timedelta(days=8))
    champion, other = live.version(1).uri, live.version(2).uri
    model_id = live.version(1).source_uri.removeprefix("models:/")
    forwarder.drop_before = f"GET /api/2.0/mlflow/logged-models/{model_id}"
    assert next_versions(now=now, limit=1) == (champion,)
    with pytest.raises(MlflowUnavailable):
        tasks.hash_version_again(champion)
    assert next_versions(now=now, limit=1) == (other,)
    assert next_versions(now=now, limit=2) == (other, champion)
    # Named since a moment ago, it was due once a week until then.
    tasks.hash_again()
    assert not Alarm.objects.exists()
    ModelAlias.objects.update(since=now - timedelta(days=2))
    tasks.hash_again()
    alarm = Alarm.objects.get(cleared_at=None)
    assert alarm.code == "registry.artifacts_unread"
    assert "loans version 1 (since " in alarm.message
    assert "version 2" not in alarm.message
    forwarder.heal()
    tasks.hash_version_again(champion)
    tasks.hash_again()
    assert not Alarm.objects.filter(cleared_at=None).exists()


def test_a_source_that_cannot_be_asked_costs_its_versions_their_place_too(
    live: LiveRegistry,
) -> None:
    live.new_model()
    live.train()
    live.walk()
    live.work()
    ModelVersion.objects.update(hashed_at=timezone.now() - timedelta(days=8))
    first = live.version(1)
    RegistrySource.objects.update(token_variable="NOT_GIVEN")
    with pytest.raises(SourceUnusable):
        tasks.hash_version_again(first.uri)
    twin = ModelVersion.objects.get(pk=first.pk)
    twin.pk, twin.version, twin.uri = None, 2, f"{first.uri}-twin"
    twin.hashed_at = timezone.now() - timedelta(days=7, hours=1)
    twin.save()
    assert next_versions(now=timezone.now(), limit=1) == (twin.uri,)
