"""Every public method of MLflow's registry store, classified. What is not here is refused.

Written against the MLflow versions in :data:`TESTED_MLFLOW_VERSIONS`. A write is listed with
the parameters it had there: with another parameter it is another operation, which nobody has
judged.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

TESTED_MLFLOW_VERSIONS = frozenset({"3.17.2"})

#: Change nothing.
READS = frozenset(
    {
        "get_latest_versions",
        "get_model_version",
        "get_model_version_by_alias",
        "get_model_version_download_uri",
        "get_prompt",
        "get_prompt_version",
        "get_prompt_version_by_alias",
        "get_registered_model",
        "get_webhook",
        "list_webhooks",
        "list_webhooks_by_event",
        "search_model_versions",
        "search_prompt_versions",
        "search_prompts",
        "search_registered_models",
        "supports_workspaces",
        "test_webhook",
    }
)

#: Implemented in ``AbstractStore``, which knows no database, by calling other methods of the
#: store. They stay unguarded only while the SQL store does not implement them itself.
COMPOSED = frozenset(
    {
        "copy_model_version",
        "create_prompt",
        "create_prompt_version",
        "delete_prompt",
        "delete_prompt_alias",
        "delete_prompt_tag",
        "delete_prompt_version",
        "delete_prompt_version_tag",
        "link_prompt_version_to_model",
        "link_prompt_version_to_run",
        "link_prompts_to_trace",
        "set_prompt_alias",
        "set_prompt_tag",
        "set_prompt_version_tag",
    }
)

#: Write what is not governed: descriptions and webhooks.
ORDINARY: dict[str, frozenset[str]] = {
    "create_webhook": frozenset({"name", "url", "events", "description", "secret", "status"}),
    "delete_webhook": frozenset({"webhook_id"}),
    "update_model_version": frozenset({"name", "version", "description"}),
    "update_registered_model": frozenset({"name", "description", "deployment_job_id"}),
    "update_webhook": frozenset(
        {"webhook_id", "name", "description", "url", "events", "secret", "status"}
    ),
}

#: Judged by :mod:`muniment.mlflow.rules` before they reach the database.
JUDGED: dict[str, frozenset[str]] = {
    "create_model_version": frozenset(
        {
            "name",
            "source",
            "run_id",
            "tags",
            "run_link",
            "description",
            "local_model_path",
            "model_id",
        }
    ),
    "create_registered_model": frozenset({"name", "tags", "description", "deployment_job_id"}),
    "delete_model_version": frozenset({"name", "version"}),
    "delete_model_version_tag": frozenset({"name", "version", "key"}),
    "delete_registered_model": frozenset({"name"}),
    "delete_registered_model_alias": frozenset({"name", "alias"}),
    "delete_registered_model_tag": frozenset({"name", "key"}),
    "rename_registered_model": frozenset({"name", "new_name"}),
    "set_model_version_tag": frozenset({"name", "version", "tag"}),
    "set_registered_model_alias": frozenset({"name", "alias", "version"}),
    "set_registered_model_tag": frozenset({"name", "tag"}),
    "transition_model_version_stage": frozenset(
        {"name", "version", "stage", "archive_existing_versions"}
    ),
}


def public_methods(store_class: type[Any]) -> dict[str, Any]:
    """Return every public attribute of a store class that is a method or a property."""
    found = {}
    for name in dir(store_class):
        attribute = inspect.getattr_static(store_class, name)
        is_code = callable(attribute) or isinstance(
            attribute, property | staticmethod | classmethod
        )
        if not name.startswith("_") and is_code:
            found[name] = attribute
    return found


def unclassified_methods(store_class: type[Any], abstract_class: type[Any]) -> dict[str, str]:
    """Return the methods that nobody has judged, each with the reason.

    Args:
        store_class: MLflow's SQL store.
        abstract_class: MLflow's ``AbstractStore``.
    """
    reasons = {}
    for name, method in public_methods(store_class).items():
        if name in READS:
            continue
        if name in COMPOSED:
            if method is not inspect.getattr_static(abstract_class, name, None):
                reasons[name] = "the SQL store implements it itself"
            continue
        known = ORDINARY.get(name, JUDGED.get(name))
        if known is None:
            reasons[name] = "it is not known to the gatekeeper"
        elif unknown := _parameters(method) - known:
            reasons[name] = f"it has unknown parameters: {', '.join(sorted(unknown))}"
    return reasons


def _parameters(method: Callable[..., Any]) -> set[str]:
    return set(inspect.signature(method).parameters) - {"self"}
