"""What a model's ``MLmodel`` file says: its signature, and how it is loaded."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

_MAX_BYTES: Final = 1024 * 1024
_MAX_COLUMNS: Final = 10_000


# What MLflow writes anew at every training: the run, a time, a place, a size.
_VOLATILE: Final = frozenset(
    {"run_id", "model_id", "model_uuid", "utc_time_created", "artifact_path", "model_size_bytes"}
)


@dataclass(frozen=True, slots=True)
class Signature:
    """What a model takes and gives, and all else that its ``MLmodel`` says.

    Attributes:
        canonical: inputs, outputs and parameters as sorted JSON; empty where there is none.
        loading: everything else but what is new at every training, as sorted JSON: a model may
            keep in it what it predicts by. Of a file that cannot be read, its digest; empty where
            there is no file.
        inputs: its input columns, ``{"name", "type"}`` each, in order; empty where it takes no
            named columns.
    """

    canonical: str = ""
    loading: str = ""
    inputs: tuple[dict[str, str], ...] = ()


class _PlainLoader(yaml.SafeLoader):
    """Reads YAML without aliases: a few bytes of those stand for more than any memory holds."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent):
            raise yaml.YAMLError("an alias")
        return super().compose_node(parent, index)


def read_signature(folder: Path) -> Signature:
    """Read what the model in a folder says of itself. Never raises."""
    try:
        content = (folder / "MLmodel").read_bytes()
    except OSError:
        return Signature()
    try:
        return _read(content)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, yaml.YAMLError):
        return Signature(loading=f"sha256:{hashlib.sha256(content).hexdigest()}")


def _read(content: bytes) -> Signature:
    if len(content) > _MAX_BYTES:
        raise ValueError("too large")
    said = yaml.load(content, _PlainLoader)  # noqa: S506 # a safe loader
    if not isinstance(said, dict):
        raise TypeError("no mapping")
    stated = said.pop("signature", None) or {}
    rest = {name: value for name, value in said.items() if name not in _VOLATILE}
    loading = json.dumps(rest, sort_keys=True, default=str)
    if not stated:
        return Signature(loading=loading)
    parts = {
        name: None if stated.get(name) is None else json.loads(stated[name])
        for name in ("inputs", "outputs", "params")
    }
    return Signature(json.dumps(parts, sort_keys=True), loading, _columns(parts["inputs"]))


def _columns(inputs: Any) -> tuple[dict[str, str], ...]:
    if not isinstance(inputs, list) or not 0 < len(inputs) <= _MAX_COLUMNS:
        return ()
    columns = []
    for one in inputs:
        name, kind = (one.get("name"), one.get("type")) if isinstance(one, dict) else (None, None)
        if not isinstance(name, str) or not isinstance(kind, str):
            return ()
        columns.append({"name": name, "type": kind})
    return tuple(columns)
