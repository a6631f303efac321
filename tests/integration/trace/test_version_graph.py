"""The graph page of a version, and two versions compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from django.test import Client

from tests.integration.api.answers import require_problem
from tests.integration.api.conftest import Ask
from tests.integration.trace.test_trace import add_versions
from tests.integration.trace.test_withdrawal import propose, sign
from tests.integration.trace.training import capture, dataset, sha256
from tests.integration.web.forms import text_of
from tests.integration.web.world import MODEL, World, lay_lineage

Enter = Callable[[str], Client]
PAGE = f"/models/{MODEL}/versions/2/graph/"


def test_the_page_shows_the_picture_the_artifacts_and_the_records(
    world: World, enter: Enter
) -> None:
    first = lay_lineage(world, world.version(2), base_models=[f"models:/{MODEL}/1"])
    second = lay_lineage(world, world.version(2), base_models=[f"models:/{MODEL}/1"])
    world.sequence()
    client = enter("auditor")
    shown = client.get(PAGE)
    html, words = shown.content.decode(), text_of(shown)
    assert '<svg xmlns="http://www.w3.org/2000/svg" class="mm-chart"' in html
    assert "Recorded" in words
    assert f"{MODEL} v1" in words  # what its base was made from
    assert f"/log/entries/{second.entry.sha256}" in html
    assert html.index(second.entry.sha256) < html.index(first.entry.sha256)
    assert words.count("Superseded") == 2
    assert "style=" not in html.partition("<main")[2]
    assert f'href="{PAGE}"' in client.get(f"/models/{MODEL}/versions/2/").content.decode()
    add_versions(world, 4)
    assert "No lineage record yet" in text_of(client.get(f"/models/{MODEL}/versions/4/graph/"))


def test_a_withdrawn_dataset_is_named_in_the_picture(world: World, enter: Enter) -> None:
    sign(world, propose(world))
    html = enter("auditor").get(PAGE).content.decode()
    assert "mm-chart-edge--fail" in html
    assert "withdrawn: loanapp" in html


def test_two_versions_leg_by_leg(world: World, enter: Enter, ask: Ask) -> None:
    add_versions(world, 3, scorer=1)
    other = replace(capture(dataset("raw")), seeds={"numpy": "7"})
    lay_lineage(world, world.version(3), params={"C": "<b>9"}, capture=other)
    client = enter("engineer")
    shown = client.get(f"/models/{MODEL}/versions/3/compare/2/")
    words = text_of(shown)
    assert "v3 beside v2" in words
    assert sha256("raw") in words
    assert "<b>9" not in shown.content.decode()
    answer = ask(f"/api/v1/models/{MODEL}/versions/3/compare/2").json()
    legs = {one["leg"]: one for one in answer["legs"]}
    assert [one["kind"] for one in legs["code"]["changes"]] == ["commit"]
    assert legs["environment"]["changes"] == []
    assert legs["environment"]["same"] == 3
    assert {"kind": "parameter", "name": "C", "before": "0.5", "after": "<b>9"} in legs[
        "configuration"
    ]["changes"]
    # Across models; and one that has no record yet cannot be compared.
    across = client.get(f"/models/{MODEL}/versions/3/compare/1/", {"model": "scorer"})
    assert "One of the two has no lineage record" in text_of(across)
    same = client.get(f"/models/{MODEL}/versions/3/compare/3/")
    assert "the same code, data, environment and configuration" in text_of(same)


def test_the_form_of_the_page_leads_there_and_nonsense_does_not(
    world: World, enter: Enter, ask: Ask
) -> None:
    client = enter("engineer")
    form = f"/models/{MODEL}/versions/3/compare"
    led = client.get(form, {"with": " 2 ", "model": "scorer"})
    assert (led.status_code, led["Location"]) == (302, f"{form}/2/?model=scorer")
    for text in ("", "two", "9" * 40, "-1"):
        assert client.get(form, {"with": text}).status_code == 404
    assert client.get(f"{form}/99/").status_code == 404
    require_problem(ask(f"/api{'/v1'}{form}/99"), 404)
