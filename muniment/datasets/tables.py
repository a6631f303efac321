"""The digest of a table in memory: the SHA-256 of its canonical Arrow IPC bytes.

The same values in the same columns give the same bytes, however they were chunked, sliced, encoded
by dictionary or annotated. `docs/datasets.md` defines them.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

from muniment.attest.digest import Digest
from muniment.datasets.errors import DatasetRefused

# Rows a record batch.
BATCH_ROWS: Final = 65_536
_BITS: Final = bytes.maketrans(b"\x00\x01", b"01")


def table_digest(table: object) -> tuple[Digest, int]:
    """Return the digest of a pandas or Arrow table, and how many canonical bytes it has.

    Args:
        table: a pandas DataFrame or Series, or anything with ``__arrow_c_stream__``. An index
            that is not a plain range counts as columns.

    Raises:
        DatasetRefused: no table, or a column's type has no canonical form here.
    """
    import pyarrow as pa

    arrow = _as_arrow(table)
    sink = _Sink()
    columns = [arrow.column(number) for number in range(arrow.num_columns)]
    empty = [_canonical(pa.array([], column.type), name) for column, name in _named(arrow, columns)]
    schema = pa.schema(
        [
            pa.field(name, one.type, nullable=True)
            for one, name in zip(empty, arrow.column_names, strict=True)
        ]
    )
    options = pa.ipc.IpcWriteOptions(
        metadata_version=pa.ipc.MetadataVersion.V5, compression=None, use_threads=False
    )
    with pa.ipc.new_stream(sink, schema, options=options) as writer:
        for start in range(0, arrow.num_rows, BATCH_ROWS):
            arrays = [
                _canonical(_one_chunk(column.slice(start, BATCH_ROWS)), name)
                for column, name in _named(arrow, columns)
            ]
            writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=schema))
    return Digest("sha256", sink.sha256.hexdigest()), sink.size_bytes


class _Sink:
    """What Arrow writes into."""

    closed = False

    def __init__(self) -> None:
        self.sha256 = hashlib.sha256()
        self.size_bytes = 0

    def write(self, content: Any) -> int:
        view = memoryview(content)
        self.sha256.update(view)
        self.size_bytes += view.nbytes
        return view.nbytes

    def flush(self) -> None:
        """Keep nothing back."""


def _as_arrow(table: object) -> Any:
    import pyarrow as pa

    if hasattr(table, "to_frame") and not hasattr(table, "columns"):
        table = table.to_frame()
    try:
        if isinstance(table, pa.Table):
            return table
        if hasattr(table, "iloc") and hasattr(table, "columns"):
            return pa.Table.from_pandas(table)
        if hasattr(table, "__arrow_c_stream__"):
            return pa.table(table)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise DatasetRefused(
            f"the table cannot be turned into Arrow: {str(error)[:300]}", code="dataset.table"
        ) from error
    raise DatasetRefused(
        f"a {type(table).__name__} is neither an address nor a pandas or Arrow table",
        code="dataset.table",
    )


def _named(arrow: Any, columns: list[Any]) -> Any:
    return zip(columns, arrow.column_names, strict=True)


def _one_chunk(column: Any) -> Any:
    import pyarrow as pa

    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(_unified(column))


def _unified(column: Any) -> list[Any]:
    import pyarrow as pa

    chunks: list[Any] = column.chunks
    if pa.types.is_dictionary(column.type):
        return [chunk.dictionary_decode() for chunk in chunks]
    return chunks


def _canonical(array: Any, name: str) -> Any:
    """Return the array with fresh buffers: from zero, exactly long, zero where it is null."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kinds, kind, count = pa.types, array.type, len(array)
    if isinstance(array, pa.ExtensionArray):
        return _canonical(array.storage, name)
    if kinds.is_dictionary(kind):
        return _canonical(array.dictionary_decode(), name)
    if kinds.is_null(kind):
        return pa.nulls(count)
    if kinds.is_string_view(kind) or kinds.is_binary_view(kind):
        plain = pa.large_string() if kinds.is_string_view(kind) else pa.large_binary()
        return _canonical(array.cast(plain), name)
    nulls = array.null_count
    validity = _bitmap(array.is_valid()) if nulls else None
    if kinds.is_boolean(kind):
        bits = _bitmap(array.fill_null(False))
        return pa.Array.from_buffers(kind, count, [validity, bits], nulls)
    if kinds.is_struct(kind):
        children = [_canonical(child, name) for child in array.flatten()]
        fields = [
            pa.field(kind.field(number).name, child.type) for number, child in enumerate(children)
        ]
        return pa.Array.from_buffers(pa.struct(fields), count, [validity], nulls, children=children)
    if kinds.is_list(kind) or kinds.is_large_list(kind):
        child = _canonical(array.flatten(), name)
        offsets = _offsets(pc.list_value_length(array).fill_null(0))
        make = pa.large_list if kinds.is_large_list(kind) else pa.list_
        kind = make(pa.field("item", child.type))
        return pa.Array.from_buffers(kind, count, [validity, offsets], nulls, children=[child])
    if kinds.is_fixed_size_list(kind) and not nulls:
        child = _canonical(array.flatten(), name)
        kind = pa.list_(pa.field("item", child.type), kind.list_size)
        return pa.Array.from_buffers(kind, count, [None], 0, children=[child])
    if kinds.is_string(kind) or kinds.is_large_string(kind):
        return _text(array.fill_null("") if nulls else array, validity, nulls)
    if kinds.is_binary(kind) or kinds.is_large_binary(kind):
        return _text(array.fill_null(b"") if nulls else array, validity, nulls)
    if kinds.is_primitive(kind) or kinds.is_decimal(kind) or kinds.is_fixed_size_binary(kind):
        width = kind.bit_width // 8
        if nulls:
            zero = pa.Array.from_buffers(kind, 1, [None, pa.py_buffer(bytes(width))])[0]
            array = pc.coalesce(array, zero)
        content = array.buffers()[1]
        values = content.slice(array.offset * width, count * width) if content else None
        return pa.Array.from_buffers(kind, count, [validity, values], nulls)
    raise DatasetRefused(
        f"the column {name[:80]!r} has the type {str(kind)[:80]}, which has no canonical form here",
        code="dataset.table_type",
    )


def _text(array: Any, validity: Any, nulls: int) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    lengths = pc.binary_length(array)
    offsets = _offsets(lengths)
    total = pc.sum(lengths).as_py() or 0
    _, places, content = array.buffers()
    if total:
        width = 8 if str(array.type).startswith("large") else 4
        first = memoryview(places)[array.offset * width : (array.offset + 1) * width]
        content = content.slice(int.from_bytes(first, "little"), total)
    else:
        content = pa.py_buffer(b"")
    return pa.Array.from_buffers(array.type, len(array), [validity, offsets, content], nulls)


def _offsets(lengths: Any) -> Any:
    """Return the buffer of offsets, one more than there are lengths, of the same width."""
    import pyarrow as pa
    import pyarrow.compute as pc

    ends = pc.cumulative_sum(lengths)
    width = lengths.type.bit_width // 8
    held = ends.buffers()[1].to_pybytes()[: len(lengths) * width] if len(lengths) else b""
    return pa.py_buffer(bytes(width) + held)


def _bitmap(booleans: Any) -> Any:
    """Pack booleans, none of them null, eight to a byte; the bits after the last are zero."""
    import pyarrow as pa

    count = len(booleans)
    if not count:
        return pa.py_buffer(b"")
    each = booleans.cast(pa.uint8())
    content = each.buffers()[1].to_pybytes()[each.offset : each.offset + count]
    packed = int(content.translate(_BITS)[::-1], 2)
    return pa.py_buffer(packed.to_bytes((count + 7) // 8, "little"))
