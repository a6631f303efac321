"""The probe set and the permuted labels, as they are made inside the sandbox."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lineage.recompute.inside.tables import make_probe, permute
from lineage.recompute.signature import Signature, read_signature

COLUMNS = [{"name": "income", "type": "double"}, {"name": "late", "type": "long"}]


def _rows(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def _write(path: Path, rows: int) -> Path:
    lines = [f"{number},{number * 2}.5,{number % 2},{'ab'[number % 2]}" for number in range(rows)]
    path.write_text("\n".join(["late,income,approve,race", *lines]) + "\n", encoding="utf-8")
    return path


def test_the_probe_has_the_inputs_alone_in_the_signatures_order_and_types(tmp_path: Path) -> None:
    output = tmp_path / "probe.json"
    assert make_probe(_write(tmp_path / "loans.csv", 2_500), COLUMNS, output) == 1_000
    income, late = json.loads(output.read_bytes())
    assert (income["name"], income["type"], income["values"][1]) == ("income", "double", 4.5)
    assert (late["values"][0], late["values"][-1], len(set(late["values"]))) == (0, 2_497, 1_000)


def test_what_is_blank_or_no_number_is_null_in_the_probe(tmp_path: Path) -> None:
    table = tmp_path / "loans.csv"
    table.write_text("income,late\n,1\nnan,2\n0.1,3\n", encoding="utf-8")
    make_probe(table, COLUMNS, tmp_path / "probe")
    assert json.loads((tmp_path / "probe").read_bytes())[0]["values"] == [None, None, 0.1]


def test_the_probe_of_the_same_table_is_the_same_to_the_byte(tmp_path: Path) -> None:
    table = _write(tmp_path / "loans.csv", 50)
    make_probe(table, COLUMNS, tmp_path / "one")
    make_probe(table, COLUMNS, tmp_path / "two")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_table_without_rows_gives_an_empty_probe(tmp_path: Path) -> None:
    assert make_probe(_write(tmp_path / "loans.csv", 0), COLUMNS, tmp_path / "probe") == 0


def test_a_column_that_the_table_lacks_is_an_error(tmp_path: Path) -> None:
    table = _write(tmp_path / "loans.csv", 3)
    with pytest.raises(KeyError, match="age"):
        make_probe(table, [{"name": "age", "type": "long"}], tmp_path / "probe")


def test_labels_change_rows_together_and_inputs_stay(tmp_path: Path) -> None:
    table = _write(tmp_path / "loans.csv", 200)
    before = _rows(table)
    assert permute(tmp_path, {"income", "late"}, seed=7) > 50
    after = _rows(table)
    assert [row[:2] for row in after] == [row[:2] for row in before]
    assert [row[2:] for row in after] != [row[2:] for row in before]
    assert sorted(row[2:] for row in after) == sorted(row[2:] for row in before)
    assert all(row[3] == "ab"[int(row[2])] for row in after[1:])


def test_parquet_is_permuted_as_csv_is(tmp_path: Path) -> None:
    table = pa.table({"income": list(range(100)), "approve": [n % 2 for n in range(100)]})
    pq.write_table(table, tmp_path / "loans.parquet")
    assert permute(tmp_path, {"income"}, seed=7) > 20
    after = pq.read_table(tmp_path / "loans.parquet")
    assert after.column("income").to_pylist() == list(range(100))
    assert after.column("approve").to_pylist() != table.column("approve").to_pylist()
    assert sum(after.column("approve").to_pylist()) == 50


def test_labels_in_a_file_of_their_own_are_permuted(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("approve\n" + "0\n1\n" * 40, encoding="utf-8")
    assert permute(tmp_path, {"income"}, seed=7) > 10


def test_nothing_is_permuted_where_every_column_is_an_input(tmp_path: Path) -> None:
    table = _write(tmp_path / "loans.csv", 20)
    before = table.read_bytes()
    assert permute(tmp_path, {"income", "late", "approve", "race"}, seed=7) == 0
    assert table.read_bytes() == before


def test_a_link_in_the_folder_is_not_followed(tmp_path: Path) -> None:
    outside = _write(tmp_path / "outside.csv", 20)
    before = outside.read_bytes()
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "loans.csv").symlink_to(outside)
    assert permute(folder, {"income"}, seed=7) == 0
    assert outside.read_bytes() == before


def test_a_signature_is_read_with_its_input_columns(tmp_path: Path) -> None:
    (tmp_path / "MLmodel").write_text(
        'signature:\n  inputs: \'[{"type": "double", "name": "income"}]\'\n'
        '  outputs: \'[{"type": "long"}]\'\n  params: null\n'
        "flavors:\n  python_function:\n    loader_module: mlflow.sklearn\n",
        encoding="utf-8",
    )
    signature = read_signature(tmp_path)
    assert signature.inputs == ({"name": "income", "type": "double"},)
    assert '"outputs"' in signature.canonical
    assert (
        signature.loading == '{"flavors": {"python_function": {"loader_module": "mlflow.sklearn"}}}'
    )


def test_what_a_model_keeps_in_its_description_is_compared(tmp_path: Path) -> None:
    said = "run_id: a1\nutc_time_created: '2026-11-25'\nmetadata:\n  threshold: 0.5\n"
    (tmp_path / "MLmodel").write_text(said, encoding="utf-8")
    before = read_signature(tmp_path)
    (tmp_path / "MLmodel").write_text(said.replace("a1", "b2"), encoding="utf-8")
    assert read_signature(tmp_path) == before
    (tmp_path / "MLmodel").write_text(said.replace("0.5", "0.0"), encoding="utf-8")
    assert read_signature(tmp_path).loading != before.loading


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "signature: 7",
        "&a [[[*a]]]",
        "signature: {inputs: 'no json'}",
        "a: &a [x]\nflavors: [*a, *a]",
        "!!python/object/apply:os.system [id]",
        "signature: {inputs: '" + "[" * 5_000 + "'}",
        "x" * 2_000_000,
    ],
)
def test_what_is_no_signature_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "MLmodel").write_text(text, encoding="utf-8")
    found = read_signature(tmp_path)
    assert (found.canonical, found.inputs) == ("", ())
    # It is compared all the same, by its bytes.
    assert found.loading == f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
    assert read_signature(tmp_path / "nowhere") == Signature()
