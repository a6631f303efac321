"""Violations on pages: what was changed, what to do about it, and who answers for it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django.fixtures import Settings

from audits.models import Alarm, Disclosure, LogEntry
from audits.selectors import decoded_statement
from registry.models import RegistrySource, Violation
from tests.integration.web.forms import forms_of, post, send, text_of
from tests.integration.web.world import (
    MODEL,
    World,
    model_row,
    row_of_the_world,
    rows_of_the_world,
    version_row,
    walk,
)

Enter = Callable[[str], Client]
REASON = "Agreed with the model owner while MLflow's server was moved."


@pytest.fixture
def moved(world: World) -> Violation:
    """Somebody moved the champion in MLflow without asking."""
    walk(world, [row_of_the_world(champion=2)], rows_of_the_world())
    return Violation.objects.get()


def test_an_open_violation_is_counted_and_linked_wherever_it_matters(
    world: World, enter: Enter, moved: Violation
) -> None:
    page = f"/violations/{moved.pk}/"
    for username in world.people:
        client = enter(username)
        said = client.get("/policies/")
        assert "Violations 1 open" in text_of(said)
        assert 'href="/violations/">See the violations' in said.content.decode()
        assert "See the log" not in text_of(said)
        for address in ("/violations/", f"/models/{MODEL}/", f"/models/{MODEL}/versions/2/"):
            answer = client.get(address)
            assert f"champion of {MODEL} moved to version 2" in text_of(answer)
            assert f'href="{page}"' in answer.content.decode(), address
    assert f'href="{page}"' not in client.get(f"/models/{MODEL}/versions/1/").content.decode()
    assert f'href="{page}"' in client.get(f"/models/{MODEL}/aliases/").content.decode()


def test_a_violation_says_what_was_before_and_what_to_do(
    world: World, enter: Enter, moved: Violation
) -> None:
    client = enter("auditor")
    page = client.get(f"/violations/{moved.pk}/")
    said = text_of(page)
    assert "What Before After version 1 2" in said
    assert "Put it back in MLflow: point the alias champion at version 1." in said
    assert "set to revert" in said
    assert f'href="/log/entries/{moved.entry.sha256}/"' in page.content.decode()
    assert forms_of(page) == {}
    RegistrySource.objects.update(on_violation="revert")
    assert "Muniment puts it back by itself" in text_of(client.get(f"/violations/{moved.pk}/"))
    Violation.objects.update(attempts=5, failure="MLflow answered 500.")
    said = text_of(client.get(f"/violations/{moved.pk}/"))
    assert "Muniment tried 5 times to put it back and leaves it to you now" in said
    assert "The last of 5 tries to put it back failed: MLflow answered 500." in said
    assert client.get(f"/violations/{world.people['admin'].pk}/").status_code == 404


def test_an_admin_answers_for_it_with_a_reason_that_stays_out_of_the_log(
    world: World, enter: Enter, moved: Violation
) -> None:
    page, client = f"/violations/{moved.pk}/", enter("admin")
    empty = send(client, page, "/accept", reason="  ")
    assert empty.status_code == 400
    assert "Nothing was recorded. Give the reason" in text_of(empty)
    long = send(client, page, "/accept", reason="x" * 2001)
    assert long.status_code == 400
    assert "x" * 2001 in text_of(long)  # what was typed is not lost
    moved.refresh_from_db()
    assert moved.status == "open"
    answer = send(client, page, "/accept", reason=REASON)
    assert answer["Location"] == page
    moved.refresh_from_db()
    assert (moved.status, moved.settled_by) == ("accepted", world.people["admin"])
    fact = LogEntry.objects.get(event="violation.accepted")
    assert REASON not in bytes(fact.envelope).decode("latin-1")
    assert "Ada" not in str(decoded_statement(fact).predicate)
    reader = enter("auditor")
    shown = reader.get(page)
    said = text_of(shown)
    assert "Ada Adler answers for it" in said
    assert REASON in said
    assert f'href="/log/entries/{fact.sha256}/"' in shown.content.decode()
    assert not Alarm.objects.filter(cleared_at=None).exists()
    assert "1 open" not in text_of(reader.get("/"))
    again = post(client, f"{page}accept", reason=REASON)
    assert again.status_code == 400
    assert "This violation is not open: it is accepted." in text_of(again)
    assert LogEntry.objects.filter(event="violation.accepted").count() == 1
    Disclosure.objects.filter(text=REASON).delete()
    assert "The reason has been erased." in text_of(reader.get(page))


def test_nobody_but_an_admin_answers_for_it(world: World, enter: Enter, moved: Violation) -> None:
    page = f"/violations/{moved.pk}/"
    for username in set(world.people) - {"admin"}:
        client = enter(username)
        assert forms_of(client.get(page)) == {}
        refused = post(client, f"{page}accept", reason=REASON)
        assert refused.status_code == 403
        assert "role" in text_of(refused)
    assert enter("admin").get(f"{page}accept").status_code == 405
    moved.refresh_from_db()
    assert moved.status == "open"
    assert not LogEntry.objects.filter(event="violation.accepted").exists()


def test_what_was_put_back_or_overtaken_or_cannot_come_back_is_told_apart(
    world: World, enter: Enter, moved: Violation
) -> None:
    client = enter("admin")
    walk(world, [row_of_the_world(champion=3)], rows_of_the_world())
    assert "a later change of the same thing took its place" in text_of(
        client.get(f"/violations/{moved.pk}/")
    )
    walk(world, [row_of_the_world(champion=1)], rows_of_the_world())
    undone = Violation.objects.get(status="undone")
    said = text_of(client.get(f"/violations/{undone.pk}/"))
    assert "again as it was" in said
    assert "It was put back in MLflow, seen" in said
    # A version is deleted in MLflow: nothing brings it back, whoever answers for it.
    walk(world, [row_of_the_world(champion=1)], rows_of_the_world()[:2])
    gone = Violation.objects.get(status="open")
    page = f"/violations/{gone.pk}/"
    assert "MLflow cannot bring this back" in text_of(client.get(page))
    assert "its versions still pass no gate" in text_of(client.get(page))
    send(client, page, "/accept", reason=REASON)
    assert "MLflow cannot bring this back" in text_of(client.get(page))
    panel = text_of(client.get(f"/models/{MODEL}/versions/3/"))
    assert f"{MODEL} version 3 deleted" in panel
    assert "no gate is passed any more" in panel
    assert "deleted" not in text_of(client.get(f"/models/{MODEL}/versions/2/"))
    for state, words in [
        ("open", "Nothing is open"),
        ("undone", "moved to version 3"),
        ("superseded", "moved to version 2"),
        ("accepted", "version 3 deleted"),
    ]:
        listed = text_of(client.get("/violations/", {"state": state}))
        assert words in listed, state
    assert "3 All" in listed
    assert "No violation fits these filters" in text_of(
        client.get("/violations/?state=all&model=nothing-like-it")
    )


def test_the_list_is_filtered_and_paged_at_a_cost_that_does_not_grow(
    world: World, enter: Enter, moved: Violation
) -> None:
    client = enter("auditor")

    def queries(page: str) -> int:
        with CaptureQueriesContext(connection) as captured:
            assert client.get(page).status_code == 200
        return len(captured)

    pages = ("/violations/?state=all", f"/violations/{moved.pk}/")
    before = [queries(page) for page in pages]
    assert before[0] <= 12
    assert before[1] <= 11
    hostile = "<img src=x onerror=alert(1)>"
    names = [*(f"model-{number:02}" for number in range(30)), hostile]
    walk(
        world,
        [
            row_of_the_world(champion=2),
            *(model_row(name, aliases={"champion": 1}) for name in names),
        ],
        [*rows_of_the_world(), *(version_row(1, name) for name in names)],
    )
    assert [queries(page) for page in pages] == before
    assert "1–25 of 32" in text_of(client.get("/violations/"))
    assert "26–32 of 32" in text_of(client.get("/violations/?page=2"))
    found = client.get("/violations/", {"model": "<img"})
    assert hostile in text_of(found)
    assert "<img" not in found.content.decode()
    assert "1 Open" in text_of(found)
    RegistrySource.objects.create(name="second", uri="http://second.example")
    assert "Nothing" not in text_of(client.get("/violations/?source=default"))
    assert "No violation fits" in text_of(client.get("/violations/?source=second"))


def test_the_inventory_finds_models_by_any_violation(world: World, enter: Enter) -> None:
    client = enter("auditor")
    assert "No model fits" in text_of(client.get("/?state=violated"))
    rows = [*rows_of_the_world()[:2], version_row(3, stage="Production")]
    walk(world, [row_of_the_world()], rows)
    assert Violation.objects.get().event == "version.changed"
    assert MODEL in text_of(client.get("/?state=violated"))


def test_the_age_of_each_mirror_is_on_every_page_and_amber_when_it_is_late(
    world: World, enter: Enter, settings: Settings
) -> None:
    settings.MIRROR_WALK_SECONDS = 300
    client, now = enter("auditor"), timezone.now()
    RegistrySource.objects.update(walked_at=now - timedelta(minutes=4))
    for page in ("/", "/log/", "/policies/", "/violations/", "/aliases/", "/no-such-page"):
        said = text_of(client.get(page))
        assert "MLflow last read: 4 minutes ago" in said, page
        assert "out of date" not in said
    RegistrySource.objects.update(walked_at=now - timedelta(seconds=300 * 2 + 90))
    late = text_of(client.get("/"))
    assert "MLflow was last read 12 minutes ago" in late
    assert "out of date" in late
    RegistrySource.objects.create(name="second", uri="http://second.example", walked_at=now)
    said = text_of(client.get("/"))
    assert "MLflow (default) was last read 12 minutes ago" in said
    assert "MLflow (second)" not in said
    assert "MLflow last read: default 12 minutes ago , second just now" in said
    RegistrySource.objects.filter(name="second").update(
        failed_at=now, failing_since=now, failure="MLflow does not answer."
    )
    said = text_of(client.get("/"))
    assert "MLflow (second) was last read just now" in said
    assert "The last try failed: MLflow does not answer." in said
    RegistrySource.objects.filter(name="second").update(walked_at=None)
    assert "MLflow (second) has not been read yet" in text_of(client.get("/"))
