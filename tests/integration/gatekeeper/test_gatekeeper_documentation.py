"""`docs/protect-mlflow.md` says what is so."""

from __future__ import annotations

import json
import subprocess
import tomllib
from importlib.metadata import metadata
from typing import Any

import pytest
from packaging.requirements import Requirement

from muniment.mlflow import SCHEME_PREFIX, settings
from muniment.mlflow.methods import TESTED_MLFLOW_VERSIONS
from tests.integration.gatekeeper.live import GrantCounter, MlflowServer
from tests.integration.gatekeeper.sql_guard import PAGE
from tests.unit.docs.pages import ROOT, fenced, section

pytestmark = pytest.mark.timeout(180)


SEE_IT_REFUSE = section(PAGE, "## 5. See it refuse")
MOVE, LOCATE, WRITE = fenced(SEE_IT_REFUSE, "sh")
MOVE_REFUSED, LOCATED, WRITE_REFUSED = map(json.loads, fenced(SEE_IT_REFUSE, "json"))


def curl(server: MlflowServer, command: str) -> dict[str, Any]:
    """Run a command of the page against ``server`` and return the JSON that it prints."""
    done = subprocess.run(
        ["bash", "-euc", command.replace("http://localhost:5000", server.url)],
        capture_output=True,
        check=True,
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_moving_the_alias_is_refused_with_the_words_on_the_page(
    guarded_mlflow: MlflowServer, counter: GrantCounter
) -> None:
    # The page's server governs every name and is the default source; this one is neither.
    answer = curl(guarded_mlflow, MOVE.replace("any-model", "gov-any-model"))
    message = MOVE_REFUSED["message"].replace("http://localhost:8000", counter.url)
    assert answer["error_code"] == MOVE_REFUSED["error_code"]
    expected = message.replace("any-model", "gov-any-model")
    assert answer["message"] == f"{expected}?source=main"


def test_writing_a_file_is_refused_with_the_words_on_the_page(
    client: Any, guarded_mlflow: MlflowServer
) -> None:
    run = client.create_run("0")
    model = client.create_logged_model("0", name="clf", source_run_id=run.info.run_id)
    client.create_registered_model(name := f"gov-page-{next(guarded_mlflow.names)}")
    client.create_model_version(name, f"models:/{model.model_id}", model_id=model.model_id)
    located = curl(guarded_mlflow, LOCATE.replace("name=credit", f"name={name}"))
    assert located.keys() == LOCATED.keys()
    promised, place = (
        answer["artifact_uri"].removeprefix("mlflow-artifacts:/") for answer in (LOCATED, located)
    )
    assert promised in WRITE
    answer = curl(guarded_mlflow, WRITE.replace(promised, place))
    assert answer["error_code"] == WRITE_REFUSED["error_code"]
    message = WRITE_REFUSED["message"].replace(promised, place)
    assert answer["message"] == message.replace("'credit'", f"'{name}'")


def test_the_log_says_the_lines_on_the_page(guarded_mlflow: MlflowServer, client: Any) -> None:
    client.log_text(client.create_run("0").info.run_id, "any", "file")
    [lines] = fenced(section(PAGE, "## 4. Change two addresses and restart"), "text")
    log = guarded_mlflow.log_file.read_text()
    for line in lines.splitlines():
        mine = line.replace("'default'", "'main'").replace("models *", "models gov-*")
        assert mine.replace("aliases champion", "aliases champion, blessed") in log


def test_the_page_names_every_variable_its_default_and_the_tested_version() -> None:
    for variable in (
        settings.URL,
        settings.PUBLIC_KEY_FILE,
        settings.SOURCE,
        settings.GOVERNED_MODELS,
        settings.GOVERNED_ALIASES,
    ):
        assert f"| `{variable}` |" in PAGE
    defaults = settings.Settings.from_environment({})
    assert f"| `{defaults.source}` |" in PAGE
    assert f"| `{','.join(defaults.governed.models)}` |" in PAGE
    assert f"| `{','.join(defaults.governed.aliases)}` |" in PAGE
    for version in TESTED_MLFLOW_VERSIONS:
        assert f"MLflow server {version}" in PAGE
    assert f"--registry-store-uri {SCHEME_PREFIX}postgresql://" in PAGE


def test_what_is_installed_is_what_the_project_declares() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = [line.split("'")[1] for line in PAGE.splitlines() if line.startswith("pip install '")]
    of_muniment, of_mlflow = (Requirement(one.replace("/path/to/", "")) for one in asked)
    assert of_muniment.name == project["name"]
    assert of_muniment.extras <= project["optional-dependencies"].keys()
    pinned = {
        Requirement(one).name: Requirement(one).specifier
        for one in project["optional-dependencies"]["mlflow"]
    }
    assert of_mlflow.specifier == pinned[of_mlflow.name]
    assert of_mlflow.extras <= set(metadata("mlflow").get_all("Provides-Extra"))
    for scheme in ("muniment+file", "muniment+s3"):
        assert scheme in project["entry-points"]["mlflow.artifact_repository"]
        assert f"{scheme}://" in PAGE
