"""Trying to go around Muniment: the change that was not granted, over each of MLflow's doors."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from typing import Final

import httpx

from config.demo.errors import StepFailed
from config.embedded.environments import common_environment

_CLIENT: Final = """
import sys
from mlflow import MlflowClient
from mlflow.exceptions import RestException

uri, model, alias, version = sys.argv[1:]
try:
    MlflowClient(uri, uri).set_registered_model_alias(model, alias, version)
except RestException as error:
    print(error)
"""
_ROUTES: Final = {"REST": "/api/2.0", "ajax": "/ajax-api/2.0"}


@dataclass(frozen=True, slots=True)
class Refusal:
    """One way that was tried, and what MLflow answered."""

    way: str
    answer: str


def try_around(mlflow_url: str, model: str, alias: str, *, version: int) -> tuple[Refusal, ...]:
    """Try to set a governed alias directly, in several spellings; return the refusals.

    Raises:
        StepFailed: MLflow did it, or refused for another reason.
    """
    refusals = []
    for door, prefix in _ROUTES.items():
        for spelling in (alias, alias.title(), alias.upper()):
            answer = httpx.post(
                f"{mlflow_url}{prefix}/mlflow/registered-models/alias",
                json={"name": model, "alias": spelling, "version": str(version)},
                timeout=30,
            )
            body = answer.json() if answer.content else {}
            if answer.status_code == 200 or body.get("error_code") != "PERMISSION_DENIED":
                raise StepFailed(
                    f"MLflow let {spelling} be set over {door}: {answer.status_code} {answer.text}"
                )
            if spelling == alias:
                refusals.append(Refusal(way=door, answer=body.get("message", "")))
    return (_try_client(mlflow_url, model, alias, version=version), *refusals)


def _try_client(mlflow_url: str, model: str, alias: str, *, version: int) -> Refusal:
    """Try it with the client that everybody has, in a process of its own: it loads for seconds."""
    done = subprocess.run(
        [sys.executable, "-c", _CLIENT, mlflow_url, model, alias, str(version)],
        env=common_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0 or not done.stdout.startswith("PERMISSION_DENIED"):
        raise StepFailed(f"MLflow's own client was not refused: {done.stdout}{done.stderr[-2000:]}")
    return Refusal(way="MLflow's client", answer=done.stdout.strip())
