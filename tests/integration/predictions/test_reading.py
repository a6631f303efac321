"""Predictions files, good and bad, read for real."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest

from audits.predictions.cells import Cell, Cells, PredictionColumns, PredictionsError
from audits.predictions.reading import count_cells
from audits.predictions.source import open_source

COLUMNS = PredictionColumns(groups=("race", "sex"))


def table(**columns: Any) -> pd.DataFrame:
    """Four good rows, with some columns replaced."""
    return pd.DataFrame(
        {
            "row_id": [3, 1, 2, 4],
            "label": [1, 0, 1, 0],
            "prediction": [1, 0, 0, 1],
            "race": ["White", "Black", "White", "Black"],
            "sex": ["Male", "Female", "Male", "Female"],
            **columns,
        }
    )


def read(frame: pd.DataFrame, folder: Path) -> Cells | PredictionsError:
    path = folder / "predictions.parquet"
    frame.to_parquet(path)
    return count_cells(path, COLUMNS)


def reasons(found: Cells | PredictionsError) -> str:
    assert isinstance(found, PredictionsError)
    return found.reason


def cells(found: Cells | PredictionsError) -> tuple[Cell, ...]:
    assert isinstance(found, Cells)
    return found.cells


EXPECTED = (
    Cell(("Black", "Female"), 0, 0, 1),
    Cell(("Black", "Female"), 0, 1, 1),
    Cell(("White", "Male"), 1, 0, 1),
    Cell(("White", "Male"), 1, 1, 1),
)


# ------------------------------------------------------------------------------ good files


@pytest.mark.parametrize(
    "columns",
    [
        {},
        {"label": [True, False, True, False]},
        {"prediction": [1.0, 0.0, 0.0, 1.0]},
        {"label": ["1", "0", "1", "0"], "prediction": ["True", "False", "0.0", " 1 "]},
        {"race": pd.Categorical(["White", "Black", "White", "Black"])},
        {"race": [" White", "Black\t", "White", "Bla\u200bck"]},
        {"row_id": [3.0, 1.0, 2.0, 4.0]},
        {"row_id": ["3", "1", "2", "4"]},
        {"row_id": np.array([3, 1, 2, 4], dtype="uint8"), "extra": [[1], [2], [3], [4]]},
    ],
)
def test_the_same_people_give_the_same_cells_however_they_are_written(
    columns: dict[str, Any], tmp_path: Path
) -> None:
    found = read(table(**columns), tmp_path)
    assert cells(found) == EXPECTED
    assert isinstance(found, Cells)
    assert found.rows_digest == hashlib.sha256(b"1,0\n2,1\n3,1\n4,0\n").hexdigest()


def test_csv_is_read_as_parquet_is(applications: pd.DataFrame, tmp_path: Path) -> None:
    applications.to_csv(tmp_path / "p.csv", index=False)
    applications.sample(frac=1, random_state=3).to_parquet(tmp_path / "p.parquet")
    found = [count_cells(tmp_path / name, COLUMNS) for name in ("p.csv", "p.parquet")]
    assert isinstance(found[0], Cells)
    assert found[0] == found[1]
    assert found[0].n == 1989


@pytest.mark.parametrize("kind", ["lines", "array", "feather", "compressed feather"])
def test_json_and_arrow_are_read_as_parquet_is(
    kind: str, applications: pd.DataFrame, tmp_path: Path
) -> None:
    applications.to_parquet(tmp_path / "p.parquet")
    path = tmp_path / "predictions"
    if "feather" in kind:
        compression: Any = "zstd" if "compressed" in kind else "uncompressed"
        applications.to_feather(path, compression=compression)
    else:
        applications.to_json(path, orient="records", lines=kind == "lines")
    expected = count_cells(tmp_path / "p.parquet", COLUMNS)
    assert isinstance(expected, Cells)
    found = count_cells(path, COLUMNS)
    assert isinstance(found, Cells)
    assert found == expected


def test_blank_groups_are_unknown_and_so_is_a_group_of_that_name(tmp_path: Path) -> None:
    frame = table(race=[None, "", "unknown", "UNKNOWN "], sex=["M", "M", None, "F"])
    found = cells(read(frame, tmp_path))
    assert {cell.groups for cell in found} == {
        ("unknown", "M"), ("unknown", "unknown"), ("unknown", "F"),
    }  # fmt: skip
    codes = cells(read(table(race=[1.0, 2.0, np.nan, 1.0]), tmp_path))
    assert {cell.groups[0] for cell in codes} == {"1.0", "2.0", "unknown"}


def test_the_rows_digest_tells_other_people_and_other_labels_but_not_predictions(
    tmp_path: Path,
) -> None:
    def digest(**columns: Any) -> str | None:
        found = read(table(**columns), tmp_path)
        assert isinstance(found, Cells)
        return found.rows_digest

    assert digest() == digest(prediction=[0, 0, 0, 0])
    assert digest() != digest(row_id=[3, 1, 2, 5])
    assert digest() != digest(label=[1, 1, 1, 0])


def test_a_path_is_never_a_pattern(tmp_path: Path) -> None:
    table().to_parquet(tmp_path / "a*[1]'.parquet")
    table(label=[1, 1, 1, 1]).to_parquet(tmp_path / "ab1'.parquet")
    assert cells(count_cells(tmp_path / "a*[1]'.parquet", COLUMNS)) == EXPECTED


def test_rows_without_identity_have_no_digest(tmp_path: Path) -> None:
    table().drop(columns="row_id").to_parquet(tmp_path / "p.parquet")
    found = count_cells(tmp_path / "p.parquet", PredictionColumns(("race", "sex"), row_id=None))
    assert cells(found) == EXPECTED
    assert isinstance(found, Cells)
    assert found.rows_digest is None


# ------------------------------------------------------------------------------ bad files


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"label": [1, np.nan, 1, 0]}, "column label is"),
        ({"prediction": [1, 0, np.nan, 1]}, "column prediction is"),
        ({"label": ["1", "nan", "1", "0"]}, "column label is NaN in 1 of 4 rows"),
        ({"label": [1, 2, 1, 0]}, "column label holds '2'; only 0 and 1 are known (1 of 4 rows)"),
        ({"prediction": [0.5, 0, 1, 1]}, "column prediction holds '0.5'; only 0 and 1"),
        ({"prediction": ["yes", "no", "no", "yes"]}, "column prediction holds"),
        ({"prediction": ["", "0", "1", "1"]}, "column prediction is blank in 1 of 4 rows"),
        ({"prediction": [-1, 1, 1, 1]}, "column prediction holds '-1'"),
        ({"prediction": [[1], [0], [1], [1]]}, "values, not 0 and 1"),
        ({"row_id": [1, 2, 2, 3]}, "column row_id holds 2 more than once"),
        ({"row_id": [1, 2, None, 3]}, "column row_id is blank or no whole number in 1 rows"),
        ({"row_id": [1.0, 2.0, 2.5, 3.0]}, "column row_id is blank or no whole number in 1 rows"),
        ({"row_id": ["a", "b", "c", "d"]}, "column row_id is blank or no whole number in 4 rows"),
        ({"race": [{"a": 1}] * 4}, "column race holds STRUCT values, not names of groups"),
        ({"race": ["A × B", "A", "B", "A"]}, "column race has a group name with '×' in it"),
        ({"race": ["x" * 101, "A", "B", "A"]}, "more than 100 characters"),
    ],
)
def test_bad_values_are_named(columns: dict[str, Any], reason: str, tmp_path: Path) -> None:
    assert reason in reasons(read(table(**columns), tmp_path))


def test_nan_in_a_float_column_of_parquet_is_named(tmp_path: Path) -> None:
    # pandas writes NaN as null; this writes a NaN.
    path = tmp_path / "p.parquet"
    duckdb.execute(
        "COPY (SELECT range AS row_id, 1.0 AS label, 'nan'::DOUBLE AS prediction, 'A' AS race, "
        f"'M' AS sex FROM range(3)) TO '{path}' (FORMAT parquet)"
    )
    assert reasons(count_cells(path, COLUMNS)) == "column prediction is NaN in 3 of 3 rows"


def test_every_missing_column_is_named(tmp_path: Path) -> None:
    frame = table().drop(columns=["race", "label"])
    assert reasons(read(frame, tmp_path)) == "column label is missing; column race is missing"


def test_a_column_that_is_no_group_is_refused(tmp_path: Path) -> None:
    frame = pd.DataFrame({"row_id": range(500), "label": 1, "prediction": 1, "sex": "M"})
    assert "column race has more than 100 groups" in reasons(
        read(frame.assign(race=[f"person {n}" for n in range(500)]), tmp_path)
    )


def test_no_rows_are_refused(tmp_path: Path) -> None:
    assert reasons(read(table().head(0), tmp_path)) == "the file has no rows"
    (tmp_path / "p.csv").write_text("row_id,label,prediction,race,sex\n")
    assert reasons(count_cells(tmp_path / "p.csv", COLUMNS)) == "the file has no rows"


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("p.parquet", b"", "the file is empty"),
        ("p.csv", b"", "the file is empty"),
        ("p.parquet", b"row_id,label\n1,0\n", "the file is not Parquet"),
        ("p.parquet", b"PAR1 and then nothing like it PAR1", "the file cannot be read"),
        ("p.csv", b"PAR1", "the file cannot be read"),
        ("p.arrow", b"ARROW1\0\0 and then nothing like it", "the file cannot be read"),
        ("p.json", b'{"label": 1,', "the file cannot be read"),
        ("p.json", b'[{"label": 1}, 7]', "is missing"),
        ("p.csv", b"\xff\xfe\x00\x01\x02", "the file cannot be read"),
        ("p.csv", b"row_id;label;prediction;race;sex\n1;0;1;A;M\n", "column row_id is missing"),
        ("p.csv", b"row_id,label,prediction,race,sex\n1,0,1,A,M,9\n2,0,1,A,M\n", "cannot be read"),
        ("p.csv", b'row_id,label,prediction,race,sex\n1,0,1,"A,M\n', "the file cannot be read"),
    ],
)
def test_a_file_that_is_none_is_refused(
    name: str, content: bytes, reason: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    found = reasons(count_cells(tmp_path / name, COLUMNS))
    assert reason in found
    assert str(tmp_path) not in found
    assert "\n" not in found


def test_a_file_cut_short_is_refused(predictions: Path) -> None:
    predictions.write_bytes(predictions.read_bytes()[:-200])
    assert "the file cannot be read" in reasons(count_cells(predictions, COLUMNS))


def test_what_is_not_there_or_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "nothing.parquet", tmp_path, tmp_path / "pipe", Path("/dev/zero")):
        found = reasons(count_cells(path, COLUMNS))
        assert found.startswith("the file cannot be read")
        assert str(tmp_path) not in found


# ------------------------------------------------------------------------------ what it may touch


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM read_csv('{other}')",
        "SELECT * FROM read_text('/etc/hostname')",
        "SELECT * FROM glob('/etc/*')",
        "COPY (SELECT 1) TO '{folder}/written.csv'",
        "ATTACH '{folder}/written.db'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SELECT * FROM read_parquet('https://127.0.0.1:9/x.parquet')",
        "SET enable_external_access = true",
        "SET memory_limit = '100GB'",
        "SET lock_configuration = false",
    ],
)
def test_the_engine_reaches_nothing_but_the_file(
    query: str, predictions: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.csv"
    other.write_text("a\n1\n")
    with open_source(predictions, "256MB") as source:
        assert source.rows("SELECT count(*) FROM predictions") == [(1989,)]
        assert source.rows("SELECT current_setting('enable_progress_bar')") == [(False,)]
        with pytest.raises(duckdb.Error):
            source.rows(query.format(other=other, folder=tmp_path))
    assert not list(tmp_path.glob("written*"))
