"""What depends on an artifact and what a version was made from, however deep."""

from __future__ import annotations

import csv
import importlib
import io
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connection, connections, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from lineage.domain.graph import Role, edges_of
from lineage.models import ArtifactEdge, ArtifactNode, EnvironmentPackage, LineageRecord
from muniment.lineage_file import CapturedEnvironment, Package
from tests.integration.api.answers import require_problem
from tests.integration.api.conftest import Ask
from tests.integration.trace.training import capture, dataset, sha256
from tests.integration.web.forms import text_of
from tests.integration.web.world import (
    MODEL,
    World,
    lay_lineage,
    model_row,
    row_of_the_world,
    version_row,
    walk,
)

Enter = Callable[[str], Client]
LOANAPP = sha256("loanapp")
# Reading the token and its person included.
FROZEN = 10


def found(ask: Ask, of: str, **query: Any) -> list[str]:
    answer = ask("/api/v1/trace", data={"of": of, **query})
    assert answer.status_code == 200, answer.content
    return [f"{one['model']} v{one['version']}" for one in answer.json()["results"]]


def add_versions(world: World, last: int, **models: int) -> None:
    """Register versions up to `last` of the world's model, and other models with so many."""
    walk(
        world,
        [row_of_the_world(), *(model_row(name) for name in models)],
        [
            *(version_row(number) for number in range(1, last + 1)),
            *(
                version_row(number, name)
                for name, count in models.items()
                for number in range(1, count + 1)
            ),
        ],
    )


def test_what_was_trained_on_a_dataset(world: World, ask: Ask) -> None:
    assert found(ask, LOANAPP) == found(ask, f"sha256:{LOANAPP}") == [f"{MODEL} v2", f"{MODEL} v1"]
    assert found(ask, LOANAPP, champions="true") == [f"{MODEL} v1"]
    assert found(ask, LOANAPP, role="evaluation") == []
    assert found(ask, LOANAPP, role="training") == [f"{MODEL} v2", f"{MODEL} v1"]
    [first, _] = ask("/api/v1/trace", data={"of": LOANAPP}).json()["results"]
    assert first["roles"] == ["training"]
    assert first["through"] == []
    assert (
        first["log_entry"]
        == LineageRecord.objects.get(version_uri=world.version(2).uri).entry.sha256
    )


def test_what_contains_a_package_and_what_came_from_a_commit(world: World, ask: Ask) -> None:
    every = [f"{MODEL} v{number}" for number in (3, 2, 1)]
    assert found(ask, "Scikit_Learn == 1.9.1") == every
    assert found(ask, "scikit-learn==1.9.2") == []
    commit = LineageRecord.objects.get(version_uri=world.version(2).uri).facts["commit"]
    assert found(ask, commit) == found(ask, commit[:7].upper()) == [f"{MODEL} v2"]
    # One environment, however many records name it: its packages are said once.
    assert EnvironmentPackage.objects.count() == 3


def test_a_model_that_was_tuned_depends_on_what_its_base_was_made_from(
    world: World, ask: Ask
) -> None:
    add_versions(world, 4, scorer=2, ranker=1)
    digest = lay_lineage(world, world.version(4), capture=capture(dataset("raw"))).subject_digest
    # Named before it is recorded itself, once by name and once by digest: the order is nobody's.
    lay_lineage(
        world,
        world.version(1, "ranker"),
        capture=capture(dataset("own")),
        base_models=["models:/scorer/2"],
    )
    lay_lineage(
        world, world.version(2, "scorer"), capture=capture(dataset("mid")), base_models=[digest]
    )
    assert found(ask, sha256("raw")) == [f"{MODEL} v4", "ranker v1", "scorer v2"]
    assert found(ask, sha256("mid")) == ["ranker v1", "scorer v2"]
    assert found(ask, sha256("own")) == ["ranker v1"]
    assert found(ask, digest) == ["ranker v1", "scorer v2"]
    assert found(ask, "models:/scorer/2") == ["ranker v1"]
    told = ask("/api/v1/trace", data={"of": sha256("raw")}).json()["results"]
    assert [(one["model"], one["roles"], one["through"]) for one in told] == [
        (MODEL, ["training"], []),
        ("ranker", [], ["models:/scorer/2"]),
        ("scorer", [], [digest]),
    ]
    made = ask("/api/v1/models/ranker/versions/1/made-from").json()["results"]
    data = [(one["name"], one["is_own"], one["into"]) for one in made if one["role"] == "training"]
    assert data == [
        ("own", True, ["ranker v1"]),
        *sorted(
            [("mid", False, ["scorer v2"]), ("raw", False, [f"{MODEL} v4"])],
            key=lambda one: sha256(one[0]),
        ),
    ]


def test_a_dataset_that_another_run_wrote_carries_on_what_it_was_made_from(
    world: World, ask: Ask
) -> None:
    add_versions(world, 4, features=1)
    lay_lineage(
        world,
        world.version(1, "features"),
        capture=capture(dataset("raw"), outputs={"features.csv": "features"}),
    )
    lay_lineage(world, world.version(4), capture=capture(dataset("features")))
    assert found(ask, sha256("raw")) == [f"{MODEL} v4", "features v1"]


def test_models_that_claim_to_be_tuned_from_each_other_are_walked_once(
    world: World, ask: Ask
) -> None:
    add_versions(world, 3, left=1, right=1)
    lay_lineage(
        world,
        world.version(1, "left"),
        capture=capture(dataset("raw")),
        base_models=["models:/right/1", "models:/left/1"],
    )
    lay_lineage(
        world,
        world.version(1, "right"),
        capture=capture(dataset("other")),
        base_models=["models:/left/1"],
    )
    assert found(ask, sha256("raw")) == found(ask, sha256("other")) == ["left v1", "right v1"]
    made = ask("/api/v1/models/left/versions/1/made-from").json()["results"]
    assert sorted({one["name"] for one in made if one["role"] == "training"}) == ["other", "raw"]


def test_a_superseded_record_counts_only_where_asked(world: World, ask: Ask) -> None:
    lay_lineage(world, world.version(2), capture=capture(dataset("other")))
    assert found(ask, LOANAPP) == [f"{MODEL} v1"]
    assert found(ask, LOANAPP, superseded="true") == [f"{MODEL} v2", f"{MODEL} v1"]
    assert found(ask, sha256("other")) == [f"{MODEL} v2"]


def test_a_lock_that_nobody_read_says_nothing_of_what_the_real_one_holds(
    world: World, ask: Ask
) -> None:
    """A run that claims another's lock digest with packages of its own does not change that one."""
    lock = EnvironmentPackage.objects.values_list("environment__key", flat=True)[0]
    claimed = replace(
        capture(),
        environment=CapturedEnvironment(
            lock_sha256=lock.removeprefix("sha256:"), packages=(Package("evil", "1.0"),)
        ),
    )
    drawn = edges_of(
        version_uri=world.version(1).uri,
        model_name=MODEL,
        subject_digest="",
        has_artifacts=False,
        facts={"capture": claimed.as_mapping()},
    )
    [edge] = [edge for edge in drawn.edges if edge.role is Role.ENVIRONMENT]
    assert edge.key != lock
    assert drawn.packages == ("evil==1.0",)


@pytest.mark.parametrize("text", ["", "loanapp", "sha256:12", "4f2a9", "scikit-learn>=1", "a\x00"])
def test_what_names_no_artifact_is_refused_in_words(world: World, ask: Ask, text: str) -> None:
    said = require_problem(ask("/api/v1/trace", data={"of": text}), 400)
    assert said["detail"]


def test_filters_pages_and_words(world: World, enter: Enter) -> None:
    client = enter("auditor")
    assert "Paste what you have" in text_of(client.get("/trace/"))
    page = client.get("/trace/", {"of": LOANAPP, "champions": "1"})
    assert f"{MODEL} v1" in text_of(page)
    assert f"{MODEL} v2" not in text_of(page)
    assert "No record names it" in text_of(client.get("/trace/", {"of": "0" * 64}))
    evaluated = client.get("/trace/", {"of": LOANAPP, "role": "evaluation"})
    assert "Nothing depends on it" in text_of(evaluated)
    refused = client.get("/trace/", {"of": "<b>loanapp</b>"})
    assert refused.status_code == 400
    assert b"<b>loanapp" not in refused.content
    table = client.get("/trace.csv", {"of": LOANAPP})
    rows = list(csv.DictReader(io.StringIO(b"".join(table.streaming_content).decode())))
    assert [(row["version"], row["champion"], row["used_as"]) for row in rows] == [
        ("2", "no", "training"),
        ("1", "yes", "training"),
    ]


def test_nobody_who_is_not_signed_in_traces(world: World, ask: Ask) -> None:
    require_problem(ask("/api/v1/trace", data={"of": LOANAPP}, who=None), 401)
    assert Client().get("/trace/").status_code == 302


def test_the_command_says_both_directions(world: World) -> None:
    def said(*arguments: str) -> dict[str, Any]:
        out = io.StringIO()
        call_command("trace", *arguments, "--json", stdout=out)
        told: dict[str, Any] = json.loads(out.getvalue())
        return told

    depending = said("depends-on", LOANAPP, "--champions")
    assert [(one["version"], one["roles"]) for one in depending["versions"]] == [(1, ["training"])]
    made = said("made-from", MODEL, "2")["made_from"]
    assert {one["role"] for one in made} == {"training", "code", "environment"}
    words = io.StringIO()
    call_command("trace", "depends-on", "numpy==2.4.6", stdout=words)
    assert "boston-mortgage v1  champion  environment" in words.getvalue()


def test_query_counts_do_not_grow(world: World, ask: Ask) -> None:
    def count() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert ask("/api/v1/trace", data={"of": LOANAPP}).status_code == 200
        return len(captured)

    count()
    before = count()
    add_versions(world, 12, other=3)
    for number in range(4, 13):
        lay_lineage(world, world.version(number))
    for number in range(1, 4):
        lay_lineage(world, world.version(number, "other"), base_models=[f"models:/{MODEL}/4"])
    assert count() == before == FROZEN


def test_records_that_are_there_already_are_drawn_the_same(world: World) -> None:
    """The migration draws what recording drew, and only what is not drawn yet."""
    migration = importlib.import_module("lineage.migrations.0006_draw_records")
    lay_lineage(
        world, world.version(3), capture=capture(dataset("raw")), base_models=["sha256:" + "1" * 64]
    )

    def drawn() -> tuple[set[Any], set[Any]]:
        edges = ArtifactEdge.objects.values_list("record_id", "node__key", "role", "name")
        packages = EnvironmentPackage.objects.values_list("environment__key", "package__key")
        return set(edges), set(packages)

    before = drawn()
    assert len(before[0]) > 10
    tables = ", ".join(
        model._meta.db_table for model in (EnvironmentPackage, ArtifactEdge, ArtifactNode)
    )
    with connections["owner"].cursor() as cursor:
        for table in tables.split(", "):
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        cursor.execute(f"TRUNCATE {tables}")
    assert drawn() == (set(), set())
    with connections["owner"].schema_editor(atomic=False) as editor:
        migration.draw(apps, editor)
        migration.draw(apps, editor)
    assert drawn() == before


def test_the_graph_is_append_only(world: World) -> None:
    for statement in (
        "UPDATE lineage_node_record SET key = 'forged'",
        "DELETE FROM lineage_edge_record",
        "TRUNCATE lineage_package_record",
    ):
        with (
            pytest.raises(Exception, match="permission denied"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)
