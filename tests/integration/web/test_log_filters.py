"""The list of the log is narrowed by what its address says, and says what it could not be."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.db import transaction
from django.http import HttpResponse
from django.test import Client

from audits.domain.actor import MIRROR, Actor
from audits.models import LogEntry
from audits.services.log import append_statement, predicate_type
from audits.web.log_pages import PAGE_SIZE
from muniment.attest.digest import Digest
from tests.integration.web.forms import text_of
from tests.integration.web.intruder import write_entry
from tests.integration.web.world import World, model_row, walk

Enter = Callable[[str], Client]
STREAM = "muniment://default/models/dated@1"


def state_event(world: World, at: datetime, actor: Actor = MIRROR) -> LogEntry:
    with transaction.atomic():
        return append_statement(
            event="model.changed",
            predicate_type=predicate_type("registry-event"),
            subject_name=STREAM,
            subject_digest=Digest("sha256", "a" * 64),
            predicate={"before": None, "after": {"at": at.isoformat()}},
            stream=STREAM,
            actor=actor,
            now=at,
        )


def subjects(answer: HttpResponse) -> set[str]:
    assert answer.status_code == 200
    return {row.subject for row in answer.context["log"].rows}


def listed(answer: HttpResponse) -> list[str]:
    assert answer.status_code == 200
    return [row.sha256 for row in answer.context["log"].rows]


def test_a_model_a_version_and_a_uri_narrow_to_what_is_about_them(
    world: World, enter: Enter
) -> None:
    client = enter("auditor")
    walk(world, [model_row("other")], [])
    version, model = world.version(2), world.model()
    whole = subjects(client.get("/log/", {"subject": "boston-mortgage"}))
    assert whole == {f"boston-mortgage{number}" for number in ("", " v1", " v2", " v3")}
    assert subjects(client.get("/log/", {"subject": model.uri})) == whole
    for spelling in ("boston-mortgage v2", version.uri):
        assert subjects(client.get("/log/", {"subject": spelling})) == {"boston-mortgage v2"}
    assert listed(client.get("/log/", {"subject": "boston-mortgage v9"})) == []
    # Addresses of before, which other pages and people have.
    assert subjects(client.get("/log/", {"model": "boston-mortgage"})) == whole


def test_a_model_may_be_called_as_a_version_is_written(world: World, enter: Enter) -> None:
    walk(world, [model_row("scorer"), model_row("scorer v2")], [])
    found = subjects(enter("auditor").get("/log/", {"subject": "scorer v2"}))
    assert found == {"scorer v2"}


def test_people_keys_policies_and_digests_are_subjects_too(world: World, enter: Enter) -> None:
    client = enter("auditor")
    rita = world.people["reviewer"]
    added = LogEntry.objects.get(subject_name=f"person:{rita.pk}")
    for spelling in ("Rita Reyes", f"person:{rita.pk}", added.sha256):
        assert listed(client.get("/log/", {"subject": spelling})) == [added.sha256]
    key = LogEntry.objects.filter(event="key.enrolled").order_by("pk")[0]
    assert listed(client.get("/log/", {"subject": key.subject_name})) == [key.sha256]


def test_somebody_is_found_by_name_by_service_and_by_pseudonym(world: World, enter: Enter) -> None:
    world.request(2)
    client = enter("auditor")
    erin = str(world.people["engineer"].pk)
    for spelling in ("Erin Engel", "erin engel", erin):
        rows = client.get("/log/", {"actor": spelling}).context["log"].rows
        assert {row.actor for row in rows} == {"Erin Engel"}
    for spelling in ("Mirror (a service)", "mirror"):
        rows = client.get("/log/", {"actor": spelling}).context["log"].rows
        assert {row.actor for row in rows} == {"Mirror (a service)"}
    page = client.get("/log/").content.decode()
    assert '<option value="Erin Engel">' in page
    assert '<option value="Mirror (a service)">' in page
    assert '<option value="Rita Reyes">' not in page
    nobody = client.get("/log/", {"actor": "Rita Reyes"})
    assert listed(nobody) == []
    assert "Nobody called “Rita Reyes” did anything that the log holds" in text_of(nobody)


def test_a_person_whose_account_is_gone_is_found_by_pseudonym(world: World, enter: Enter) -> None:
    gone = Actor(kind="person", id="00000000-0000-4000-8000-000000000001")
    entry = state_event(world, world.tick(), gone)
    client = enter("auditor")
    for spelling in (gone.id, "Person 00000000"):
        assert listed(client.get("/log/", {"actor": spelling})) == [entry.sha256]


def test_days_are_whole_and_in_utc(world: World, enter: Enter) -> None:
    client = enter("auditor")
    midnight = datetime(2026, 3, 10, tzinfo=UTC)
    moment = timedelta(microseconds=1)
    before, first, last, after = (
        state_event(world, at).sha256
        for at in (
            midnight - moment,
            midnight,
            midnight + timedelta(days=2) - moment,
            midnight + timedelta(days=2),
        )
    )
    asked = {"from": "2026-03-10", "to": "2026-03-11", "subject": "dated"}
    assert listed(client.get("/log/", asked)) == [last, first]
    assert listed(client.get("/log/", {**asked, "to": ""})) == [after, last, first]
    assert listed(client.get("/log/", {**asked, "from": ""})) == [last, first, before]
    page = client.get("/log/", asked).content.decode()
    assert 'value="2026-03-10"' in page
    assert 'value="2026-03-11"' in page


def test_days_that_are_swapped_say_so(world: World, enter: Enter) -> None:
    answer = enter("auditor").get("/log/?from=2026-03-11&to=2026-03-10")
    assert listed(answer) == []
    assert "The first day comes after the last" in text_of(answer)


@pytest.mark.parametrize("days", [{}, {"from": "2026-03-01", "to": "2026-03-31"}])
def test_pages_go_on_without_a_gap_and_keep_the_filters(
    world: World, enter: Enter, days: dict[str, str]
) -> None:
    client = enter("auditor")
    start = datetime(2026, 3, 10, tzinfo=UTC)
    # Clocks of several processes: entries share a moment, and come in another order than theirs.
    times = [start - timedelta(minutes=n // 3 * (-1) ** n) for n in range(2 * PAGE_SIZE + 7)]
    written = [state_event(world, at).sha256 for at in times]
    address: str | None = "/log/?" + "&".join(
        f"{name}={value}" for name, value in {"subject": "dated", **days}.items()
    )
    seen: list[str] = []
    pages = 0
    while address is not None:
        answer = client.get(address)
        seen += listed(answer)
        pages += 1
        older = [
            line.split('href="')[1].split('"')[0].replace("&amp;", "&")
            for line in answer.content.decode().split("<a ")
            if 'rel="next"' in line and 'href="' in line
        ]
        address = f"/log/{older[0]}" if older else None
        assert all("subject=dated" in link for link in older)
    assert pages == 3
    assert len(seen) == len(set(seen))
    assert set(seen) == set(written)


def test_what_waits_is_listed_apart(world: World, enter: Enter) -> None:
    client = enter("auditor")
    nothing = client.get("/log/?state=waiting")
    assert listed(nothing) == []
    assert "Nothing waits here" in text_of(nothing)
    entry = state_event(world, world.tick())
    forged = write_entry()
    assert listed(client.get("/log/?state=waiting")) == [forged.sha256, entry.sha256]
    world.sequence()
    assert listed(client.get("/log/?state=waiting")) == []


def test_what_is_refused_is_never_shown_as_part_of_the_log(world: World, enter: Enter) -> None:
    client = enter("auditor")
    assert "Nothing was refused" in text_of(client.get("/log/?state=refused"))
    forged = write_entry()
    world.sequence()
    for address in (
        "/log/",
        "/log/?event=approval",
        f"/log/?subject={forged.sha256}",
        "/log/?actor=stranger",
        "/log/?state=waiting",
    ):
        answer = client.get(address)
        assert forged.sha256 not in listed(answer), address
        assert "1 entry was refused and is not part of the log" in text_of(answer)
    refused = client.get("/log/?state=refused")
    assert listed(refused) == [forged.sha256]
    said = text_of(refused)
    assert "None of this is part of the log" in said
    assert "It is not a readable DSSE envelope" in said


def test_a_refused_entry_has_a_page_that_vouches_for_nothing(world: World, enter: Enter) -> None:
    client = enter("auditor")
    true = LogEntry.objects.filter(event="lineage.recorded").order_by("pk")[0]
    parts = json.loads(bytes(true.envelope))
    parts["signatures"][0]["keyid"] = "f" * 64
    unknown = write_entry(json.dumps(parts).encode())
    unreadable = write_entry(b"\xff\xfe<script>alert(1)</script>")
    columns = write_entry(bytes(true.envelope) + b" ")
    world.sequence()
    for entry, why in (
        (unknown, "No permitted key signed it: the key that it names is not enrolled."),
        (unreadable, "It is not a readable DSSE envelope"),
        (columns, "Its columns are not what its signed statement says"),
    ):
        answer = client.get(f"/log/entries/{entry.sha256}/")
        said = text_of(answer)
        assert "Refused, not in the log" in said
        assert why in said
        assert "This is not part of the log." in said
        assert "Verify in this page" not in said
        assert "In the log" not in said
        assert "<script>alert" not in answer.content.decode()
        for what in ("proof", "bundle"):
            assert client.get(f"/log/entries/{entry.sha256}/{what}").status_code == 404
        written = client.get(f"/log/entries/{entry.sha256}/envelope").content
        assert written == bytes(entry.envelope)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"from": "2026-02-30"}, "“2026-02-30” is no day of the calendar"),
        ({"to": "tomorrow"}, "“tomorrow” is not a date such as 2026-11-25"),
        ({"from": "20260230"}, "“20260230” is not a date"),
        ({"to": "99999-01-01"}, "“99999-01-01” is not a date"),
        ({"before": "9" * 40}, f"“{'9' * 40}” is not a place in the list"),
        ({"before": "-1"}, "“-1” is not a place in the list"),
        ({"state": "lost"}, "“lost” is not a state of an entry"),
        ({"subject": "a\x00b"}, "“a\ufffdb” cannot be what an entry is about"),
        ({"model": "a\x00b"}, "“a\ufffdb” cannot be the name of a model"),
        ({"actor": "x" * 501}, f"“{'x' * 60}…” cannot be somebody's name"),
        ({"event": "Promotion\x00"}, "“Promotion\ufffd” is not the name of an event"),
    ],
)
def test_what_cannot_be_narrows_nothing_and_says_so(
    world: World, enter: Enter, query: dict[str, str], said: str
) -> None:
    client = enter("auditor")
    answer = client.get("/log/", query)
    assert said in text_of(answer)
    assert "so the list is not narrowed by it." in text_of(answer)
    assert listed(answer) == listed(client.get("/log/"))


def test_the_ends_of_time_are_days_like_any_other(world: World, enter: Enter) -> None:
    client = enter("auditor")
    whole = client.get("/log/", {"from": "0001-01-01", "to": "9999-12-31"})
    assert set(listed(whole)) == set(listed(client.get("/log/")))
    far = client.get("/log/", {"before": "9" * 18, "from": "0001-01-01"})
    assert len(listed(far)) == len(listed(client.get("/log/")))
