"""`docs/protect-mlflow.md` says what is so."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from muniment.mlflow import SCHEME_PREFIX, settings
from muniment.mlflow.methods import TESTED_MLFLOW_VERSIONS
from tests.integration.gatekeeper.live import GrantCounter, MlflowServer

pytestmark = pytest.mark.timeout(180)

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "protect-mlflow.md").read_text()


def test_the_command_that_must_be_refused_is_refused_with_the_words_on_the_page(
    guarded_mlflow: MlflowServer, counter: GrantCounter
) -> None:
    [command] = re.findall(r"^curl .*?(?<!\\)$", PAGE, re.MULTILINE | re.DOTALL)
    words = shlex.split(command.replace("\\\n", " "))
    url = next(word for word in words if word.startswith("http://"))
    content = json.loads(words[words.index("-d") + 1])
    content["name"] = "gov-any-model"  # the page's server governs every name, this one does not
    answer = guarded_mlflow.call(
        words[words.index("-X") + 1], urlsplit(url).path, content, prefix=""
    )
    [promised] = [
        json.loads(line) for line in PAGE.splitlines() if line.startswith('{"error_code"')
    ]
    assert answer.error_code == promised["error_code"]
    message = promised["message"].replace("http://localhost:8000", counter.url)
    assert answer.message == message.replace("any-model", "gov-any-model")


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
