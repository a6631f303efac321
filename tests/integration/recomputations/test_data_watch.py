"""The data of champions, hashed again where it lies: one changed byte is found, stated, alarmed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Notice
from accounts.services.alarm_notices import follow_alarms
from accounts.services.people import actor_of
from audits.models import Alarm, LogEntry
from audits.selectors import decoded_statement
from lineage.models import AllowedPlace, DatasetWatch
from lineage.services.places import allow_place
from muniment.attest.digest import Digest
from muniment.datasets import DatasetReference, refer
from registry import tasks
from registry.services.data_watch import UNREAD_FOR, refresh_data_alarms, watch_data
from tests.integration.recomputations.ordering import CAPTURE
from tests.integration.web.world import World, lay_lineage

LOANS = b"amount,race,approved\n1200,White,1\n900,Black,0\n"


def allow(world: World, prefix: str, **fields: Any) -> None:
    allow_place(
        place=AllowedPlace(source_name="default", kind="data", prefix=prefix, **fields),
        actor=actor_of(world.people["admin"]),
        now=timezone.now(),
    )


def lay(world: World, *datasets: DatasetReference, number: int = 1) -> None:
    capture = replace(CAPTURE, datasets=datasets)
    lay_lineage(world, world.version(number), capture=capture)


def look(world: World, number: int = 1, *, later: timedelta = timedelta()) -> None:
    watch_data(version=world.version(number), clock=lambda: timezone.now() + later)


def facts() -> list[tuple[str, Any]]:
    return [
        (entry.event, decoded_statement(entry).predicate)
        for entry in LogEntry.objects.filter(event__startswith="dataset.").order_by("pk")
    ]


def open_alarms() -> dict[str, str]:
    return dict(Alarm.objects.filter(cleared_at=None).values_list("code", "message"))


@pytest.fixture
def data(world: World, tmp_path: Path) -> Path:
    """A champion whose training data is one file, in a place that an admin allowed."""
    file = tmp_path / "data" / "loans.csv"
    file.parent.mkdir()
    file.write_bytes(LOANS)
    allow(world, f"file://{file.parent}")
    lay(world, refer(file))
    return file


def test_one_changed_byte_is_found_named_and_told(world: World, data: Path) -> None:
    look(world)
    assert facts() == []
    assert DatasetWatch.objects.get().state == "held"
    data.write_bytes(LOANS.replace(b"900", b"901"))
    look(world)
    look(world)  # what is known is not stated again
    [(event, said)] = facts()
    assert event == "dataset.changed"
    assert said["before"] == {"digest": str(Digest.of_bytes(LOANS))}
    assert said["after"] == {"digest": str(Digest.of_bytes(data.read_bytes()))}
    assert said["detail"]["name"] == "loans.csv"
    assert said["actor"] == {"kind": "service", "id": "schedule"}
    [(code, message)] = open_alarms().items()
    assert code == "registry.data_changed"
    assert "loans.csv of boston-mortgage version 1" in message
    follow_alarms(now=timezone.now())
    notice = Notice.objects.get(kind="registry")
    assert notice.subject == "Data that a champion was trained on changed where it lies."
    data.write_bytes(LOANS.replace(b"900", b"902"))  # and once more
    look(world)
    data.write_bytes(LOANS)
    look(world)
    assert [name for name, _ in facts()] == [
        *("dataset.changed", "dataset.changed", "dataset.restored")
    ]
    assert open_alarms() == {}


def test_what_is_gone_is_changed_and_stays_so_while_it_cannot_be_read(
    world: World, data: Path
) -> None:
    look(world)
    data.unlink()
    look(world)
    [(event, said)] = facts()
    assert (event, said["after"]) == ("dataset.changed", None)
    assert open_alarms().keys() == {"registry.data_changed"}


def test_data_that_cannot_be_read_for_two_nights_alarms(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    allow(
        world,
        "s3://bucket/loans",
        credentials={"key": "LOANS_KEY", "secret": "LOANS_SECRET"},
    )
    monkeypatch.delenv("LOANS_KEY", raising=False)
    reference = DatasetReference(
        role="training",
        name="loans",
        kind="object",
        uri="s3://bucket/loans/loans.csv",
        digest=Digest.of_bytes(LOANS),
        size_bytes=len(LOANS),
    )
    lay(world, reference)
    look(world)
    look(world, later=timedelta(hours=24))
    assert open_alarms() == {}
    look(world, later=timedelta(hours=48))
    [(code, message)] = open_alarms().items()
    assert code == "registry.data_unread"
    assert "LOANS_KEY" in message
    assert facts() == []  # of that nothing can be concluded


def test_nobody_looking_alarms_as_well(world: World, data: Path) -> None:
    look(world)
    refresh_data_alarms(now=timezone.now() + UNREAD_FOR + timedelta(minutes=1))
    assert "nobody looked" in open_alarms()["registry.data_unread"]
    look(world)
    assert open_alarms() == {}


def test_what_no_admin_allowed_is_not_opened_and_not_alarmed(
    world: World, data: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "secret.csv"
    elsewhere.write_bytes(LOANS)
    lay(world, refer(data), refer(elsewhere))
    look(world)
    elsewhere.write_bytes(b"other")
    look(world)
    assert [row.name for row in DatasetWatch.objects.all()] == ["loans.csv"]
    assert facts() == []


def test_the_alarm_is_about_what_is_served_and_ends_with_it(world: World, data: Path) -> None:
    lay(world, refer(data), number=2)
    data.write_bytes(b"other\n")
    look(world, 2)  # no champion
    assert open_alarms() == {}
    look(world, 1)
    assert open_alarms().keys() == {"registry.data_changed"}
    lay(world)  # recorded again without any dataset
    look(world, 1)
    assert open_alarms() == {}


def test_hostile_references_stop_nothing(world: World, data: Path) -> None:
    good = refer(data)
    lay(
        world,
        good,
        replace(good, name="loans.csv"),
        replace(good, name="a\x1b[2J\nb", uri="file:///etc/passwd"),
        replace(good, name="nowhere", uri=""),
        replace(good, name="odd", uri="gopher://x"),
    )
    look(world)
    states = dict(DatasetWatch.objects.values_list("name", "state"))
    assert states["loans.csv"] == "held"
    assert "a\x1b[2J\nb" not in states


def test_beat_has_every_champion_looked_at(world: World, data: Path, settings: Any) -> None:
    sent: list[str] = []
    from config.celery import app

    with app.connection_for_write() as connection:
        queue = connection.SimpleQueue("recompute")
        queue.clear()
        tasks.hash_data_again()
        message = queue.get(timeout=5)
        sent.append(message.payload[0][0])
        message.ack()
        queue.close()
    assert sent == [world.version(1).uri]
    tasks.hash_data_of_version(sent[0])
    assert DatasetWatch.objects.get().state == "held"
