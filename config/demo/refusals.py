"""Trying to go around Muniment: the change that was not granted, over each of MLflow's doors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import httpx

from config.demo.errors import StepFailed

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
    return tuple(refusals)
