"""What a walk can make nothing of: adopted when it can, if it was there, and never forgotten."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from audits.models import Alarm, LogEntry
from audits.selectors import decoded_statement
from audits.services.keys import enroll_keys
from registry.domain.mirror import ModelRow, VersionRow, Walk
from registry.models import AliasChange, ModelVersion, RegisteredModel, RegistrySource, Violation
from registry.services.mirror import apply_walk
from tests.integration.web.world import EPOCH_MS, model_row, version_row

FIRST = version_row(1, "skewed", stage="Production")
# As a clock that goes wrong has it: made after its version.
SKEWED = model_row(
    "skewed",
    creation_timestamp_ms=FIRST.creation_timestamp_ms + 1,
    aliases={"champion": 1},
)
CLEAN = model_row("clean")
LONG = timedelta(seconds=settings.MIRROR_ALARM_SECONDS)


@pytest.fixture
def source(committed_database: str) -> RegistrySource:
    enroll_keys(now=timezone.now())
    return RegistrySource.objects.create(name="default", uri="http://mlflow.example")


def walk(
    source: RegistrySource, *rows: ModelRow | VersionRow, now: datetime | None = None
) -> list[LogEntry]:
    newest = LogEntry.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    now = now or timezone.now()
    seen = Walk(
        models=tuple(row for row in rows if isinstance(row, ModelRow)),
        versions=tuple(row for row in rows if isinstance(row, VersionRow)),
    )
    apply_walk(source=source, walk=seen, started_at=now, now=now)
    return list(LogEntry.objects.filter(pk__gt=newest).order_by("pk"))


def test_what_a_torn_first_walk_left_is_adopted_by_the_next_and_nothing_else_is(
    source: RegistrySource,
) -> None:
    walk(source, SKEWED, FIRST, CLEAN)
    source.refresh_from_db()
    assert source.walked_at is not None
    assert not ModelVersion.objects.exists()
    late = model_row("late", aliases={"champion": 1})
    rest = (CLEAN, late, version_row(1, "late"))
    facts = walk(source, SKEWED, FIRST, *rest)
    assert sorted((fact.event, fact.is_violation) for fact in facts) == [
        ("alias.set", True),
        ("model.adopted", False),
        ("model.appeared", False),
        ("version.appeared", False),
    ]
    (adopted,) = [fact for fact in facts if fact.event == "model.adopted"]
    stated = decoded_statement(adopted).predicate
    assert stated["after"]["aliases"] == {"champion": 1}
    assert [row["stage"] for row in stated["after"]["versions"]] == ["Production"]
    skewed = RegisteredModel.objects.get(name="skewed")
    assert adopted.stream == skewed.uri
    assert skewed.aliases.get().version.version == 1
    assert Violation.objects.get().registered_model.name == "late"
    # From now on it counts there as well.
    second = version_row(2, "skewed")
    moved = replace(SKEWED, aliases={"champion": 2})
    facts = walk(source, moved, FIRST, second, *rest)
    assert [(fact.event, fact.is_violation) for fact in facts] == [
        ("version.appeared", False),
        ("alias.moved", True),
    ]
    assert AliasChange.objects.filter(is_violation=False).count() == 1


def test_what_stays_torn_alarms_after_a_while_is_adopted_no_more_and_ends_with_its_cause(
    source: RegistrySource,
) -> None:
    now = timezone.now()
    odd = model_row("odd", aliases={"champion": 7})
    walk(source, odd, CLEAN, now=now)
    walk(source, odd, CLEAN, now=now + LONG / 2)
    assert not Alarm.objects.exists()
    walk(source, odd, CLEAN, now=now + LONG)
    alarm = Alarm.objects.get(cleared_at=None)
    assert alarm.code == "registry.torn"
    assert "contradicts itself about odd, for longer than 30 min" in alarm.message
    seventh = version_row(7, "odd")
    facts = walk(source, odd, seventh, CLEAN, now=now + LONG * 2)
    assert [(fact.event, fact.is_violation) for fact in facts] == [
        ("version.appeared", False),
        ("alias.set", True),
    ]
    assert not Alarm.objects.filter(code="registry.torn", cleared_at=None).exists()


def test_a_creation_time_of_a_model_written_over_is_seen_through_by_the_second_walk(
    source: RegistrySource,
) -> None:
    version = version_row(1, "clean")
    walk(source, CLEAN, version)
    odd = replace(CLEAN, creation_timestamp_ms=EPOCH_MS + 10**9)
    assert walk(source, odd, version) == []
    facts = walk(source, odd, version)
    assert sorted((fact.event, fact.is_violation) for fact in facts) == [
        ("model.appeared", False),
        ("model.gone", True),
        ("version.appeared", False),
        ("version.gone", True),
    ]
    source.refresh_from_db()
    assert source.torn == {}
