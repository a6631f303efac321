"""After "Uninstall" in `docs/protect-mlflow.md`, MLflow is plain again and has all its rows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from config.embedded.postgres import postgres_binaries
from muniment.mlflow import governed_store
from tests.integration.gatekeeper.sql_guard import (
    GUARD,
    PAGE,
    SET_UP,
    UNINSTALL,
    Guarded,
    mlflow_database,
)
from tests.unit.docs.pages import section

if TYPE_CHECKING:
    from config.embedded import EmbeddedStack

pytestmark = pytest.mark.timeout(180)

PLAIN_MLFLOW = Path(__file__).with_name("plain_mlflow.py")


def without_muniment(folder: Path) -> Path:
    """Make what `pip uninstall muniment` leaves: this environment with all but that package."""
    packages = folder / "site-packages"
    packages.mkdir()
    for item in Path(sysconfig.get_path("purelib")).iterdir():
        if "muniment" not in item.name:
            (packages / item.name).symlink_to(item)
    return packages


def dump(guarded: Guarded) -> str:
    """Every row of every table of MLflow's, and every definition but the guard's own."""
    command = [postgres_binaries() / "pg_dump", "--schema=public", "--no-acl"]
    done = subprocess.run(
        [*command, f"--dbname={guarded.superuser_url}"], capture_output=True, text=True, check=True
    )
    return "\n".join(line for line in done.stdout.splitlines() if not line.startswith("\\"))


def test_mlflow_is_plain_again_with_all_rows_and_files_as_they_were(
    postgres: EmbeddedStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MUNIMENT_GOVERNED_MODELS", "MUNIMENT_GOVERNED_ALIASES"):
        monkeypatch.delenv(name, raising=False)
    path = f"1/{uuid4().hex}/artifacts/model/MLmodel"
    file = tmp_path / "artifacts" / path
    file.parent.mkdir(parents=True)
    file.write_text("as registered")
    with mlflow_database(postgres.superuser_url, tmp_path) as guarded:
        uri = guarded.url(guarded.plain)
        store = governed_store(f"muniment+{uri}")
        store.create_registered_model("credit")
        for _ in range(2):
            store.create_model_version("credit", f"mlflow-artifacts:/{path.rpartition('/')[0]}")
        store._dispose_engine()
        before = dump(guarded)
        guarded.run(SET_UP)
        guarded.edit(models="*")
        guarded.run(GUARD)
        assert dump(guarded) != before  # its triggers
        guarded.run(UNINSTALL)
        assert dump(guarded) == before
        plain = serve_plainly(guarded, tmp_path, "credit", path)
        assert plain["answers"] == dict.fromkeys(("move", "overwrite", "delete", "forget"), 200)
        assert not plain["has_muniment"]
        assert not file.exists()
    steps = section(PAGE, "## Uninstall")
    for step in ("Take `muniment+` off both addresses", "`pip uninstall muniment`"):
        assert step in steps


def serve_plainly(guarded: Guarded, folder: Path, *arguments: str) -> dict[str, Any]:
    """Ask MLflow's own application, with the addresses of step 4 as they were before."""
    packages = without_muniment(folder)
    uri = guarded.url(guarded.plain)
    done = subprocess.run(
        [sys.executable, "-S", str(PLAIN_MLFLOW), *arguments],
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "PYTHONPATH": str(packages),
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "_MLFLOW_SERVER_FILE_STORE": uri,
            "_MLFLOW_SERVER_REGISTRY_STORE": uri,
            "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
            "_MLFLOW_SERVER_ARTIFACT_DESTINATION": f"file://{folder}/artifacts",
            "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
        },
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer
