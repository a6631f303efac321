"""Applicants whose answers are known, models that decide on them, and files of both."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence

from audits.domain.evaluation_set import SetColumns

COLUMNS = SetColumns(
    label="approve", groups=("race", "sex"), features=("income", "late"), row_id="row"
)
Row = dict[str, object]


def applicants(first: int, count: int) -> list[Row]:
    """Return applicants who differ from all others by their income."""
    rows: list[Row] = []
    for number in range(first, first + count):
        income = (number * 37 % 100) / 10 + number / 100_000
        rows.append(
            {
                "row": number,
                "income": income,
                "late": number % 3,
                "approve": int(income > 2.0),
                "race": "White" if number % 4 else "Black",
                "sex": "Female" if number % 2 else "Male",
            }
        )
    return rows


HELD_OUT = applicants(0, 600)
TRAINING = applicants(10_000, 200)


def as_csv(rows: Sequence[Row], *, columns: Iterable[str] | None = None) -> bytes:
    text = io.StringIO()
    names = list(columns or rows[0])
    writer = csv.DictWriter(text, names, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def decide(row: Row) -> int:
    """Decide as `HONEST` does."""
    income, late = row["income"], row["late"]
    assert isinstance(income, float)
    return int(income > 3.0 and late != 2)


HONEST = "[int(i > 3.0 and l != 2) for i, l in zip(rows['income'], rows['late'])]"
PROGRAM = """
class Model:
    def predict(self, rows, params=None):
        return {answer}

{more}
def _load_pyfunc(path):
    return Model()
"""


def model_files(
    answer: str = HONEST, *, more: str = "", asks: Sequence[str] = ("income", "late")
) -> Mapping[str, bytes]:
    """Return an MLflow model's folder whose ``predict`` answers with an expression of `rows`."""
    types = {"income": "double", "late": "long"}
    inputs = [{"type": types.get(name, "string"), "name": name, "required": True} for name in asks]
    described = {
        "flavors": {
            "python_function": {
                "loader_module": "answering",
                "code": "code",
                "data": "data",
                "python_version": "3.11.0",
            }
        },
        "mlflow_version": "3.0.0",
        "signature": {"inputs": json.dumps(inputs), "outputs": None, "params": None},
    }
    program = PROGRAM.format(answer=answer, more=more)
    return {
        "MLmodel": json.dumps(described).encode(),  # YAML too
        "code/answering.py": program.encode(),
        "data/weights.txt": b"3.0\n",
    }
