"""Inside the sandbox: write tables in other bytes that say the same.

    rewriting.py FOLDER

Every file below the folder is written anew in its place. Prints one JSON object: ``rewritten``, how
many were, and ``left``, why not all of them were; empty where they were.

CSV: the other ending of lines (outside of quotes), and the last line's end taken away or added.
Parquet: other row groups, other compression. What was written is read again and must be the same
rows in the same order, else it counts as left.
"""

from __future__ import annotations

import csv
import io
import json
import math
import sys
from pathlib import Path
from typing import Any

_TEXT = (".csv", ".tsv")


class NotCertain(Exception):
    """A file cannot be written otherwise so that it certainly says the same; with why."""


def rewrite_all(folder: Path) -> dict[str, Any]:
    """Rewrite every file below a folder in place, up to the first that cannot be."""
    rewritten = 0
    for path in sorted(path for path in folder.rglob("*") if path.is_symlink() or path.is_file()):
        try:
            rewrite(path)
        except NotCertain as error:
            return {"rewritten": rewritten, "left": f"{path.name}: {error}"}
        rewritten += 1
    return {"rewritten": rewritten, "left": ""}


def rewrite(path: Path) -> None:
    """Write one table in other bytes that say the same.

    Raises:
        NotCertain: it is neither CSV nor Parquet, cannot be read, or comes out the same.
    """
    if path.is_symlink():
        raise NotCertain("a link is not followed")
    before = path.read_bytes()
    if path.suffix.lower() in _TEXT:
        path.write_bytes(other_lines(before))
    elif path.suffix.lower() == ".parquet":
        _other_groups(path)
    else:
        raise NotCertain("only CSV and Parquet are rewritten")
    if path.read_bytes() == before:
        raise NotCertain("it comes out in the same bytes")


def other_lines(content: bytes) -> bytes:
    """Return a CSV text with the other ending of lines, and its last line ended otherwise.

    Raises:
        NotCertain: it has no two lines, or quotes or line ends that can be read in several ways.
    """
    if b"\0" in content or b'\\"' in content or content.count(b'"') % 2:
        raise NotCertain("its quotes can be read in several ways")
    # Between one quote and the next nothing is touched: what ends a line there is text.
    parts = content.split(b'"')
    outside = b"".join(parts[::2])
    if b"\r" in outside.replace(b"\r\n", b""):
        raise NotCertain("its lines end in a way of their own")
    if b"\n" not in outside:
        raise NotCertain("it has no two lines")
    end = b"\n" if b"\r\n" in outside else b"\r\n"
    parts[::2] = [part.replace(b"\r\n", b"\n").replace(b"\n", end) for part in parts[::2]]
    written = b'"'.join(parts)
    written = written.removesuffix(end) if written.endswith(end) else written + end
    if _rows(written) != _rows(content):
        raise NotCertain("its rows do not come out the same")
    return written


def _rows(content: bytes) -> list[list[str]]:
    # Latin-1 gives each byte a character of its own, whatever the text is written in.
    text = io.StringIO(content.decode("latin-1"), newline="")
    csv.field_size_limit(sys.maxsize)
    try:
        return list(csv.reader(text))
    except csv.Error as error:
        raise NotCertain(str(error)) from error


def _other_groups(path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
        table, groups = file.read(), file.metadata.num_row_groups
        had = file.metadata.row_group(0).column(0).compression if groups else ""
        file.close()
        pq.write_table(
            table,
            path,
            compression="zstd" if had == "SNAPPY" else "snappy",
            row_group_size=max(1, math.ceil(table.num_rows / (groups + 1))),
        )
        again = pq.ParquetFile(path).read()
    except (pa.ArrowException, OSError, IndexError) as error:
        raise NotCertain(f"it cannot be written again ({type(error).__name__})") from error
    if not again.schema.equals(table.schema, check_metadata=True) or not all(
        _bits(new).equals(_bits(old)) for new, old in zip(again.columns, table.columns, strict=True)
    ):
        raise NotCertain("its rows do not come out the same")


def _bits(column: Any) -> Any:
    """Return a column of numbers as their bits: NaN is not equal to itself, and here it must be."""
    import pyarrow as pa

    kinds = {pa.float64(): pa.int64(), pa.float32(): pa.int32()}
    kind = kinds.get(column.type)
    if kind is None:
        return column
    return pa.chunked_array([chunk.view(kind) for chunk in column.chunks], type=kind)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(rewrite_all(Path(sys.argv[1]))) + "\n")
