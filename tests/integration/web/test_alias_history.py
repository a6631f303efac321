"""Who was champion when: the pages and the CSV, on what walks and a promotion left in the log."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.utils import timezone

from registry.domain.moments import rfc3339
from registry.models import AliasChange, Grant, Promotion, RegisteredModel, RegistrySource
from tests.integration.web.forms import text_of
from tests.integration.web.world import (
    EPOCH_MS,
    MODEL,
    World,
    model_row,
    row_of_the_world,
    rows_of_the_world,
    version_row,
    walk,
)

Enter = Callable[[str], Client]
PAGE = f"/models/{MODEL}/aliases/"


def promoted(world: World, number: int) -> Promotion:
    """Let a walk see an alias where the grant of an executing promotion put it."""
    promotion = world.request(number)
    Promotion.objects.filter(pk=promotion.pk).update(status="executing")
    Grant.objects.create(promotion=promotion, written_at=world.tick())
    walk(world, [row_of_the_world(champion=number)], rows_of_the_world())
    Promotion.objects.filter(pk=promotion.pk).update(status="executed")
    return promotion


def minute(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}"


def rows_of(client: Client, address: str) -> list[dict[str, str]]:
    answer = client.get(address)
    assert answer.status_code == 200
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert "attachment" in answer["Content-Disposition"]
    return list(csv.DictReader(io.StringIO(b"".join(answer).decode())))


def test_each_holder_stands_with_its_time_and_its_cause(world: World, enter: Enter) -> None:
    adopted = AliasChange.objects.get()
    world.tick(minutes=10)
    promotion = promoted(world, 2)
    world.tick(minutes=10)
    walk(world, [row_of_the_world(champion=3)], rows_of_the_world())
    world.tick(minutes=10)
    walk(world, [row_of_the_world(champion=2)], rows_of_the_world())
    client = enter("auditor")
    first, moved, wrong, back = AliasChange.objects.order_by("pk")
    assert first == adopted
    rows = rows_of(client, f"/models/{MODEL}/aliases.csv")
    told = [(row["holding"], row["version"], row["cause"]) for row in rows]
    assert told == [
        ("unknown", "", ""),
        ("held", "1", "adopted"),
        ("held", "2", "promotion"),
        ("held", "3", "violation"),
        ("held", "2", "restored"),
    ]
    assert [row["since"] for row in rows[1:]] == [
        rfc3339(change.at) for change in (first, moved, wrong, back)
    ]
    assert [row["until"] for row in rows] == [*(row["since"] for row in rows[1:]), ""]
    assert [row["log_entry"] for row in rows[1:]] == [
        change.entry.sha256 for change in (first, moved, wrong, back)
    ]
    assert rows[2]["promotion"] == str(promotion.pk)
    assert rows[3]["violation"] == str(wrong.entry.violation.pk)
    page = client.get(PAGE)
    said = text_of(page)
    assert said.index("version 3") < said.index("version 1")  # the newest first
    for words in (
        "A promotion",
        "Nothing allowed it",
        "Back to what it was before a violation",
        "There already when Muniment began to watch",
        "Before Muniment watched",
    ):
        assert words in said
    markup = page.content.decode()
    assert f'href="/promotions/{promotion.pk}/"' in markup
    assert f'href="/log/entries/{wrong.entry.sha256}/"' in markup


def test_a_moment_is_answered_with_one_version_and_before_adoption_not_at_all(
    world: World, enter: Enter
) -> None:
    adopted = AliasChange.objects.get().at
    world.tick(minutes=30)
    promoted(world, 2)
    moved = AliasChange.objects.latest("pk").at
    client = enter("auditor")

    def answer(moment: datetime) -> str:
        return text_of(client.get(PAGE, {"at": minute(moment)}))

    assert f"{MODEL} was held by version 1." in answer(adopted)
    assert f"{MODEL} was held by version 1." in answer(moved - timedelta(microseconds=1))
    assert f"{MODEL} was held by version 2." in answer(moved)
    before = answer(adopted - timedelta(microseconds=1))
    assert f"it is not known who held champion of {MODEL}: Muniment did not watch yet" in before
    assert "was held by" not in before
    assert "which is later" not in before  # the model itself is older than the watch
    assert "which is later" in answer(datetime.fromtimestamp(EPOCH_MS / 1000 - 1, tz=UTC))


def test_a_day_names_every_holder_of_it(world: World, enter: Enter) -> None:
    world.tick(minutes=1)
    walk(world, [row_of_the_world(champion=2)], rows_of_the_world())
    first, moved = (change.at for change in AliasChange.objects.order_by("pk"))
    said = text_of(enter("auditor").get(PAGE, {"at": f"{moved:%Y-%m-%d}"}))
    then = f"version 1 until {moved:%Y-%m-%d %H:%M:%S} UTC, then version 2."
    if first.date() == moved.date():
        assert (
            f"it is not known who held champion of {MODEL} until {first:%Y-%m-%d %H:%M:%S}" in said
        )
    assert then in said


def test_a_time_that_is_none_is_refused_beside_its_field_and_in_the_csv(
    world: World, enter: Enter
) -> None:
    client = enter("auditor")
    tomorrow = f"{timezone.now() + timedelta(days=2):%Y-%m-%d}"
    for page in (PAGE, "/aliases/"):
        for text, words in [("3 March", "no time that can be asked for"), (tomorrow, "not come")]:
            answer = client.get(page, {"at": text})
            assert answer.status_code == 400
            assert words in text_of(answer)
            assert 'aria-invalid="true"' in answer.content.decode()
            refused = client.get(page.rstrip("/") + ".csv", {"at": text})
            assert refused.status_code == 400
            assert words in text_of(refused)


def test_both_spellings_of_an_alias_stand_beside_each_other(world: World, enter: Enter) -> None:
    row = model_row(
        description="Approves or refuses mortgage applications.",
        tags={"team": "credit"},
        aliases={"champion": 1, "Champion": 3},
    )
    walk(world, [row], rows_of_the_world())
    client = enter("auditor")
    rows = rows_of(client, f"/models/{MODEL}/aliases.csv?at={minute(world.now)}")
    assert [(row["alias"], row["version"]) for row in rows] == [
        ("Champion", "3"),
        ("champion", "1"),
    ]
    said = text_of(client.get(PAGE, {"at": minute(world.now), "alias": "CHAMPION"}))
    assert f"Champion of {MODEL} was held by version 3." in said
    assert f"champion of {MODEL} was held by version 1." in said


def test_an_alias_that_is_not_governed_is_shown_when_it_is_asked_for(
    world: World, enter: Enter
) -> None:
    row = model_row(
        description="Approves or refuses mortgage applications.",
        tags={"team": "credit"},
        aliases={"champion": 1, "challenger": 2},
    )
    walk(world, [row], rows_of_the_world())
    client = enter("auditor")
    assert "version 2" not in text_of(client.get(PAGE))
    page = client.get(PAGE, {"alias": "challenger"})
    assert "version 2" in text_of(page)
    assert "where it is not governed or only observed" in text_of(page)
    assert '<option value="challenger" selected>' in page.content.decode()


def test_a_name_used_again_is_two_models_and_both_are_told(world: World, enter: Enter) -> None:
    first = world.model()
    held = world.now
    walk(world, [], [])
    again = model_row(creation_timestamp_ms=EPOCH_MS + 23_000_000, aliases={"champion": 1})
    versions = [
        version_row(1, source="models:/m-" + "9" * 32, run_id="9" * 32),
    ]
    walk(world, [again], versions)
    second = RegisteredModel.objects.get(gone_at=None)
    assert (second.name, second.pk) == (first.name, second.pk)
    client = enter("auditor")
    page = client.get(PAGE, {"at": minute(held)})
    said = text_of(page)
    assert "2 models have had the name" in said
    assert f"champion of {MODEL} was held by version 1." in said
    assert "it is not known who held champion" in said
    rows = rows_of(client, f"/models/{MODEL}/aliases.csv")
    told = [(row["model_uri"], row["holding"], row["version"], row["cause"]) for row in rows]
    first.refresh_from_db()
    assert told == [
        (second.uri, "unknown", "", ""),
        (second.uri, "held", "1", "violation"),
        (first.uri, "unknown", "", ""),
        (first.uri, "held", "1", "adopted"),
        (first.uri, "gone", "", "gone"),
    ]
    # A version's page goes by name: of the two only the living model's versions have one.
    links = page.content.decode().count(f'href="/models/{MODEL}/versions/1/"')
    assert links == 1


def test_a_model_that_hides_and_comes_back_had_no_champion_meanwhile(
    world: World, enter: Enter
) -> None:
    walk(world, [], [])
    away = world.now
    walk(world, [row_of_the_world()], rows_of_the_world())
    client = enter("auditor")
    rows = rows_of(client, f"/models/{MODEL}/aliases.csv")
    assert [(row["holding"], row["cause"]) for row in rows] == [
        ("unknown", ""),
        ("held", "adopted"),
        ("gone", "gone"),
        ("held", "restored"),
    ]
    said = text_of(client.get(PAGE, {"at": minute(away)}))
    assert "was held by nobody, the model being gone from MLflow." in said


def test_a_renamed_model_is_found_by_the_name_that_it_was_first_seen_with(
    world: World, enter: Enter
) -> None:
    renamed = model_row(
        "mortgages",
        creation_timestamp_ms=world.model().creation_timestamp_ms,
        description="Approves or refuses mortgage applications.",
        tags={"team": "credit"},
        aliases={"champion": 1},
    )
    walk(
        world,
        [renamed],
        [
            version_row(n, "mortgages", run_id=v.run_id, source=v.source)
            for n, v in enumerate(rows_of_the_world(), start=1)
        ],
    )
    client = enter("auditor")
    for name in ("mortgages", MODEL):
        said = text_of(client.get(f"/models/{name}/aliases/", {"at": minute(world.now)}))
        assert "champion of mortgages was held by version 1." in said
    assert client.get("/models/never-was/aliases/").status_code == 404


def test_a_moment_after_the_last_walk_is_answered_with_that_caution(
    world: World, enter: Enter
) -> None:
    client = enter("auditor")
    asked = {"at": minute(world.now)}
    RegistrySource.objects.update(walked_at=world.now - timedelta(minutes=7))
    assert "a move after that is not known yet" in text_of(client.get(PAGE, asked))
    RegistrySource.objects.update(walked_at=world.now + timedelta(minutes=1))
    assert "a move after that is not known yet" not in text_of(client.get(PAGE, asked))


def test_every_model_is_answered_for_at_one_moment_in_pages_and_in_one_csv(
    world: World, enter: Enter
) -> None:
    before = minute(world.now)
    names = [f"model-{number:02}" for number in range(60)]
    late = model_row("z-later", creation_timestamp_ms=int(timezone.now().timestamp() * 1000))
    walk(
        world,
        [row_of_the_world(), late, *(model_row(name, aliases={"champion": 1}) for name in names)],
        [*rows_of_the_world(), *(version_row(1, name) for name in names)],
    )
    client = enter("auditor")
    page = client.get("/aliases/")
    assert "51–61" not in text_of(page)
    assert "1–50 of 62" in text_of(page)
    assert "z-later" in text_of(client.get("/aliases/?page=2"))
    rows = rows_of(client, "/aliases.csv")
    assert len(rows) == 62
    assert {row["version"] for row in rows if row["model"] in names} == {"1"}
    assert [row["holding"] for row in rows if row["model"] == "z-later"] == ["nobody"]
    # Before those were seen: known of the one that was watched, unknown of the others.
    rows = rows_of(client, f"/aliases.csv?at={before}")
    assert len(rows) == 61
    assert {row["holding"] for row in rows if row["model"] in names} == {"unknown"}
    assert [row["version"] for row in rows if row["model"] == MODEL] == ["1"]
    assert "No model existed then" in text_of(client.get("/aliases/?at=2020-03-03"))
    said = text_of(client.get("/aliases/", {"q": "-07"}))
    assert "model-07" in said
    assert "model-08" not in said


def test_no_cell_of_the_csv_is_a_formula(world: World, enter: Enter) -> None:
    names = ["=1+1", "@cmd", "+x", "-x", "\tx", "\nx", "＝1"]
    walk(
        world,
        [row_of_the_world(), *(model_row(name, aliases={"champion": 1}) for name in names)],
        [*rows_of_the_world(), *(version_row(1, name) for name in names)],
    )
    rows = rows_of(enter("auditor"), "/aliases.csv")
    assert {f"'{name}" for name in names} < {row["model"] for row in rows}
    assert not [
        value for row in rows for value in row.values() if value.startswith(tuple("=+-@\t\n＝"))
    ]


def test_a_long_history_is_cut_on_the_page_and_whole_in_the_answer(
    world: World, enter: Enter, monkeypatch: pytest.MonkeyPatch
) -> None:
    for champion in (2, 1) * 3:
        walk(world, [row_of_the_world(champion=champion)], rows_of_the_world())
    first = AliasChange.objects.order_by("pk")[0]
    client = enter("auditor")
    monkeypatch.setattr("registry.web.views.aliases.MOST_PERIODS", 3)
    page = client.get(PAGE, {"at": minute(first.at)})
    assert "5 earlier periods are in the CSV" in text_of(page)
    assert f"champion of {MODEL} was held by version 1." in text_of(page)
    assert len(rows_of(client, f"/models/{MODEL}/aliases.csv")) == 8
    monkeypatch.setattr("registry.web.alias_words.MOST_NAMED", 0)
    last = AliasChange.objects.latest("pk")
    day = f"{last.at:%Y-%m-%d}"
    of_day = rows_of(client, f"/models/{MODEL}/aliases.csv?at={day}")
    held = [row for row in of_day if row["holding"] == "held"]
    assert f"and then {len(held)} more, which the CSV" in text_of(client.get(PAGE, {"at": day}))


def test_a_date_that_is_none_in_mlflow_hides_no_history(world: World, enter: Enter) -> None:
    beyond = model_row("beyond", creation_timestamp_ms=9 * 10**17, aliases={})
    walk(world, [row_of_the_world(), beyond], rows_of_the_world())
    said = text_of(enter("auditor").get("/models/beyond/aliases/", {"at": minute(world.now)}))
    assert "champion of beyond was held by nobody." in said
