"""The evaluation set of the demo: applicants whom no training has seen, held by Muniment."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Final

from config.embedded.stack import EmbeddedStack

SET: Final = "boston-held-out"
LABEL: Final = "approve"
GROUPS: Final = ("race", "sex")
ROW_ID: Final = "row_id"


def register_evaluation_set(stack: EmbeddedStack, held_out: Path) -> None:
    """Register the held-out half, as the admin, where the worker that asks models reads it.

    Every column that is neither label, group nor number is what models are given. The same file
    once more is the set that is there.
    """
    with held_out.open(newline="", encoding="utf-8") as file:
        columns = next(csv.reader(file))
    features = [name for name in columns if name not in (LABEL, ROW_ID, *GROUPS)]
    stack.run_manage(
        *("evaluation_set", "add", str(held_out), "--name", SET),
        *("--label", LABEL, "--row-id", ROW_ID),
        *(word for name in GROUPS for word in ("--group", name)),
        *(word for name in features for word in ("--feature", name)),
        *("--as", "admin"),
        role="recompute",  # nobody else sees the folder
    )


def bind_evaluation_set(stack: EmbeddedStack, model: str) -> None:
    """Have a model's versions audited with the set, as the admin."""
    stack.run_manage("evaluation_set", "bind", model, SET, "--as", "admin", role="web")
