"""Fetching data sets in a process of their own, which can be ended whatever it waits for.

A store's library may sit in one call for minutes; a thread in it cannot be ended, a process can.

    python -m lineage.recompute.fetching ORDER.json

Prints one JSON object: ``paths``, in the order of the references, or the ``error`` of the first
that cannot be had.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from lineage.recompute.limits import GIB
from lineage.recompute.programs import run_program
from muniment.datasets import (
    Access,
    AllowedPlace,
    DatasetChanged,
    DatasetError,
    DatasetMissing,
    DatasetReference,
    DatasetRefused,
    DatasetUnreachable,
    fetch_dataset,
)

_ROOT: Final = Path(__file__).resolve().parents[2]
# Longer than any one file may take from a web server.
_SECONDS: Final = 24 * 3600
_ORDER: Final = "order.json"
_ERRORS: Final = {
    kind.__name__: kind
    for kind in (DatasetChanged, DatasetMissing, DatasetRefused, DatasetUnreachable, DatasetError)
}


def fetch_apart(
    references: Sequence[DatasetReference],
    folder: Path,
    access: Access,
    *,
    checkout: Path,
    cancelled: Callable[[], bool],
) -> list[Path]:
    """Fetch data sets, each into a folder of its own below `folder`, and return where they lie.

    Raises:
        DatasetError: as `fetch_dataset`; DatasetUnreachable also where the process broke off.
        RecomputationCancelled: it was cancelled; nothing of the process is left.
    """
    folder.mkdir(parents=True, exist_ok=True)
    order = folder / _ORDER
    # Credentials stand in it by the names of their variables alone.
    order.write_text(
        json.dumps(
            {
                "references": [reference.as_mapping() for reference in references],
                "folder": str(folder),
                "access": asdict(access),
                "checkout": str(checkout),
            }
        ),
        encoding="utf-8",
    )
    paths = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH", ""))))
    done = run_program(
        [sys.executable, "-P", "-m", "lineage.recompute.fetching", str(order)],
        environment={**os.environ, "PYTHONPATH": paths},
        folder=folder,
        seconds=_SECONDS,
        file_bytes=access.max_bytes + GIB,
        cancelled=cancelled,
    )
    order.unlink()
    try:
        said: Mapping[str, Any] = json.loads(done.output)
    except ValueError:
        last = done.errors.decode("utf-8", "replace").strip().splitlines()[-1:]
        raise DatasetUnreachable(
            f"fetching the data broke off with status {done.exit_status}: {''.join(last)[:300]}"
        ) from None
    if "error" in said:
        kind, message, code = said["error"]
        raise _ERRORS[kind](message, code=code)
    return [Path(path) for path in said["paths"]]


def _fetch(order: Mapping[str, Any]) -> dict[str, Any]:
    access = Access(
        tuple(AllowedPlace(**place) for place in order["access"]["places"]),
        order["access"]["max_bytes"],
    )
    try:
        paths = [
            fetch_dataset(
                DatasetReference.from_mapping(reference),
                Path(order["folder"], str(number)),
                access,
                checkout=Path(order["checkout"]),
            )
            for number, reference in enumerate(order["references"])
        ]
    except DatasetError as error:
        kind = type(error).__name__
        return {"error": [kind if kind in _ERRORS else "DatasetError", error.message, error.code]}
    return {"paths": [str(path) for path in paths]}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_fetch(json.loads(Path(sys.argv[1]).read_bytes()))))
