"""Changes of MLflow's registry that nobody allowed, made past MLflow in its own database."""

from __future__ import annotations

from typing import Any

import psycopg

from registry import tasks
from registry.models import RegistrySource
from registry.services.reverting import revertible_of
from tests.instance import INSTANCE
from tests.integration.registry.live import MODEL, behind_the_back, set_alias_behind_the_back

PROMPT_TAG = "mlflow.prompt.is_prompt"


def move_alias() -> None:
    set_alias_behind_the_back("champion", 2)


def remove_alias() -> None:
    behind_the_back("DELETE FROM registered_model_aliases WHERE name = %s", MODEL)


def set_odd_alias() -> None:
    behind_the_back(
        "INSERT INTO registered_model_aliases (workspace, name, alias, version)"
        " VALUES ('default', %s, 'CHAMPION', 2)",
        MODEL,
    )


def change_stage() -> None:
    behind_the_back(
        "UPDATE model_versions SET current_stage = 'Production' WHERE name = %s AND version = 2",
        MODEL,
    )


def rename() -> None:
    behind_the_back("UPDATE registered_models SET name = 'mortgages' WHERE name = %s", MODEL)


def tag_version() -> None:
    behind_the_back(
        "INSERT INTO model_version_tags (workspace, name, version, key, value)"
        " VALUES ('default', %s, 1, 'muniment.approved', 'yes')",
        MODEL,
    )


def retag_version() -> None:
    behind_the_back(
        "UPDATE model_version_tags SET value = 'low' WHERE name = %s AND key = 'muniment.tier'",
        MODEL,
    )


def hide_model() -> None:
    behind_the_back(
        "INSERT INTO registered_model_tags (workspace, name, key, value)"
        f" VALUES ('default', %s, '{PROMPT_TAG}', 'true')",
        MODEL,
    )


def hide_version() -> None:
    behind_the_back(
        "INSERT INTO model_version_tags (workspace, name, version, key, value)"
        f" VALUES ('default', %s, 2, '{PROMPT_TAG}', 'true')",
        MODEL,
    )


def delete_version() -> None:
    behind_the_back("DELETE FROM model_versions WHERE name = %s AND version = 2", MODEL)


def delete_model() -> None:
    behind_the_back("DELETE FROM model_version_tags WHERE name = %s", MODEL)
    remove_alias()
    behind_the_back("DELETE FROM model_versions WHERE name = %s", MODEL)
    behind_the_back("DELETE FROM registered_models WHERE name = %s", MODEL)


def swap_source() -> None:
    behind_the_back(
        "UPDATE model_versions SET source = 's3://evil' WHERE name = %s AND version = 1", MODEL
    )


def registry_state() -> list[tuple[Any, ...]]:
    """Return what MLflow's own tables hold of the registry, times aside."""
    found: list[tuple[Any, ...]] = []
    with psycopg.connect(INSTANCE.stack.mlflow_database_url()) as connection:
        for statement in (
            "SELECT name FROM registered_models ORDER BY 1",
            "SELECT name, version, current_stage, source FROM model_versions ORDER BY 1, 2",
            "SELECT name, alias, version FROM registered_model_aliases ORDER BY 1, 2",
            "SELECT name, key, value FROM registered_model_tags ORDER BY 1, 2",
            "SELECT name, version, key, value FROM model_version_tags ORDER BY 1, 2, 3",
        ):
            found += connection.execute(statement).fetchall()
    return found


def revert_all() -> int:
    found = list(revertible_of(RegistrySource.objects.get()))
    for violation in found:
        tasks.revert_violation_in_mlflow(str(violation.pk))
    return len(found)
