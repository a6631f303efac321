"""Trainings to be run in the sandbox: what was recorded of them, and a forged MLflow."""

from __future__ import annotations

import platform
import sys
from pathlib import Path
from typing import Any

from lineage.recompute.environment import Environment
from muniment.attest.digest import Digest
from muniment.datasets.reference import DatasetReference
from muniment.lineage_file import Command, LineageFile

HERE = Environment(
    folder=Path(sys.prefix),
    python=Path(sys.executable),
    python_version=platform.python_version(),
    is_cached=True,
)
TABLE = "income,debt,group,approved\n" + "".join(
    f"{number % 17},{number % 5},{'ab'[number % 2]},{int(number % 17 > 2 * (number % 5))}\n"
    for number in range(200)
)
# MLflow's tables as far as they are read, by a program that fills them as it likes.
FORGED = """
import json, os, sqlite3
database = sqlite3.connect(os.environ["MLFLOW_TRACKING_URI"][len("sqlite:///"):])
database.executescript('''
CREATE TABLE runs (run_uuid, artifact_uri, lifecycle_stage, start_time);
CREATE TABLE params (key, value, run_uuid);
CREATE TABLE latest_metrics (key, value, is_nan, run_uuid);
INSERT INTO runs VALUES ('r', '/job/out', 'active', 1);
''')
def note(name, value, run="r"):
    database.execute("INSERT INTO params VALUES (?, ?, ?)", (name, value, run))
%s
database.commit()
"""


def reference(place: str = "", uri: str = "", role: str = "training") -> DatasetReference:
    return DatasetReference(
        role=role,
        name=place or uri,
        kind="file",
        uri=uri,
        digest=Digest.of_bytes(TABLE.encode()),
        size_bytes=len(TABLE),
        place=place,
    )


def capture(*arguments: str, **more: Any) -> LineageFile:
    members: dict[str, Any] = {"command": Command(arguments=arguments), **more}
    return LineageFile(captured_at="2026-11-25T08:00:00Z", kit="0.1.0", mode="run", **members)
