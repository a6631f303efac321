"""The roles of an evaluation set's columns, what a model answers, and rows seen before."""

from __future__ import annotations

from pathlib import Path

import pytest

from audits.domain.evaluation_set import SetColumns, answers_in
from audits.predictions.evaluation_file import SetUnusable, check_file, write_table
from audits.predictions.overlap import find_overlap

COLUMNS = SetColumns("approve", ("race",), ("income", "late"), "row")
ROWS = "row,income,late,approve,race\n1,1.25,3,1,White\n2,,0,0,Black\n3,7.5,1,1,\n"


def test_roles_go_there_and_back_and_a_group_is_withheld_unless_it_is_a_feature() -> None:
    assert COLUMNS.faults() == ()
    assert SetColumns.from_mapping(COLUMNS.to_mapping()) == COLUMNS
    assert COLUMNS.withheld == ("row", "approve", "race")
    declared = SetColumns("approve", ("race",), ("income", "race"))
    assert declared.faults() == ()
    assert declared.withheld == ("approve",)


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (SetColumns("approve", (), ("income",)), "groups of people"),
        (SetColumns("approve", ("race",), ()), "as its features"),
        (SetColumns("approve", ("race",), ("approve",)), "neither group, feature nor row id"),
        (SetColumns("approve", ("approve",), ("income",)), "neither group, feature nor row id"),
        (SetColumns("approve", ("race",), ("income",), "race"), "neither group nor feature"),
        (SetColumns("approve", ("race", "race"), ("income",)), "named twice"),
        (SetColumns("approve", ("prediction",), ("income",)), "what a model answers"),
        (SetColumns("approve", ("race",), ("in\ncome",)), "no name that can be shown"),
    ],
)
def test_roles_that_cannot_be_are_refused(columns: SetColumns, said: str) -> None:
    assert said in " ".join(columns.faults())


@pytest.mark.parametrize(
    ("answered", "said"),
    [
        ({"prediction": ["1", "0"]}, "no number"),
        ({"prediction": ["approved", "refused"]}, "no number"),
        ({"prediction": [0, 2]}, "a decision is 0 or 1"),
        ({"prediction": [0, 0.5]}, "a decision is 0 or 1"),
        ({"prediction: a": [0, 1], "prediction: b": [0, 1]}, "predicts 2 columns"),
        ({"score: 1": [0.1, 0.9]}, "predicts 0 columns"),
    ],
)
def test_what_is_no_decision_is_refused(answered: dict[str, list[object]], said: str) -> None:
    answers = answers_in(answered, are_scores=False)
    assert isinstance(answers, str)
    assert said in answers


def test_decisions_keep_their_scores_and_scores_are_read_where_they_are_judged() -> None:
    probable = {"prediction": [True, 0.0], "score: 0": [0.2, 0.6], "score: 1": [0.8, 0.4]}
    assert answers_in(probable, are_scores=False) == {"prediction": [1, 0], "score": [0.8, 0.4]}
    assert answers_in(probable, are_scores=True) == {"score": [0.8, 0.4]}
    assert answers_in({"prediction": [610.0, 540]}, are_scores=True) == {"score": [610.0, 540.0]}


def test_a_file_is_checked_as_an_audit_reads_it(tmp_path: Path) -> None:
    file = tmp_path / "set.csv"
    file.write_text(ROWS)
    assert check_file(file, COLUMNS).rows == 3
    for faulty, said in (
        (ROWS.replace("1,White", "yes,White"), "approve"),
        (ROWS.replace("3,7.5", "1,7.5"), "more than once"),
        (ROWS.replace("income", "salary"), "column income is missing"),
        (ROWS.partition("\n")[0] + "\n", "no rows"),
        ("", "empty"),
    ):
        file.write_text(faulty)
        with pytest.raises(SetUnusable, match=said):
            check_file(file, COLUMNS)


def test_a_model_is_given_the_types_of_its_signature_or_told_that_they_do_not_fit(
    tmp_path: Path,
) -> None:
    file, table = tmp_path / "set.csv", tmp_path / "table.json"
    file.write_text(ROWS)
    write_table(file, [{"name": "late", "type": "long"}, {"name": "income", "type": ""}], table)
    assert table.read_text() == (
        '[{"name": "late", "type": "long", "values": [3, 0, 1]}, '
        '{"name": "income", "type": "double", "values": [1.25, null, 7.5]}]'
    )
    with pytest.raises(SetUnusable, match="column income is no long in 2 rows"):
        write_table(file, [{"name": "income", "type": "long"}], table)


def test_rows_are_found_again_whatever_file_holds_them(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    held, csv, parquet = (tmp_path / name for name in ("set.csv", "seen.csv", "seen.parquet"))
    held.write_text(ROWS)
    csv.write_text("approve,late,income,more\n1,3,1.250,x\n0,0,nan,x\n0,1,7.5,x\n")
    narrow = pa.table(
        {
            "late": pa.array([1, 9], pa.int16()),
            "income": pa.array([7.5, 7.5], pa.float32()),
            "approve": pa.array([True, True]),
        }
    )
    pq.write_table(narrow, parquet)
    found = [find_overlap(held, path, COLUMNS) for path in (csv, parquet)]
    assert [set() if isinstance(one, str) else set(one.rows) for one in found] == [{0, 1}, {2}]
    csv.write_text("late,approve\n3,1\n")
    assert find_overlap(held, csv, COLUMNS) == "it has no column income"
    csv.write_bytes(b"\x00\xff" * 40)
    assert isinstance(find_overlap(held, csv, COLUMNS), str)
