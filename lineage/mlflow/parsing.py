"""MLflow's JSON to values. What is not as MLflow writes it is MlflowGarbage, never a guess."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from lineage.domain.rows import (
    ArtifactEntry,
    DatasetInput,
    LoggedModel,
    ModelVersionRow,
    RegisteredModelRow,
    Run,
    Webhook,
)
from lineage.errors import MlflowGarbage

# The last millisecond of the year 9999: later ones are no times that anything here can write.
_LAST_TIME_MS = 253_402_300_799_999
_LARGEST_VERSION = 2**31 - 1
# PostgreSQL stores no NUL and UTF-8 carries no lone surrogate.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def clean_text(text: str) -> str:
    """Return text with what cannot be stored replaced by U+FFFD."""
    # What can be printed has none of it, which is told ten times faster.
    return text if text.isprintable() else _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def registered_model(row: Mapping[str, Any]) -> RegisteredModelRow:
    """Read one row of a registered-model search."""
    name = _name(row, "name", "a registered model")
    where = f"the registered model {name!r}"
    aliases = {
        _name(alias, "alias", where): _version_number(alias, where)
        for alias in _objects(row, "aliases", where)
    }
    latest = [_version_number(found, where) for found in _objects(row, "latest_versions", where)]
    return RegisteredModelRow(
        name=name,
        creation_timestamp=_time(row, "creation_timestamp", where),
        last_updated_timestamp=_time(row, "last_updated_timestamp", where),
        description=_text(row, "description", where),
        tags=_pairs(row, "tags", where),
        aliases=aliases,
        latest_version=max(latest, default=0),
    )


def model_version(row: Mapping[str, Any]) -> ModelVersionRow:
    """Read one row of a version search, or one version."""
    name = _name(row, "name", "a model version")
    where = f"a version of {name!r}"
    return ModelVersionRow(
        name=name,
        version=_version_number(row, where),
        creation_timestamp=_time(row, "creation_timestamp", where),
        run_id=_text(row, "run_id", where),
        source=_text(row, "source", where),
        current_stage=_text(row, "current_stage", where),
        status=_text(row, "status", where),
        description=_text(row, "description", where),
        tags=_pairs(row, "tags", where),
    )


def run(answer: Mapping[str, Any]) -> Run:
    """Read the answer of ``runs/get``."""
    whole = _object(answer, "run", "the answer")
    info = _object(whole, "info", "the run")
    run_id = _name(info, "run_id", "the run")
    where = f"the run {run_id!r}"
    logged = _object(whole, "data", where, optional=True)
    inputs = _object(whole, "inputs", where, optional=True)
    outputs = _object(whole, "outputs", where, optional=True)
    return Run(
        run_id=run_id,
        artifact_uri=_text(info, "artifact_uri", where),
        status=_text(info, "status", where),
        lifecycle_stage=_text(info, "lifecycle_stage", where) or "active",
        start_time=_optional_time(info, "start_time", where),
        end_time=_optional_time(info, "end_time", where),
        params=_pairs(logged, "params", where),
        metrics={
            _name(metric, "key", where): _measure(metric.get("value"), where)
            for metric in _objects(logged, "metrics", where)
        },
        tags=_pairs(logged, "tags", where),
        datasets=tuple(
            _dataset(found, where) for found in _objects(inputs, "dataset_inputs", where)
        ),
        model_ids=tuple(
            _name(output, "model_id", where) for output in _objects(outputs, "model_outputs", where)
        ),
    )


def logged_model(answer: Mapping[str, Any]) -> LoggedModel:
    """Read the answer of ``logged-models/<id>``."""
    info = _object(_object(answer, "model", "the answer"), "info", "the logged model")
    model_id = _name(info, "model_id", "the logged model")
    where = f"the logged model {model_id!r}"
    return LoggedModel(
        model_id=model_id,
        artifact_uri=_text(info, "artifact_uri", where),
        source_run_id=_text(info, "source_run_id", where),
        status=_text(info, "status", where),
        tags=_pairs(info, "tags", where),
    )


def artifact_entries(answer: Mapping[str, Any]) -> tuple[ArtifactEntry, ...]:
    """Read the listing of an artifact folder. Names are as the server says: not yet trusted."""
    return tuple(
        ArtifactEntry(
            name=_raw_text(found, "path", "an artifact"),
            is_folder=found.get("is_dir") is True,
            size=_optional_count(found.get("file_size"), "an artifact"),
        )
        for found in _objects(answer, "files", "the listing")
    )


def webhook(row: Mapping[str, Any]) -> Webhook:
    """Read one webhook."""
    webhook_id = _name(row, "webhook_id", "a webhook")
    where = f"the webhook {webhook_id!r}"
    return Webhook(
        webhook_id=webhook_id,
        name=_text(row, "name", where),
        url=_text(row, "url", where),
        events=tuple(
            (_name(event, "entity", where), _name(event, "action", where))
            for event in _objects(row, "events", where)
        ),
        status=_text(row, "status", where),
    )


def rows_of(answer: Mapping[str, Any], key: str) -> Sequence[Mapping[str, Any]]:
    """Return the objects of a list answer; MLflow leaves an empty list out."""
    return _objects(answer, key, "the answer")


def page_token(answer: Mapping[str, Any]) -> str:
    """Return the token of the next page, empty on the last one."""
    return _text(answer, "next_page_token", "the answer")


def _dataset(found: Mapping[str, Any], where: str) -> DatasetInput:
    dataset = _object(found, "dataset", where)
    return DatasetInput(
        name=_text(dataset, "name", where),
        digest=_text(dataset, "digest", where),
        source_type=_text(dataset, "source_type", where),
        source=_text(dataset, "source", where),
        tags=_pairs(found, "tags", where),
    )


def _object(
    row: Mapping[str, Any], key: str, where: str, *, optional: bool = False
) -> Mapping[str, Any]:
    found = row.get(key)
    if found is None and optional:
        return {}
    if not isinstance(found, dict):
        raise MlflowGarbage(f"In {where}, {key} is not an object.")
    return found


def _objects(row: Mapping[str, Any], key: str, where: str) -> Sequence[Mapping[str, Any]]:
    found = row.get(key)
    if found is None:
        return ()
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise MlflowGarbage(f"In {where}, {key} is not a list of objects.")
    return found


def _raw_text(row: Mapping[str, Any], key: str, where: str) -> str:
    found = row.get(key)
    if found is None:
        return ""
    if not isinstance(found, str):
        raise MlflowGarbage(f"In {where}, {key} is not text.")
    return found


def _text(row: Mapping[str, Any], key: str, where: str) -> str:
    return clean_text(_raw_text(row, key, where))


def _name(row: Mapping[str, Any], key: str, where: str) -> str:
    found = _text(row, key, where)
    if not found:
        raise MlflowGarbage(f"In {where}, {key} is missing.")
    return found


def _pairs(row: Mapping[str, Any], key: str, where: str) -> dict[str, str]:
    return {
        _name(pair, "key", where): _text(pair, "value", where) for pair in _objects(row, key, where)
    }


def _whole(found: object, where: str, *, at_most: int) -> int:
    # Protobuf's JSON writes 64-bit numbers as text, MLflow's mostly does not.
    if isinstance(found, str) and found.isascii() and found.isdigit() and len(found) < 20:
        found = int(found)
    if not isinstance(found, int) or isinstance(found, bool) or not 0 <= found <= at_most:
        raise MlflowGarbage(f"In {where}, {str(found)[:40]!r} is not a whole number in range.")
    return found


def _version_number(row: Mapping[str, Any], where: str) -> int:
    return _whole(row.get("version"), where, at_most=_LARGEST_VERSION)


def _time(row: Mapping[str, Any], key: str, where: str) -> int:
    return _whole(row.get(key), where, at_most=_LAST_TIME_MS)


def _optional_time(row: Mapping[str, Any], key: str, where: str) -> int | None:
    # Whoever trained chose it: an absurd time is no time, and no reason to refuse the run.
    try:
        return None if row.get(key) is None else _time(row, key, where)
    except MlflowGarbage:
        return None


def _optional_count(found: object, where: str) -> int | None:
    return None if found is None else _whole(found, where, at_most=2**63 - 1)


def _measure(found: object, where: str) -> float | None:
    """Return a finite number; None for NaN and the infinities, which JSON cannot say."""
    if found is None:
        return None
    if isinstance(found, str):
        # Protobuf writes these three as text.
        if found in ("NaN", "Infinity", "-Infinity"):
            return None
        raise MlflowGarbage(f"In {where}, a metric is text.")
    if not isinstance(found, int | float) or isinstance(found, bool):
        raise MlflowGarbage(f"In {where}, a metric is not a number.")
    try:
        number = float(found)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
