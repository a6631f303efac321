"""The calls that the contract test makes: every method, as it is used and as it is misused."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from tests.integration.gatekeeper.twins import Twins

PROMPT_TAG = "mlflow.prompt.is_prompt"
SOURCE = "s3://bucket/model"


def drive_models(twins: Twins) -> None:
    from mlflow.entities.model_registry import RegisteredModelTag as Tag

    assert twins.drive("supports_workspaces") == "answer"
    twins.succeed("create_registered_model", "m", [Tag("team", "risk"), Tag("team", "last")], "d")
    twins.succeed("create_registered_model", name="other", deployment_job_id="7")
    twins.succeed("create_registered_model", "tagged", tags=(Tag("muniment.x", "y"),))
    for name in ("m", "", None, "a/b", "a:b", 7, "x" * 300):
        twins.drive("create_registered_model", name)
    twins.drive("create_registered_model", "badly-tagged", [Tag("", "v"), Tag("k" * 300, "v")])
    twins.drive("create_registered_model", "badly-tagged", [None])
    twins.drive("create_registered_model", "badly-tagged", 5)
    twins.drive("create_registered_model")
    twins.drive("create_registered_model", "m", unknown=1)
    twins.succeed("update_registered_model", "m", "better")
    twins.succeed("update_registered_model", name="m", description=None, deployment_job_id="8")
    twins.drive("update_registered_model", "missing", "d")
    for key, value in [("owner", "ann"), ("muniment.tier", "1"), (PROMPT_TAG, "false"), ("n", "3")]:
        twins.succeed("set_registered_model_tag", "m", Tag(key, value))
    for name, tag in [("missing", Tag("k", "v")), ("m", Tag("", "v")), (None, None), ("m", None)]:
        twins.drive("set_registered_model_tag", name, tag)
    twins.succeed("set_registered_model_tag", "m", Tag("big", "v" * 3_000))
    twins.drive("set_registered_model_tag", "m", Tag("big", "v" * 200_000))
    twins.succeed("delete_registered_model_tag", "m", "muniment.tier")
    twins.succeed("delete_registered_model_tag", "m", PROMPT_TAG)
    for name, key in [("m", "absent"), ("missing", "k"), ("m", None), ("", "k")]:
        twins.drive("delete_registered_model_tag", name, key)
    twins.succeed("get_registered_model", "m")
    for name in ("missing", "", None):
        twins.drive("get_registered_model", name)
    for name, new_name in [("other", "m"), ("missing", "x"), ("other", ""), ("other", None)]:
        twins.drive("rename_registered_model", name, new_name)
    twins.succeed("rename_registered_model", "other", "elsewhere")
    twins.succeed("search_registered_models")
    for arguments in [
        {"filter_string": "name ILIKE 'M%'"},
        {"filter_string": "tags.team = 'last'", "order_by": ["name DESC"]},
        {"max_results": 1},
        {"max_results": 0},
        {"max_results": 10_000_000},
        {"order_by": ["nonsense"]},
        {"filter_string": "nonsense"},
        {"page_token": "nonsense"},
    ]:
        twins.drive("search_registered_models", **arguments)
    twins.succeed("delete_registered_model", "elsewhere")
    twins.drive("delete_registered_model", "elsewhere")
    twins.drive("delete_registered_model", None)


def drive_versions(twins: Twins) -> None:
    from mlflow.entities.model_registry import ModelVersionTag as Tag

    twins.succeed("create_model_version", "m", SOURCE)
    twins.succeed(
        *("create_model_version", "m", "models:/m/1", "run", [Tag("muniment.ok", "1")]),
        run_link="http://run",
        description="second",
        local_model_path="/nowhere",
    )
    twins.succeed("create_model_version", "m", SOURCE, tags=(Tag("a", "1"), Tag("b", "2")))
    for name, source, tags in [
        ("missing", SOURCE, None),
        (None, SOURCE, None),
        ("m", None, None),
        ("m", "", None),
        ("m", SOURCE, [Tag("", "")]),
        ("m", SOURCE, [Tag("k", "v" * 200_000)]),
        ("m", "models:/missing/9", None),
        ("m", "s3://bucket/\x00", None),
    ]:
        twins.drive("create_model_version", name, source, tags=tags)
    twins.drive("create_model_version", "m")
    twins.succeed("update_model_version", "m", "1", "described")
    twins.succeed("update_model_version", name="m", version=1, description=None)
    for version in ("1", 2, " 2", "99", "x", None, "", "-1", "1.0", "\uff12", True):
        twins.drive("get_model_version", "m", version)
        twins.drive("get_model_version_download_uri", "m", version)
        twins.drive("update_model_version", "m", version, "d")
        twins.drive("set_model_version_tag", "m", version, Tag("key", f"{version!r}"))
        twins.drive("set_registered_model_alias", "m", "Champion", version)
    for key in ("muniment.grade", PROMPT_TAG, "Ordinary", ""):
        twins.drive("set_model_version_tag", "m", "2", Tag(key, "true"))
        twins.drive("search_model_versions", "name = 'm'")
        twins.drive("delete_model_version_tag", "m", "2", key)
    for name, version, key in [("m", "2", "absent"), ("missing", "1", "k"), ("m", "x", "k")]:
        twins.drive("delete_model_version_tag", name, version, key)
    for alias in ("champion", "Challenger", "latest", "v3", "", None, "a b", "\uff43hampion"):
        twins.drive("set_registered_model_alias", "m", alias, "1")
        twins.drive("set_registered_model_alias", "m", alias, "2")
        twins.drive("get_model_version_by_alias", "m", alias)
    twins.succeed("get_model_version_by_alias", "m", "champion")
    twins.drive("set_registered_model_alias", "missing", "champion", "1")
    for alias in ("champion", "champion", "latest", None):
        twins.drive("delete_registered_model_alias", "m", alias)
    for stage in ("Staging", "production", "Archived", "None", "Champion", None):
        for version in ("1", "2"):
            twins.drive("transition_model_version_stage", "m", version, stage, False)
        twins.drive("get_latest_versions", "m", [stage])
    twins.succeed("transition_model_version_stage", "m", 2, "Production", True)
    twins.drive("transition_model_version_stage", "m", 99, "Production", True)
    for name, stages in [("m", None), ("m", ["Production"]), ("m", ["x"]), ("missing", None)]:
        twins.drive("get_latest_versions", name, stages)
    twins.succeed("copy_model_version", lambda store: store.get_model_version("m", "2"), "copied")
    twins.succeed("copy_model_version", lambda store: store.get_model_version("m", "1"), "copied")
    twins.drive("copy_model_version", lambda store: store.get_model_version("m", "1"), "")
    for arguments in [
        {},
        {"filter_string": "name = 'm'", "order_by": ["version_number DESC"], "max_results": 2},
        {"filter_string": "run_id = 'run'"},
        {"filter_string": "tags.a = '1'"},
        {"max_results": 0},
        {"filter_string": "creation_timestamp > 1"},
        {"page_token": "nonsense"},
    ]:
        twins.drive("search_model_versions", **arguments)
    twins.succeed("delete_model_version", "m", "3")
    for version in ("3", "99", None, "x"):
        twins.drive("delete_model_version", "m", version)
    twins.succeed("create_model_version", "m", SOURCE)
    twins.succeed("rename_registered_model", "m", "renamed")
    twins.succeed("search_model_versions", "name = 'renamed'")


def drive_prompts(twins: Twins) -> None:
    twins.succeed("create_prompt", "greeting", "says hello", {"team": "care"})
    twins.succeed("create_prompt", "empty")
    for name in ("greeting", "renamed", "", None):
        twins.drive("create_prompt", name)
    twins.succeed("create_prompt_version", "greeting", "Hello {{name}}", "first", {"tone": "warm"})
    twins.succeed(
        *("create_prompt_version", "greeting", [{"role": "user", "content": "{{x}}"}]),
        response_format={"type": "object"},
        model_config={"temperature": 0.5},
    )
    twins.drive("create_prompt_version", "missing", "{{x}}")
    twins.drive("create_prompt_version", "greeting", "x", model_config={"temperature": "hot"})
    twins.drive("create_model_version", "greeting", SOURCE)
    for name in ("greeting", "renamed", "missing"):
        twins.drive("get_prompt", name)
        twins.drive("search_prompt_versions", name)
        for version in ("1", 2, "99", "production", None):
            twins.drive("get_prompt_version", name, version)
    twins.succeed("set_prompt_alias", "greeting", "production", 2)
    twins.succeed("set_prompt_alias", "greeting", "champion", "1")
    twins.drive("set_prompt_alias", "greeting", "champion", "99")
    for alias in ("production", "champion", "absent"):
        twins.drive("get_prompt_version_by_alias", "greeting", alias)
    twins.succeed("set_prompt_tag", "greeting", "reviewed", "yes")
    twins.succeed("delete_prompt_tag", "greeting", "reviewed")
    twins.drive("delete_prompt_tag", "missing", "reviewed")
    twins.succeed("set_prompt_version_tag", "greeting", "1", "tone", "cold")
    twins.drive("set_prompt_version_tag", "greeting", "one", "tone", "cold")
    twins.succeed("delete_prompt_version_tag", "greeting", "1", "tone")
    twins.drive("delete_prompt_version_tag", "greeting", None, "tone")
    for arguments in [
        {},
        {"filter_string": "name LIKE 'gr%'", "max_results": 1},
        {"filter_string": "experiment_id = '3'"},
        {"filter_string": "nonsense"},
    ]:
        twins.drive("search_prompts", **arguments)
    twins.succeed("delete_prompt_alias", "greeting", "champion")
    twins.drive("delete_prompt_alias", "missing", "champion")
    twins.succeed("delete_prompt_version", "greeting", "2")
    twins.drive("delete_prompt_version", "greeting", "two")
    twins.succeed("delete_prompt", "empty")
    twins.drive("delete_prompt", "empty")


def drive_links(twins: Twins, tracking: Any) -> None:
    """Link prompts to a run, a model and a trace each, and compare what was linked."""
    from mlflow.entities import TraceInfo, TraceLocation, TraceState

    experiment = tracking.create_experiment("linked")
    runs, models, traces = {}, {}, {}
    for store in (twins.ours, twins.peer):
        runs[store] = tracking.create_run(experiment, "ann", 0, [], "run").info.run_id
        models[store] = tracking.create_logged_model(experiment, "model").model_id
        traces[store] = tracking.start_trace(
            TraceInfo(
                trace_id=f"tr-{uuid4().hex}",
                trace_location=TraceLocation.from_experiment_id(experiment),
                request_time=0,
                state=TraceState.OK,
            )
        ).trace_id
    for _ in range(2):
        twins.succeed("link_prompt_version_to_run", "greeting", "1", runs.__getitem__)
        twins.succeed("link_prompt_version_to_model", "greeting", "1", models.__getitem__)
        twins.succeed(
            "link_prompts_to_trace",
            lambda store: [store.get_prompt_version("greeting", "1")],
            traces.__getitem__,
        )
    for store in (twins.ours, twins.peer):
        for tags in (
            tracking.get_run(runs[store]).data.tags,
            tracking.get_logged_model(models[store]).tags,
            tracking.get_trace_info(traces[store]).tags,
        ):
            assert '"greeting"' in tags["mlflow.linkedPrompts"]
    twins.drive("link_prompt_version_to_run", "greeting", "99", runs.__getitem__)
    twins.drive("link_prompt_version_to_run", "greeting", "1", "0" * 32)
    twins.drive("link_prompt_version_to_model", "greeting", "1", "m-missing")
    twins.drive("link_prompts_to_trace", [], "tr-missing")


def drive_webhooks(twins: Twins) -> None:
    from mlflow.entities.webhook import WebhookAction, WebhookEntity, WebhookEvent, WebhookStatus

    created = WebhookEvent(WebhookEntity.MODEL_VERSION, WebhookAction.CREATED)
    aliased = WebhookEvent(WebhookEntity.MODEL_VERSION_ALIAS, WebhookAction.CREATED)
    url = "https://127.0.0.1/mlflow"  # no name to look up; nothing is ever sent there
    twins.succeed("create_webhook", "hook", url, [created], "tells", "s" * 32)
    twins.succeed("create_webhook", "off", url, [aliased], status=WebhookStatus.DISABLED)
    for name, address, events in [
        ("", url, [created]),
        ("x", "nonsense", [created]),
        ("x", url, []),
        ("x", "http://127.0.0.1", [created]),
    ]:
        twins.drive("create_webhook", name, address, events)

    def hook_id(store: Any) -> str:
        return next(hook.webhook_id for hook in store.list_webhooks() if hook.name == "hook")

    twins.succeed("get_webhook", hook_id)
    twins.drive("get_webhook", "missing")
    twins.succeed("list_webhooks", max_results=5)
    twins.drive("list_webhooks", max_results=0)
    twins.succeed("list_webhooks_by_event", aliased, 5)
    twins.drive("list_webhooks_by_event", created, page_token="nonsense")
    twins.succeed("update_webhook", hook_id, description="tells more", events=[created, aliased])
    twins.drive("update_webhook", hook_id, url="nonsense")
    twins.drive("update_webhook", "missing", name="x")
    twins.drive("test_webhook", hook_id)
    twins.succeed(
        "delete_webhook", lambda store: store.list_webhooks_by_event(aliased)[0].webhook_id
    )
    twins.drive("delete_webhook", "missing")
