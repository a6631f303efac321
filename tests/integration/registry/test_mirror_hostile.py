"""What anybody may write into an MLflow registry must not stop the mirror for everybody else."""

from __future__ import annotations

import hashlib

from audits.selectors import decoded_statement
from lineage.models import LineageRecord
from muniment.attest.digest import canonical_json
from registry.models import RegisteredModel
from tests.integration.registry.live import (
    MODEL,
    LiveRegistry,
    behind_the_back,
    set_alias_behind_the_back,
)
from tests.integration.web.world import (
    World,
    model_row,
    row_of_the_world,
    rows_of_the_world,
    version_row,
    walk,
)


def facts_of_walk(live: LiveRegistry) -> dict[str, int]:
    counted: dict[str, int] = {}
    for fact in live.walk():
        counted[fact.event] = counted.get(fact.event, 0) + 1
    assert live.walk() == []
    return counted


NAMES = [
    "with space",
    "per%cent%2F",
    "größe ünïcode",
    "'; DROP TABLE registry_modelversion; --",
    "<img src=x onerror=alert(1)>",
    "versions@1",
    "a" * 256,
    "模" * 40,
]


def test_models_of_any_name_are_mirrored(live: LiveRegistry) -> None:
    live.walk()
    for name in NAMES:
        live.new_model(name)
        live.new_version(name)
    assert facts_of_walk(live) == {"model.appeared": len(NAMES), "version.appeared": len(NAMES)}
    live.work()
    for name in NAMES:
        version = live.version(1, name)
        assert version.uri == f"{version.registered_model.uri}/versions/1"
        assert LineageRecord.objects.filter(version_uri=version.uri).exists()


def test_names_too_long_for_a_uri_are_left_out_and_stop_nobody(live: LiveRegistry) -> None:
    for name in ("模" * 256, "\N{PILE OF POO}" * 256):
        live.new_model(name)
        live.new_version(name)
    live.new_model("afterwards")
    assert facts_of_walk(live) == {"model.adopted": 1}
    assert RegisteredModel.objects.get().name == "afterwards"


def test_what_another_database_of_mlflow_lets_through_stops_nobody(world: World) -> None:
    """SQLite holds no text to its length."""
    walk(
        world,
        [
            row_of_the_world(),
            model_row("n" * 5_000),
            model_row("other", aliases={"a" * 300: 1, "b": 1}),
        ],
        [
            *rows_of_the_world(),
            version_row(1, "n" * 5_000),
            version_row(1, "other", run_id="r" * 500, source="s3://" + "s" * 5_000),
        ],
    )
    assert world.model().gone_at is None
    assert not RegisteredModel.objects.filter(name__startswith="nnn").exists()
    version = world.version(1, "other")
    assert version.run_id == "r" * 64
    assert list(version.aliases.values_list("alias", flat=True)) == ["b"]


def test_large_values_of_a_large_row_are_stated_by_their_digest(live: LiveRegistry) -> None:
    tags = [{"key": f"note-{number}", "value": "long " * 1_000} for number in range(20)]
    live.walk()
    live.new_model(description="word " * 1_000, tags=tags)
    live.new_version(tags=tags, description="word " * 1_000)
    facts = live.walk()
    assert [fact.event for fact in facts] == ["model.appeared", "version.appeared"]
    rows = RegisteredModel.objects.get().row, live.version(1).row
    for fact, row in zip(facts, rows, strict=True):
        stated = decoded_statement(fact).predicate["after"]
        for key in ("tags", "description"):
            content = canonical_json(row[key])
            assert stated[key] == {
                "sha256": hashlib.sha256(content).hexdigest(),
                "bytes": len(content),
            }
        assert {key: stated[key] for key in row if key not in ("tags", "description")} == {
            key: row[key] for key in row if key not in ("tags", "description")
        }
        assert row["tags"]["note-19"] == "long " * 1_000
    live.trainer.call(
        "POST",
        "model-versions/set-tag",
        {"name": MODEL, "version": "1", "key": "note-0", "value": "short"},
    )
    (changed,) = live.walk()
    assert changed.event == "version.changed"
    live.work()
    assert LineageRecord.objects.get().subject_digest.startswith("sha256:")


def test_a_run_with_more_parameters_than_fit_is_recorded(live: LiveRegistry) -> None:
    live.new_model()
    live.train(params={f"p{number}": "x" * 6_000 for number in range(30)} | {"seed": "0"})
    live.walk()
    live.work()
    record = LineageRecord.objects.get()
    assert len(bytes(record.entry.envelope)) < 65_536
    assert record.legs["code"]["grade"] == "recorded"


COPIED = (
    "INSERT INTO model_versions (workspace, name, version, creation_time, current_stage, source,"
    " status) SELECT workspace, name, %s, creation_time, current_stage, source, status"
    " FROM model_versions WHERE name = 'loans' AND version = 1"
)


def test_the_largest_version_number_hides_nothing_that_matters_and_stops_nobody(
    live: LiveRegistry,
) -> None:
    live.new_model()
    for _ in (1, 2):
        live.new_version()
    set_alias_behind_the_back("champion", 1)
    live.new_model("cards")
    live.new_version("cards")
    live.walk()
    behind_the_back(COPIED, 2**31 - 1)
    behind_the_back(
        "INSERT INTO model_version_tags (workspace, name, version, key, value)"
        " VALUES ('default', 'loans', %s, 'mlflow.prompt.is_prompt', 'true')",
        2**31 - 1,
    )
    behind_the_back(COPIED, 3)
    set_alias_behind_the_back("champion", 3)
    behind_the_back("DELETE FROM model_versions WHERE name = 'cards'")
    facts = {(fact.event, fact.is_violation) for fact in live.walk()}
    assert facts == {
        ("version.appeared", True),  # the one that hides the others
        ("version.appeared", False),
        ("alias.moved", True),
        ("version.gone", True),
    }
    assert live.version(1).gone_at is None
    assert live.version(1, "cards").gone_at is not None
    assert live.walk() == []


def test_a_prompt_is_mirrored_like_a_model(live: LiveRegistry) -> None:
    live.new_model("greeting", tags=[{"key": "mlflow.prompt.is_prompt", "value": "true"}])
    assert facts_of_walk(live) == {"model.adopted": 1}
    assert RegisteredModel.objects.get().tags == {"mlflow.prompt.is_prompt": "true"}
