"""The client against a real MLflow server, with Muniment's store plugged in."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from config.embedded import EmbeddedStack
from lineage.errors import ArtifactMissing, MlflowMissing, MlflowRefused
from lineage.mlflow import MlflowClient
from tests.integration.lineage.scripted import ScriptedServer
from tests.integration.lineage.trainer import Trainer

PROMPT = {"key": "mlflow.prompt.is_prompt", "value": "true"}


def test_walk_sees_models_versions_and_aliases(client: MlflowClient, trainer: Trainer) -> None:
    logged = trainer.train()
    client.set_alias(logged.name, "Challenger", 1)
    model = {row.name: row for row in client.search_registered_models()}[logged.name]
    version = {(row.name, row.version): row for row in client.search_model_versions().rows}[
        logged.name, 1
    ]
    assert model.aliases == {"Challenger": 1}
    assert model.latest_version == 1
    assert (version.run_id, version.source) == (logged.run_id, f"models:/{logged.model_id}")
    assert version == client.get_model_version(logged.name, 1)
    # MLflow makes the model first: an older version would mean a torn walk.
    assert version.creation_timestamp >= model.creation_timestamp


def test_walk_sees_prompts(client: MlflowClient, trainer: Trainer) -> None:
    name = "greeting-prompt"
    trainer.call("POST", "registered-models/create", {"name": name, "tags": [PROMPT]})
    text = {"key": "mlflow.prompt.text", "value": "Hello"}
    trainer.version(name, source="prompt-template", tags=[PROMPT, text])
    assert {row.name: row for row in client.search_registered_models()}[name].is_prompt
    found = [row for row in client.search_model_versions().rows if row.name == name]
    assert [row.tags["mlflow.prompt.text"] for row in found] == ["Hello"]


@pytest.mark.parametrize("is_disguised", [False, True])
def test_versions_hidden_by_the_prompt_tag_are_found(
    client: MlflowClient, trainer: Trainer, postgres: EmbeddedStack, is_disguised: bool
) -> None:
    name, _ = trainer.registered(source="s3://bucket/one")
    for source in ("s3://bucket/two", "s3://bucket/three", "s3://bucket/four"):
        trainer.version(name, source=source)
    # Around our store, which refuses this tag: by SQL in MLflow's own database.
    with psycopg.connect(postgres.superuser_url("mlflow")) as connection:
        connection.execute(
            "INSERT INTO model_version_tags (workspace, name, version, key, value)"
            " SELECT workspace, name, version, %s, 'true' FROM model_versions"
            " WHERE name = %s AND version = 2",
            [PROMPT["key"], name],
        )
        if is_disguised:  # as a true prompt in everything that the searches show
            connection.execute(
                "INSERT INTO registered_model_tags (workspace, name, key, value)"
                " VALUES ('default', %s, %s, 'true')",
                [name, PROMPT["key"]],
            )
            connection.execute(
                "UPDATE model_versions SET source = 'prompt-template'"
                " WHERE name = %s AND version = 2",
                [name],
            )
    shown = trainer.call("GET", f"model-versions/search?filter=name='{name}'", {})
    assert shown == {}
    found = sorted(row.version for row in client.search_model_versions().rows if row.name == name)
    assert found == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("route", "largest"), [("model-versions", 200_000), ("registered-models", 1_000)]
)
def test_mlflow_still_takes_the_largest_page(route: str, largest: int, trainer: Trainer) -> None:
    trainer.call("GET", f"{route}/search?max_results={largest}", {})
    with pytest.raises(AssertionError, match="max_results"):
        trainer.call("GET", f"{route}/search?max_results={largest + 1}", {})


def test_alias_that_is_not_there_is_none(client: MlflowClient, trainer: Trainer) -> None:
    name, _ = trainer.registered(source="s3://bucket/one")
    assert client.get_alias(name, "challenger") is None
    assert client.get_version_by_alias(name, "challenger") is None
    assert client.get_alias("no such model", "challenger") is None


def test_alias_is_set_and_read(client: MlflowClient, trainer: Trainer) -> None:
    name, _ = trainer.registered(source="s3://bucket/one")
    trainer.version(name, source="s3://bucket/two")
    client.set_alias(name, "challenger", 2)
    assert client.get_alias(name, "challenger") == 2
    found = client.get_version_by_alias(name, "challenger")
    assert found is not None
    assert found.source == "s3://bucket/two"


def test_governed_alias_is_refused_with_the_stores_sentence(
    client: MlflowClient, trainer: Trainer
) -> None:
    name, _ = trainer.registered(source="s3://bucket/one")
    with pytest.raises(MlflowRefused, match="champion") as caught:
        client.set_alias(name, "champion", 1)
    assert (caught.value.status, caught.value.error_code) == (403, "PERMISSION_DENIED")
    assert client.get_alias(name, "champion") is None


def test_run_and_logged_model_are_read(client: MlflowClient, trainer: Trainer) -> None:
    logged = trainer.train()
    run = client.get_run(logged.run_id)
    assert run.params == {"seed": "0", "C": "1.0"}
    assert run.tags["muniment.entry_point"] == "train.py"
    assert (run.start_time, run.end_time) == (1_795_445_659_328, 1_795_445_660_008)
    assert client.get_logged_model(logged.model_id).source_run_id == logged.run_id


@pytest.mark.parametrize("run_id", ["0" * 32, "../../x", "x y", "%2e%2e"])
def test_run_that_is_not_there_is_missing(run_id: str, client: MlflowClient) -> None:
    with pytest.raises(MlflowMissing):
        client.get_run(run_id)


def test_logged_model_that_is_not_there_is_missing(client: MlflowClient) -> None:
    with pytest.raises(MlflowMissing):
        client.get_logged_model(f"m-{'0' * 32}")


@pytest.mark.parametrize(
    "name", ["MLmodel", "with space.txt", "größe.txt", "a;b.txt", "c?d=e&f.txt", "50%.txt", "+.txt"]
)
def test_artifact_of_any_ordinary_name_is_read(
    name: str, client: MlflowClient, trainer: Trainer
) -> None:
    logged = trainer.train(files={f"folder/{name}": name.encode()})
    (folder,) = client.list_artifacts(logged.model_place)
    assert (folder.name, folder.is_folder) == ("folder", True)
    (entry,) = client.list_artifacts(logged.model_place, "folder")
    assert (entry.name, entry.is_folder) == (name, False)
    found = client.read_artifact(logged.model_place, f"folder/{name}", max_bytes=1_000)
    assert found == name.encode()


def test_large_artifact_streams_to_a_file(
    client: MlflowClient, trainer: Trainer, tmp_path: Path
) -> None:
    content = bytes(range(256)) * 20_000
    logged = trainer.train(files={"weights.bin": content})
    trainer.put(logged.run_place, "weights.bin", content)
    client.download_run_artifact(logged.run_id, "weights.bin", tmp_path / "weights.bin")
    assert (tmp_path / "weights.bin").read_bytes() == content


def test_artifact_that_is_not_there_is_missing(
    client: MlflowClient, trainer: Trainer, tmp_path: Path
) -> None:
    logged = trainer.train()
    for run_id in (logged.run_id, "0" * 32):
        with pytest.raises(ArtifactMissing):
            client.download_run_artifact(run_id, "predictions.parquet", tmp_path / "file")


def test_webhook_is_created_listed_and_delivered(client: MlflowClient) -> None:
    events = (("MODEL_VERSION", "CREATED"), ("MODEL_VERSION_ALIAS", "CREATED"))
    with ScriptedServer() as receiver:
        made = client.create_webhook(
            name="muniment-test", url=f"{receiver.url}/hooks/mlflow", events=events, secret="s" * 32
        )
        assert made in client.list_webhooks()
        assert set(made.events) == set(events)
        delivery = client.test_webhook(made.webhook_id)
        assert (delivery.succeeded, delivery.response_status) == (True, 200)
        (asked,) = receiver.asked
    assert asked.headers["x-mlflow-signature"].startswith("v1,")
