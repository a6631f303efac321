"""A predictions file, opened by a DuckDB that sees that one file and nothing else.

The file comes from outside. DuckDB runs in memory with extensions off, no file but this one, a
memory limit, and its configuration locked before the first byte is read.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb


INTEGERS = frozenset(
    {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"}
    | {"UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"}
)
FLOATS = frozenset({"FLOAT", "DOUBLE"})


_PARQUET, _ARROW = b"PAR1", b"ARROW1"


class Refused(Exception):
    """Carries reasons out of the reading; never leaves this package."""

    def __init__(self, *reasons: str) -> None:
        super().__init__(*reasons)
        self.reasons = reasons


@dataclass(frozen=True, slots=True)
class Source:
    """An open file, readable as the view ``predictions``, and the type of each of its columns."""

    connection: duckdb.DuckDBPyConnection
    types: dict[str, str]

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        """Return every row of a query."""
        return self.connection.execute(sql).fetchall()


@contextmanager
def open_source(path: Path, memory_limit: str, *, threads: int = 4) -> Iterator[Source]:
    """Open a Parquet, Arrow (Feather), JSON or CSV file for as long as the context lasts.

    What it is its first bytes say, not its name; what is none of the others is CSV.

    Raises:
        Refused: an empty file, or one that is not what its name says.
        OSError, duckdb.Error: a file that cannot be read.
    """
    import duckdb

    if path.exists() and not path.is_file():
        # A pipe or a device would be waited for, or never end.
        raise Refused("the file cannot be read: it is a folder or no ordinary file")
    with path.open("rb") as file:
        magic = file.read(8)
    if not magic:
        raise Refused("the file is empty")
    if not magic.startswith(_PARQUET) and path.suffix.lower() in {".parquet", ".pq"}:
        raise Refused("the file is not Parquet, which its name says it is")
    with tempfile.TemporaryDirectory(prefix="muniment-predictions-") as folder:
        # DuckDB reads * and [ in a path as a pattern, so it gets a name of our own choosing.
        link = Path(folder, "predictions")
        link.symlink_to(path.resolve())
        connection = duckdb.connect(
            ":memory:",
            config={
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
                "allow_community_extensions": "false",
                "memory_limit": memory_limit,
                "threads": str(min(threads, os.cpu_count() or 1)),
                "temp_directory": folder,
            },
        )
        try:
            name = literal(str(link))
            if magic.startswith(_ARROW):
                _register_arrow(connection, link)
            connection.execute(f"SET allowed_paths = [{name}]")
            connection.execute("SET enable_external_access = false")
            # It would be drawn on standard output, where a program's answer stands.
            connection.execute("SET enable_progress_bar = false")
            connection.execute("SET lock_configuration = true")
            reader = _reader(magic, name)
            connection.execute(
                f"CREATE TEMP VIEW predictions AS SELECT * FROM {reader}"  # noqa: S608 - quoted
            )
            described = connection.execute("DESCRIBE predictions").fetchall()
            yield Source(connection, {str(row[0]): str(row[1]) for row in described})
        finally:
            connection.close()


def _reader(magic: bytes, name: str) -> str:
    """Return what reads a file that begins so, with nothing about it left to guess."""
    if magic.startswith(_PARQUET):
        return f"read_parquet({name})"
    if magic.startswith(_ARROW):
        return "arrow_file"
    if magic.lstrip()[:1] in (b"{", b"["):
        # Types are taken from every row, not from the first few.
        return f"read_json({name}, sample_size = -1, ignore_errors = false)"
    return (
        f"read_csv({name}, all_varchar = true, header = true, delim = ',', "
        "quote = '\"', escape = '\"', skip = 0, comment = '', strict_mode = true, "
        "null_padding = false, ignore_errors = false)"
    )


def _register_arrow(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Let the engine read an Arrow file batch by batch, as the table ``arrow_file``."""
    import pyarrow as pa
    import pyarrow.dataset

    try:
        connection.register("arrow_file", pyarrow.dataset.dataset(path, format="feather"))
    except pa.ArrowException as error:
        raise Refused(f"the file cannot be read: {first_line(error)}") from error


def identifier(column: str) -> str:
    """Return a column name quoted for SQL."""
    return '"' + column.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return a text quoted for SQL."""
    return "'" + text.replace("'", "''") + "'"


def first_line(error: Exception) -> str:
    """Return what an engine said in one short line, without the folders of this machine."""
    line = str(error).strip().split("\n", 1)[0]
    return re.sub(r"(file )?['\"]?/\S+", "the file", line)[:200]
