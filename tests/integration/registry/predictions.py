"""Predictions files: the example's people counted out again, and what can be wrong with them."""

from __future__ import annotations

import io
from collections.abc import Mapping
from functools import cache
from typing import Any

from tests.integration.registry.measured import BOSTON

OUTCOMES = {"tp": (1, 1), "fp": (0, 1), "tn": (0, 0), "fn": (1, 0)}


@cache
def columns_of(variant: str) -> Mapping[str, list[Any]]:
    """Give one row for each person that was counted in a variant of the example."""
    columns: dict[str, list[Any]] = {"label": [], "prediction": [], "race": [], "sex": []}
    for group, counts in BOSTON[variant]["bias"]["attributes"]["race"]["groups"].items():
        for outcome, (label, prediction) in OUTCOMES.items():
            for _ in range(counts[outcome]):
                columns["label"].append(label)
                columns["prediction"].append(prediction)
                columns["race"].append(group)
                # Dealt out evenly, so that sex makes no difference.
                columns["sex"].append(("Male", "Female")[len(columns["label"]) % 5 == 0])
    people = len(columns["label"])
    return {"row_id": list(range(people)), "score": [0.5] * people, **columns}


def parquet(columns: Mapping[str, list[Any]]) -> bytes:
    """Write columns as a Parquet file."""
    import pandas as pd

    file = io.BytesIO()
    pd.DataFrame(dict(columns)).to_parquet(file)
    return file.getvalue()


@cache
def predictions_of(variant: str) -> bytes:
    """Give the predictions file of a variant of the example."""
    return parquet(columns_of(variant))
