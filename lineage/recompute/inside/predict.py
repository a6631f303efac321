"""Inside the sandbox: load a model and write down what it predicts.

    predict.py MODEL TABLE.json OUTPUT.json

TABLE is ``[{"name", "type", "values"}, …]``. OUTPUT becomes ``{column: [value, …], …}``: what the
model predicts and, where it has probabilities, those too.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

_DTYPES = {
    "double": "float64",
    "float": "float32",
    "long": "int64",
    "integer": "int32",
    "boolean": "bool",
    "datetime": "datetime64[ns]",
}


def read_table(path: Path) -> Any:
    """Return the table as a data frame with the types that the signature names."""
    import pandas as pd

    columns = {}
    for column in json.loads(path.read_text(encoding="utf-8")):
        kind = _DTYPES.get(column["type"])
        values = pd.Series(column["values"], dtype="object")
        # A whole number cannot be blank; the model says what it makes of that.
        is_blank = kind in ("int64", "int32", "bool") and values.isna().any()
        columns[column["name"]] = values if kind is None or is_blank else values.astype(kind)
    return pd.DataFrame(columns)


def as_columns(name: str, answer: Any) -> dict[str, list[Any]]:
    """Return what a model answered as columns of plain values."""
    if hasattr(answer, "columns"):
        return {f"{name}: {key}": answer[key].tolist() for key in answer.columns}
    if hasattr(answer, "todense"):
        answer = answer.todense()
    rows = answer.tolist() if hasattr(answer, "tolist") else list(answer)
    if rows and isinstance(rows[0], list):
        return {f"{name}: {place}": list(column) for place, column in enumerate(zip(*rows))}  # noqa: B905 # Python 3.8
    return {name: rows}


def main(arguments: list[str]) -> None:
    """Do what the arguments say."""
    import mlflow.pyfunc

    model = mlflow.pyfunc.load_model(arguments[0])
    table = read_table(Path(arguments[1]))
    columns = as_columns("prediction", model.predict(table))
    try:
        inner = model.get_raw_model()
    except Exception:  # noqa: BLE001 # not every flavour has one, and each says so in its own way
        inner = None
    if hasattr(inner, "predict_proba"):
        columns.update(as_columns("score", inner.predict_proba(table)))
    Path(arguments[2]).write_text(json.dumps(columns, default=str), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
