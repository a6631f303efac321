"""What is not governed goes on as if the gatekeeper were not there: models, runs, prompts."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import pytest

from tests.integration.gatekeeper.live import Answer, GrantCounter, MlflowServer

pytestmark = pytest.mark.timeout(180)

# MLflow's client warns that stages will go.
STAGES = pytest.mark.filterwarnings("ignore:.*transition_model_version_stage:FutureWarning")
PROMPT_TAG = "mlflow.prompt.is_prompt"


def assert_refused(answer: Answer) -> None:
    assert (answer.status, answer.error_code) == (403, "PERMISSION_DENIED"), answer


def test_an_ungoverned_alias_passes(client: Any, guarded_mlflow: MlflowServer) -> None:
    name = guarded_mlflow.new_model()
    client.set_registered_model_alias(name, "challenger", "2")
    assert guarded_mlflow.aliases(name) == {"challenger": "2"}
    client.delete_registered_model_alias(name, "challenger")
    assert guarded_mlflow.aliases(name) == {}


@STAGES
def test_an_ungoverned_model_is_its_owners_own(client: Any, guarded_mlflow: MlflowServer) -> None:
    name = guarded_mlflow.new_model(prefix="sandbox-gov")
    client.set_registered_model_alias(name, "Champion", "1")
    client.set_model_version_tag(name, "1", "muniment.note", "free here")
    client.transition_model_version_stage(name, "1", "Production")
    client.rename_registered_model(name, f"{name}-renamed")
    client.delete_model_version(f"{name}-renamed", "1")
    client.delete_registered_model(f"{name}-renamed")


def test_training_registers_a_governed_model_with_its_run(
    client: Any, guarded_mlflow: MlflowServer, counter: GrantCounter
) -> None:
    run = client.create_run(client.create_experiment("training"))
    client.set_tag(run.info.run_id, "muniment.dataset.sha256", "0" * 64)
    client.log_param(run.info.run_id, "seed", 7)
    client.log_text(run.info.run_id, "weights", "model/weights.txt")
    model = client.create_registered_model("gov-trained", tags={"team": "risk"}, description="d")
    version = client.create_model_version(
        model.name,
        f"{run.info.artifact_uri}/model",
        run.info.run_id,
        tags={"mlflow.note": "first", "validation_status": "pending"},
    )
    client.update_registered_model(model.name, description="Scores applications.")
    client.update_model_version(model.name, version.version, description="baseline")
    client.set_registered_model_tag(model.name, "owner", "ann")
    client.delete_registered_model_tag(model.name, "owner")
    client.set_model_version_tag(model.name, "1", "validation_status", "done")
    client.delete_model_version_tag(model.name, "1", "validation_status")
    read = client.get_model_version(model.name, "1")
    assert (read.run_id, read.description) == (run.info.run_id, "baseline")
    assert client.get_run(run.info.run_id).data.tags["muniment.dataset.sha256"] == "0" * 64


def test_prompts_are_made_used_and_deleted(client: Any, guarded_mlflow: MlflowServer) -> None:
    client.register_prompt("gov-greeting", "Hello {{name}}", tags={"team": "care"})
    client.register_prompt("gov-greeting", "Dear {{name}}", tags={"team": "care"})
    client.set_prompt_alias("gov-greeting", "production", 2)
    client.set_prompt_alias("gov-greeting", "champion", 1)
    assert client.load_prompt("prompts:/gov-greeting@production").template == "Dear {{name}}"
    assert client.load_prompt("prompts:/gov-greeting@champion").template == "Hello {{name}}"
    client.set_prompt_tag("gov-greeting", "reviewed", "yes")
    client.set_prompt_version_tag("gov-greeting", "1", "tone", "warm")
    assert "gov-greeting" in {prompt.name for prompt in client.search_prompts()}
    client.delete_prompt_alias("gov-greeting", "champion")
    client.delete_prompt_version("gov-greeting", "1")
    client.delete_prompt_version("gov-greeting", "2")
    client.delete_prompt("gov-greeting")
    assert "gov-greeting" not in {prompt.name for prompt in client.search_prompts()}


@pytest.mark.parametrize("prefix", ["/api/2.0/mlflow", "/ajax-api/2.0/mlflow"])
@pytest.mark.parametrize("value", ["true", "True", "false"])
@pytest.mark.parametrize("key", [PROMPT_TAG, PROMPT_TAG.upper()])
def test_a_model_cannot_be_hidden_as_a_prompt(
    prefix: str, value: str, key: str, client: Any, guarded_mlflow: MlflowServer
) -> None:
    name = guarded_mlflow.new_model()
    tag = {"key": key, "value": value}
    # Where MLflow takes the version for a prompt's, it asks for the placeholder as its source.
    is_prompt_to_mlflow = key == PROMPT_TAG and value.lower() == "true"
    version = {"name": name, "source": "dummy-source" if is_prompt_to_mlflow else "s3://b/m"}
    placeholder = {"name": name, "source": "dummy-source"}
    for path, content in [
        ("/registered-models/set-tag", {"name": name} | tag),
        ("/model-versions/set-tag", {"name": name, "version": "1"} | tag),
        ("/model-versions/create", version | {"tags": [tag]}),
        (
            "/model-versions/create",
            placeholder | {"tags": [tag, {"key": PROMPT_TAG, "value": "true"}]},
        ),
    ]:
        assert_refused(guarded_mlflow.call("POST", path, content, prefix=prefix))
    assert len(client.search_model_versions(f"name = '{name}'")) == 2
    assert name in {model.name for model in client.search_registered_models()}


def test_a_model_cannot_be_registered_under_a_prompts_name(
    client: Any, guarded_mlflow: MlflowServer
) -> None:
    client.register_prompt("gov-cover", "{{x}}")
    hidden = {"name": "gov-cover", "source": "s3://bucket/model"}
    for tags in ([], [{"key": "team", "value": "risk"}]):
        assert_refused(
            guarded_mlflow.call("POST", "/model-versions/create", hidden | {"tags": tags})
        )
    # With the tag MLflow itself asks for a source that is not loadable.
    tagged = hidden | {"tags": [{"key": PROMPT_TAG, "value": "true"}]}
    assert guarded_mlflow.call("POST", "/model-versions/create", tagged).status == 400


def test_a_prompt_cannot_be_turned_into_a_model(client: Any, guarded_mlflow: MlflowServer) -> None:
    client.register_prompt("gov-turncoat", "{{x}}")
    client.set_prompt_alias("gov-turncoat", "champion", 1)
    for method, path, content in [
        ("DELETE", "/registered-models/delete-tag", {}),
        ("DELETE", "/model-versions/delete-tag", {"version": "1"}),
        ("POST", "/registered-models/set-tag", {"value": "false"}),
        ("POST", "/model-versions/set-tag", {"version": "1", "value": "false"}),
    ]:
        tag = {"name": "gov-turncoat", "key": PROMPT_TAG}
        assert_refused(guarded_mlflow.call(method, path, tag | content))


def test_a_name_is_no_prompt_by_an_odd_value_of_the_tag(guarded_mlflow: MlflowServer) -> None:
    for value in ("True", "yes", ""):
        answer = guarded_mlflow.call(
            "POST",
            "/registered-models/create",
            {"name": "gov-odd", "tags": [{"key": PROMPT_TAG, "value": value}]},
        )
        assert_refused(answer)


def test_a_model_that_was_hidden_by_raw_sql_is_not_exempt_and_can_be_shown_again(
    client: Any, guarded_mlflow: MlflowServer
) -> None:
    name = guarded_mlflow.new_model()
    with closing(sqlite3.connect(guarded_mlflow.database, timeout=20)) as database, database:
        database.execute(
            "insert into registered_model_tags (workspace, name, key, value)"
            " select workspace, name, ?, 'true' from registered_models where name = ?",
            (PROMPT_TAG, name),
        )
        database.execute(
            "insert into model_version_tags (workspace, name, version, key, value)"
            " select workspace, name, version, ?, 'true' from model_versions where name = ?",
            (PROMPT_TAG, name),
        )
    assert client.search_model_versions(f"name = '{name}'") == []
    source = {"source": "s3://bucket/model"}
    for method, path, content in [
        ("POST", "/registered-models/alias", {"alias": "champion", "version": "1"}),
        ("DELETE", "/registered-models/delete", {}),
        ("DELETE", "/model-versions/delete", {"version": "1"}),
        ("POST", "/registered-models/rename", {"new_name": "elsewhere"}),
        ("POST", "/model-versions/create", source),
    ]:
        assert_refused(guarded_mlflow.call(method, path, {"name": name} | content))
    # Over REST, because MLflow's client says of a hidden model that it does not exist.
    for path, content in [
        ("/registered-models/delete-tag", {}),
        ("/model-versions/delete-tag", {"version": "1"}),
        ("/model-versions/delete-tag", {"version": "2"}),
    ]:
        shown = guarded_mlflow.call("DELETE", path, {"name": name, "key": PROMPT_TAG} | content)
        assert shown.status == 200
    assert len(client.search_model_versions(f"name = '{name}'")) == 2
