"""What a model's ``MLmodel`` file says: its signature, and how it is loaded."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

_MAX_BYTES: Final = 1024 * 1024
_MAX_COLUMNS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Signature:
    """What a model takes and gives.

    Attributes:
        canonical: inputs, outputs and parameters as sorted JSON; empty where there is none.
        loading: how each flavour is loaded, as sorted JSON; empty where nothing says it.
        inputs: its input columns, ``{"name", "type"}`` each, in order; empty where it takes no
            named columns.
    """

    canonical: str = ""
    loading: str = ""
    inputs: tuple[dict[str, str], ...] = ()


def read_signature(folder: Path) -> Signature:
    """Read the signature of the model in a folder. Never raises: what cannot be read is none."""
    try:
        with (folder / "MLmodel").open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
        if len(content) > _MAX_BYTES:
            return Signature()
        said = yaml.safe_load(content)
        loading = (
            json.dumps(said["flavors"], sort_keys=True, default=str) if said.get("flavors") else ""
        )
        parts = (
            {
                name: None
                if said["signature"].get(name) is None
                else json.loads(said["signature"][name])
                for name in ("inputs", "outputs", "params")
            }
            if said.get("signature")
            else {}
        )
    except (
        OSError,
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        RecursionError,
        yaml.YAMLError,
    ):
        return Signature()
    if not parts:
        return Signature(loading=loading)
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
