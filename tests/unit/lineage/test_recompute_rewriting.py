"""Data in other bytes: they say the same to every reader, or they are left as they were."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineage.recompute.inside.rewriting import NotCertain, other_lines, rewrite, rewrite_all

CELL = st.text(st.sampled_from('ab1." ,\n;é'), max_size=5)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"a,b\n1,2\n", b"a,b\r\n1,2"),
        (b"a,b\n1,2", b"a,b\r\n1,2\r\n"),
        (b"a,b\r\n1,2\r\n", b"a,b\n1,2"),
        (b'a,b\n"x\ny",2\n', b'a,b\r\n"x\ny",2'),
        (b'a\n"say ""\n"" twice"\n', b'a\r\n"say ""\n"" twice"'),
        (b"a,b\r\n1,2\n3,4\r\n", b"a,b\n1,2\n3,4"),
        ("é\n1\n".encode("latin-1"), "é\r\n1".encode("latin-1")),
    ],
)
def test_lines_end_otherwise_and_what_stands_in_quotes_is_left(before: bytes, after: bytes) -> None:
    assert other_lines(before) == after


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"a,b",
        b"a\rb\r",
        b'a\n"b\n',
        b'a\n"b \\" c"\n',
        "a\n1\n".encode("utf-16"),
    ],
)
def test_what_can_be_read_in_several_ways_is_not_rewritten(content: bytes) -> None:
    with pytest.raises(NotCertain):
        other_lines(content)


@given(st.lists(st.lists(CELL, min_size=2, max_size=2), min_size=2, max_size=6), st.booleans())
def test_every_table_says_the_same_in_other_bytes(rows: list[list[str]], unix: bool) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n" if unix else "\r\n").writerows([["x", "y"], *rows])
    before = text.getvalue().encode()
    after = other_lines(before)
    assert after != before
    assert list(csv.reader(io.StringIO(after.decode(), newline=""))) == [["x", "y"], *rows]


def test_readers_of_csv_see_the_same_table(tmp_path: Path) -> None:
    table = tmp_path / "loans.csv"
    table.write_text('income,name,due\n0.1,"a, b",2026-01-01\n,NA,\n1e-3,"x\ny",2026-02-01\n')
    as_pandas = pd.read_csv(table)
    options = pyarrow.csv.ParseOptions(newlines_in_values=True)
    as_arrow = pyarrow.csv.read_csv(table, parse_options=options)
    before = table.read_bytes()
    rewrite(table)
    assert table.read_bytes() != before
    pd.testing.assert_frame_equal(pd.read_csv(table), as_pandas)
    assert pyarrow.csv.read_csv(table, parse_options=options).equals(as_arrow)


@pytest.mark.parametrize("compression", ["snappy", "zstd", "none"])
def test_parquet_keeps_rows_order_types_and_metadata(tmp_path: Path, compression: str) -> None:
    frame = pd.DataFrame(
        {
            "income": [0.1, float("nan"), None, -0.0] * 50,
            "name": pd.Categorical(["a", None, "b", "c"] * 50),
            "due": pd.to_datetime(["2026-01-01", None, "2026-02-01", "2026-03-01"] * 50),
            "many": [[1, 2], [], [3], [4]] * 50,
        }
    )
    path = tmp_path / "loans.parquet"
    frame.to_parquet(path, compression=compression)
    before, schema = path.read_bytes(), pq.read_schema(path)
    rewrite(path)
    assert path.read_bytes() != before
    assert pq.ParquetFile(path).metadata.num_row_groups == 2
    assert pq.read_schema(path).equals(schema, check_metadata=True)
    pd.testing.assert_frame_equal(pd.read_parquet(path), frame)


def test_one_file_that_stays_as_it_was_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x\n1\n")
    (tmp_path / "b.json").write_text("{}")
    (tmp_path / "c.csv").write_text("x\n1\n")
    assert rewrite_all(tmp_path) == {
        "rewritten": 1,
        "left": "b.json: only CSV and Parquet are rewritten",
    }


@pytest.mark.parametrize("content", [b"", b"PAR1", b"no parquet at all"])
def test_what_is_no_parquet_is_left(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.parquet"
    path.write_bytes(content)
    with pytest.raises(NotCertain):
        rewrite(path)


def test_a_link_is_neither_followed_nor_passed_over(tmp_path: Path) -> None:
    outside = tmp_path / "outside.csv"
    outside.write_text("x\n1\n")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "x.csv").symlink_to(outside)
    assert rewrite_all(folder)["left"] == "x.csv: a link is not followed"
    assert outside.read_text() == "x\n1\n"


def test_a_table_without_rows_is_left_or_says_the_same(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"x": pa.array([], pa.int64())}), path)
    try:
        rewrite(path)
    except NotCertain:
        return
    assert pq.read_table(path).num_rows == 0
