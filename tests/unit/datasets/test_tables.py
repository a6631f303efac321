"""Canonical bytes of tables in memory: one digest for one table, however it is held."""

from __future__ import annotations

import datetime
import decimal
import itertools
from collections.abc import Callable
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muniment.datasets import DatasetRefused
from muniment.datasets.tables import BATCH_ROWS, table_digest


def digest(table: object) -> str:
    return table_digest(table)[0].hex


def every_type(rows: int = 5) -> pa.Table:
    """A column of each type that has a canonical form, each with nulls."""
    day = datetime.datetime(2026, 11, 25, tzinfo=datetime.UTC)
    some: dict[str, tuple[pa.DataType, list[Any]]] = {
        "int": (pa.int64(), [1, None, -3, 2**62, 0]),
        "small": (pa.int8(), [1, None, -3, 127, 0]),
        "float": (pa.float64(), [1.5, None, float("nan"), -0.0, 1e300]),
        "half": (pa.float16(), [1.5, None, 2.0, 3.0, 4.0]),
        "flag": (pa.bool_(), [True, None, False, True, True]),
        "text": (pa.string(), ["a", None, "", "日本", "a longer one"]),
        "large": (pa.large_string(), ["a", None, "", "日本", "a longer one"]),
        "view": (pa.string_view(), ["a", None, "", "日本", "more than twelve characters"]),
        "bytes": (pa.binary(), [b"a", None, b"", b"\x00\xff", b"x"]),
        "fixed": (pa.binary(3), [b"abc", None, b"\0\0\0", b"xyz", b"zzz"]),
        "money": (pa.decimal128(20, 2), [decimal.Decimal("1.50"), None, 0, -1, 7]),
        "day": (pa.date32(), [day.date(), None, day.date(), day.date(), None]),
        "moment": (pa.timestamp("us", "UTC"), [day, None, day, day, None]),
        "span": (pa.duration("ns"), [1, None, 2, 3, 4]),
        "nothing": (pa.null(), [None] * 5),
        "word": (pa.dictionary(pa.int8(), pa.string()), ["a", None, "b", "a", "b"]),
        "list": (pa.list_(pa.int32()), [[1, 2], None, [], [None, 3], [4]]),
        "lists": (pa.large_list(pa.list_(pa.string())), [[["a"], None], None, [], [[]], [["b"]]]),
        "vector": (pa.list_(pa.float32(), 2), [[1, 2], [3, 4], [5, None], [7, 8], [9, 0]]),
        "struct": (
            pa.struct([("x", pa.int16()), ("y", pa.string())]),
            [{"x": 1, "y": "a"}, None, {"x": None, "y": None}, {"x": 2, "y": ""}, {"x": 3}],
        ),
    }  # fmt: skip
    return pa.table(
        {
            name: pa.array((values * (rows // 5 + 1))[:rows], kind)
            for name, (kind, values) in some.items()
        }
    )


def rechunked(table: pa.Table, size: int) -> pa.Table:
    return pa.concat_tables([table.slice(start, size) for start in range(0, len(table), size)])


def garbage_under_nulls(table: pa.Table) -> pa.Table:
    """The same values, with other bytes where a value is null and beyond the last one."""
    numbers = pa.array([1, 77, -3, 2**62, 0, 99], pa.int64())
    validity = pa.py_buffer(bytes([0b11111101]))
    held = pa.Array.from_buffers(pa.int64(), 5, [validity, numbers.buffers()[1]])
    flags = pa.Array.from_buffers(pa.bool_(), 5, [validity, pa.py_buffer(bytes([0b11111011]))])
    assert held.to_pylist() == table["int"].to_pylist()
    assert flags.to_pylist() == table["flag"].to_pylist()
    place = table.column_names.index
    table = table.set_column(place("int"), "int", held)
    return table.set_column(place("flag"), "flag", flags)


SAME: list[Callable[[pa.Table], object]] = [
    lambda table: rechunked(table, 1),
    lambda table: rechunked(table, 2),
    lambda table: pa.concat_tables([table, table]).slice(0, len(table)),
    lambda table: pa.concat_tables([table, table]).slice(len(table)),
    lambda table: pa.concat_tables([table.slice(3), table]).combine_chunks().slice(2),
    lambda table: table.replace_schema_metadata({"pandas": "{}", "who": "me"}),
    lambda table: table.cast(
        pa.schema([field.with_metadata({"a": "b"}) for field in table.schema])
    ),
    lambda table: table.set_column(
        table.column_names.index("word"), "word", table["word"].cast(pa.string())
    ),
    lambda table: table.set_column(
        table.column_names.index("word"),
        pa.field("word", pa.dictionary(pa.int32(), pa.string())),
        pa.array(["b", "a", None, "b", "a", "b"]).dictionary_encode().slice(1),
    ),
    lambda table: table.set_column(
        table.column_names.index("view"), "view", table["view"].cast(pa.large_string())
    ),
    garbage_under_nulls,
    lambda table: pa.RecordBatchReader.from_batches(table.schema, table.to_batches()),
]


@pytest.mark.parametrize("otherwise", SAME)
def test_the_same_table_held_otherwise_has_the_same_digest(
    otherwise: Callable[[pa.Table], object],
) -> None:
    assert digest(otherwise(every_type())) == digest(every_type())


def test_the_same_rows_across_batches_have_the_same_digest() -> None:
    table = every_type(BATCH_ROWS + 11)
    assert digest(rechunked(table, 10_007)) == digest(table) != digest(table.slice(1))


@pytest.mark.parametrize("column", every_type().column_names)
def test_each_column_counts(column: str) -> None:
    table = every_type()
    assert digest(table.drop_columns([column])) != digest(table)
    assert digest(table.rename_columns([f"{name}." for name in table.column_names])) != digest(
        table
    )
    if column != "nothing":
        place = table.column_names.index(column)
        backwards = pa.array(table[column].to_pylist()[::-1], table[column].type)
        assert digest(table.set_column(place, column, backwards)) != digest(table)


def test_order_type_and_null_count() -> None:
    table = pa.table({"a": [1, 0], "b": [3, 4]})
    others = [
        table.select(["b", "a"]),
        table.take([1, 0]),
        table.set_column(0, "a", pa.array([1, 0], pa.int32())),
        table.set_column(0, "a", pa.array([1, None])),
        table.slice(0, 1),
        table.slice(0, 0),
        table.select([]),
    ]
    assert len({digest(one) for one in [table, *others]}) == len(others) + 1


@given(
    st.lists(st.tuples(st.none() | st.integers(-9, 9), st.none() | st.text(max_size=3))),
    st.lists(st.integers(0, 30), max_size=4),
    st.integers(0, 5),
)
@settings(max_examples=60)
def test_no_cut_changes_the_digest(rows: list[Any], cuts: list[int], before: int) -> None:
    schema = pa.schema([("n", pa.int64()), ("t", pa.string()), ("f", pa.bool_())])
    plain = pa.table(
        [
            [n for n, _ in rows],
            [t for _, t in rows],
            [None if n is None else n > 0 for n, _ in rows],
        ],
        schema=schema,
    )
    padded = pa.concat_tables([plain.slice(0, before), plain]).combine_chunks()
    padded = padded.slice(min(before, len(plain)))
    edges = sorted({0, len(rows), *(cut for cut in cuts if cut < len(rows))})
    pieces = [padded.slice(a, b - a) for a, b in itertools.pairwise(edges)]
    assert digest(pa.concat_tables(pieces) if pieces else padded) == digest(plain)


def test_pandas_tables_count_their_values_and_a_meaningful_index() -> None:
    frame = pd.DataFrame({"a": [1, 2, 3], "b": ["x", None, "z"]})
    assert digest(frame) == digest(frame.copy()) == digest(pa.Table.from_pandas(frame))
    assert digest(frame.set_index("b")) != digest(frame[["a"]])
    assert digest(frame.iloc[::-1]) != digest(frame)
    assert digest(frame["a"]) == digest(frame[["a"]])
    assert digest(frame.astype({"b": "category"})) != digest(frame.assign(b="x"))


@pytest.mark.parametrize(
    "what",
    [
        {"a": [1]},
        [1, 2],
        None,
        pa.table({"m": pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64()))}),
        pa.table({"v": pa.array([[1], None], pa.list_(pa.int8(), 1))}),
        pd.DataFrame({"a": [object()]}),
    ],
)
def test_what_has_no_canonical_form_is_refused(what: object) -> None:
    with pytest.raises(DatasetRefused) as refused:
        table_digest(what)
    assert refused.value.code in ("dataset.table", "dataset.table_type")


def test_the_canonical_bytes_never_change() -> None:
    """Digests of this format stand in records for years: another Arrow must write the same."""
    assert digest(every_type()) == (
        "5762ee0328507918fa7d60dc7fd4096947a7202411a2eb2e31d01f99e8c8f44f"
    )
    assert table_digest(pa.table({"a": [1, 2]}))[1] == 296
