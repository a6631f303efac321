"""Inside the sandbox: say what a training recorded in MLflow's SQLite file, which it wrote itself.

    results.py DATABASE WORK

Prints one JSON object, ``{"runs": [{"id", "parameters", "metrics", "models"}, …]}``: the runs in
the order in which they started, and the folders below WORK in which each left models, the likeliest
first. ``metrics`` is a list of names with values; one that is no finite number is null.
"""

from __future__ import annotations

import json
import math
import os
import sqlite3
import sys
from typing import Any
from urllib.parse import unquote

MAX_RUNS = 200
MAX_ROWS = 2_000
MAX_FOLDERS = 2_000
MAX_TEXT = 6_000


def rows_of(database: sqlite3.Connection, question: str, *given: Any) -> list[tuple[Any, ...]]:
    """Return what a table holds; one that this version of MLflow does not have holds nothing."""
    try:
        return database.execute(question, given).fetchmany(MAX_ROWS)
    except sqlite3.OperationalError:
        return []


def describe_run(
    database: sqlite3.Connection, run_id: str, artifacts: str, work: str
) -> dict[str, Any]:
    """Return what one run holds."""
    parameters = rows_of(database, "SELECT key, value FROM params WHERE run_uuid = ?", run_id)
    metrics = rows_of(
        database, "SELECT key, value, is_nan FROM latest_metrics WHERE run_uuid = ?", run_id
    )
    return {
        "id": run_id,
        "parameters": {str(key)[:250]: str(value)[:MAX_TEXT] for key, value in parameters},
        "metrics": [[str(key)[:250], finite(value, is_nan)] for key, value, is_nan in metrics],
        "models": models_of(database, run_id, artifacts, work),
    }


def models_of(database: sqlite3.Connection, run_id: str, artifacts: str, work: str) -> list[str]:
    """Return the folders of a run's models, those that were registered first."""
    registered = rows_of(
        database,
        "SELECT storage_location FROM model_versions WHERE run_id = ? ORDER BY creation_time DESC",
        run_id,
    )
    logged = rows_of(
        database,
        "SELECT artifact_location FROM logged_models WHERE source_run_id = ?"
        " AND lifecycle_stage = 'active' ORDER BY creation_timestamp_ms DESC",
        run_id,
    )
    found: list[str] = []
    for (location,) in [*registered, *logged]:
        add(found, local_folder(location, work), work)
    folder = local_folder(artifacts, work)
    for number, (place, folders, files) in enumerate(os.walk(folder or work)):
        if folder is None or number > MAX_FOLDERS:
            break
        folders.sort()
        if "MLmodel" in files:
            add(found, place, work)
    return found[:20]


def add(found: list[str], folder: str | None, work: str) -> None:
    """Add a folder with a model in it, relative to the work folder."""
    if folder is None or not os.path.lexists(os.path.join(folder, "MLmodel")):  # noqa: PTH118
        return
    place = os.path.relpath(folder, work)
    if place not in found:
        found.append(place)


def local_folder(location: Any, work: str) -> str | None:
    """Return the folder that MLflow's address names, where it lies in the work folder."""
    if not isinstance(location, str):
        return None
    path = unquote(location[7:]) if location.startswith("file://") else location
    path = os.path.normpath(path)
    return path if path.startswith(work + "/") else None


def finite(value: Any, is_nan: Any) -> float | None:
    """Return a metric, or None where it is no finite number."""
    if is_nan or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def main(database_path: str, work: str) -> None:
    """Print what the runs hold."""
    database = sqlite3.connect(f"file:{database_path}?mode=ro", uri=True)
    # Whoever wrote the file may have put bytes there that are no text.
    database.text_factory = lambda content: content.decode("utf-8", errors="replace")
    runs = rows_of(
        database,
        "SELECT run_uuid, artifact_uri FROM runs WHERE lifecycle_stage = 'active'"
        " ORDER BY start_time, run_uuid",
    )
    said = {
        "runs": [
            describe_run(database, str(run_id), str(artifacts), work)
            for run_id, artifacts in runs[:MAX_RUNS]
        ]
    }
    sys.stdout.write(json.dumps(said) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
