"""A governed alias that moves without a grant, and a mirror that cannot see for a while."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone

from accounts.services.people import actor_of
from audits.domain.actor import EXECUTOR
from audits.models import Alarm
from config.celery import app
from lineage.errors import MlflowUnavailable
from registry import tasks
from registry.domain.mirror import Walk
from registry.models import AliasChange, ModelAlias, RegistrySource, Violation
from registry.services import mirror
from registry.services.aliases import record_alias
from registry.services.mirror import apply_walk
from registry.services.modes import set_mode
from tests.integration.registry.live import (
    MODEL,
    LiveRegistry,
    behind_the_back,
    set_alias_behind_the_back,
)
from tests.integration.web.world import World, row_of_the_world, rows_of_the_world, walk


@pytest.mark.parametrize("alias", ["champion", "Champion", "CHAMPION"])
def test_a_governed_alias_set_around_the_store_is_a_violation(
    live: LiveRegistry, alias: str
) -> None:
    live.new_model()
    live.new_version()
    live.walk()
    set_alias_behind_the_back(alias, 1)
    (fact,) = live.walk()
    assert (fact.event, fact.is_violation) == ("alias.set", True)
    change = AliasChange.objects.get()
    assert (change.alias, change.is_violation, change.promotion) == (alias, True, None)
    assert live.walk() == []


def test_a_governed_alias_moved_back_around_the_store_is_a_violation_each_time(
    live: LiveRegistry,
) -> None:
    live.new_model()
    for _ in (1, 2):
        live.new_version()
    live.walk()
    for number in (1, 2, 1):
        set_alias_behind_the_back("champion", number)
        (fact,) = live.walk()
        assert fact.is_violation
    behind_the_back("DELETE FROM registered_model_aliases WHERE name = %s", MODEL)
    removed, undone = live.walk()
    # Nothing was there when the first of them began: that is what it is brought back to.
    assert (removed.event, removed.is_violation) == ("alias.removed", False)
    assert undone.event == "violation.undone"
    assert AliasChange.objects.filter(is_violation=True).count() == 3
    assert sorted(Violation.objects.values_list("status", flat=True)) == [
        "superseded",
        "superseded",
        "undone",
    ]


def test_a_champion_from_before_muniment_watched_is_no_violation(live: LiveRegistry) -> None:
    live.new_model()
    live.new_version()
    set_alias_behind_the_back("champion", 1)
    (adopted,) = live.walk()
    assert (adopted.event, adopted.is_violation) == ("model.adopted", False)
    assert not AliasChange.objects.get().is_violation


def test_a_walk_that_began_before_an_alias_moved_does_not_move_it_back(world: World) -> None:
    began = world.tick()
    seen = Walk((row_of_the_world(),), tuple(rows_of_the_world()))
    with transaction.atomic():
        record_alias(
            registered_model=world.model(),
            alias="champion",
            version=world.version(2),
            actor=EXECUTOR,
            now=world.tick(),
        )
    changes = apply_walk(
        source=RegistrySource.objects.get(), walk=seen, started_at=began, now=world.tick()
    )
    assert [change.kind.value for change in changes] == ["alias.moved"]
    assert ModelAlias.objects.get().version == world.version(2)
    assert AliasChange.objects.count() == 2
    # A later walk that still sees it there is the truth again.
    walk(world, [row_of_the_world()], rows_of_the_world())
    assert ModelAlias.objects.get().version == world.version(1)
    assert Violation.objects.get().status == "undone"


def test_mlflow_down_is_remembered_and_the_mirror_stays(live: LiveRegistry, settings: Any) -> None:
    live.new_model()
    live.new_version()
    live.walk()
    before = RegistrySource.objects.get()
    settings.MLFLOW_TRACKING_URI = "http://127.0.0.1:9"
    with pytest.raises(MlflowUnavailable):
        tasks.walk_registry()
    down = RegistrySource.objects.get()
    assert "MLflow does not answer" in down.failure
    assert down.failed_at is not None
    assert down.walked_at == before.walked_at
    assert live.version(1).gone_at is None
    reader = Client()
    reader.force_login(live.world.people["auditor"], "django.contrib.auth.backends.ModelBackend")
    for page in ("/", f"/models/{MODEL}/", f"/models/{MODEL}/versions/1/"):
        answer = reader.get(page)
        assert answer.status_code == 200
        assert "MLflow does not answer" in answer.content.decode()
    settings.MLFLOW_TRACKING_URI = live.url
    live.walk()
    up = RegistrySource.objects.get()
    assert (up.failure, up.failed_at) == ("", None)
    assert up.walked_at is not None
    assert before.walked_at is not None
    assert up.walked_at > before.walked_at


def test_a_server_that_is_not_mlflow_empties_no_mirror(
    live: LiveRegistry, live_url: str, settings: Any
) -> None:
    live.new_model()
    live.walk()
    settings.MLFLOW_TRACKING_URI = live_url  # Muniment itself: it answers, and not as MLflow does
    with pytest.raises(MlflowUnavailable):
        tasks.walk_registry()
    settings.MLFLOW_TRACKING_URI = live.url
    assert live.walk() == []


def waiting() -> int:
    """Count the tasks in the queue."""
    with app.connection_for_read() as broker:
        return int(broker.default_channel.client.llen("default"))


def test_hints_in_a_row_are_one_walk(live: LiveRegistry) -> None:
    before = waiting()
    for _ in range(5):
        tasks.request_walk()
    assert waiting() == before + 1
    tasks.walk_registry()  # what it serves is served
    tasks.request_walk()
    assert waiting() == before + 2


def test_each_walk_that_finds_violations_raises_an_alarm_of_its_own(live: LiveRegistry) -> None:
    live.new_model()
    for _ in (1, 2):
        live.new_version()
    live.walk()
    for number in (1, 2):
        set_alias_behind_the_back("champion", number)
        live.walk()
        live.walk()  # nothing new: the alarm that is known stays
        assert Alarm.objects.count() == number
    assert Alarm.objects.get(cleared_at=None).message.count("champion of loans") == 1


def test_what_was_found_before_a_page_failed_alarms_and_is_ordered_to_be_undone(
    live: LiveRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("first", "second"):
        live.new_model(name)
        live.new_version(name)
    live.walk()
    live.work()
    source = RegistrySource.objects.get()
    RegistrySource.objects.update(on_violation=RegistrySource.OnViolation.REVERT)
    set_mode(
        source=source,
        pattern="*",
        mode="enforce",
        actor=actor_of(live.world.people["admin"]),
        now=timezone.now(),
    )
    for name in ("first", "second"):
        set_alias_behind_the_back("champion", 1, name)
    monkeypatch.setattr(mirror, "MODELS_A_PAGE", 1)
    write, pages = mirror._write_page, iter((True, False))

    def dies_at_the_second(*given: Any, **named: Any) -> None:
        if not next(pages):
            raise ConnectionError("the database went away")
        write(*given, **named)

    monkeypatch.setattr(mirror, "_write_page", dies_at_the_second)
    before = waiting()
    with pytest.raises(ConnectionError):
        tasks.walk_registry()
    assert Violation.objects.count() == 1
    assert "champion of first" in Alarm.objects.get(cleared_at=None).message
    assert waiting() == before + 1
    source.refresh_from_db()
    assert source.failure == "What MLflow says could not be written (ConnectionError)."
    assert source.failing_since is not None


def test_a_walk_without_change_alarms_for_one_that_was_killed_before_it_could(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = [row_of_the_world(champion=2)]

    def killed(**named: Any) -> None:
        raise SystemExit(9)

    with monkeypatch.context() as patch:
        patch.setattr(mirror, "refresh_alarm", killed)
        with pytest.raises(SystemExit):
            walk(world, moved, rows_of_the_world())
    assert Violation.objects.exists()
    assert not Alarm.objects.exists()
    walk(world, moved, rows_of_the_world())
    assert "champion of" in Alarm.objects.get(cleared_at=None).message
