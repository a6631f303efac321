"""Inside the sandbox: take a probe set out of a table, or permute what a model learns from it.

    tables.py probe  TABLE COLUMNS.json OUTPUT.json
    tables.py permute FOLDER COLUMNS.json SEED

COLUMNS.json is ``[{"name", "type"}, …]``, the model's inputs as its signature has them. Prints one
JSON object: ``rows`` of the probe, or ``permuted``, the number of rows that got others' labels.

Permuting: in each CSV or Parquet file the columns that are no inputs change rows together, so that
they go with each other as before, and with the inputs no longer. A file without any input (labels
in a file of their own) has its rows permuted whole.
"""

from __future__ import annotations

import csv
import json
import math
import random
import sys
from pathlib import Path
from typing import Any

PROBE_ROWS = 1_000
_TEXT = (".csv", ".tsv")
_ARROW = {
    "double": "float64",
    "float": "float32",
    "long": "int64",
    "integer": "int32",
    "boolean": "bool",
    "string": "string",
    "datetime": "timestamp[ns]",
}


def make_probe(table: Path, columns: list[dict[str, str]], output: Path) -> int:
    """Write up to 1,000 rows, evenly spaced, of the input columns alone; return how many.

    As ``[{"name", "type", "values"}, …]`` in JSON, which any environment can read; null is what
    was blank or is no number.
    """
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet as pq

    types = {one["name"]: pa.type_for_alias(_ARROW[one["type"]]) for one in columns}
    names = list(types)
    if table.suffix.lower() in _TEXT:
        rows = pyarrow.csv.read_csv(
            table,
            parse_options=pyarrow.csv.ParseOptions(delimiter=_delimiter(table)),
            convert_options=pyarrow.csv.ConvertOptions(
                include_columns=names, column_types=types, strings_can_be_null=True
            ),
        )
    else:
        rows = pq.read_table(table, columns=names).select(names)
        rows = rows.cast(pa.schema(list(types.items())))
    count: int = min(rows.num_rows, PROBE_ROWS)
    evenly = [number * rows.num_rows // count for number in range(count)]
    rows = rows.take(pa.array(evenly, type=pa.int64()))
    probe = [{**one, "values": [_plain(v) for v in rows.column(one["name"])]} for one in columns]
    output.write_text(json.dumps(probe, allow_nan=False), encoding="utf-8")
    return count


def _plain(value: Any) -> Any:
    plain = value.as_py()
    if isinstance(plain, float) and not math.isfinite(plain):
        return None
    return plain if plain is None or isinstance(plain, (bool, int, float, str)) else str(value)


def permute(folder: Path, inputs: set[str], seed: int) -> int:
    """Permute every table below a folder in place; return how many rows got others' labels."""
    moved = 0
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not path.is_file():
            continue
        order = random.Random(seed)  # noqa: S311 # to be repeated, not to be secret
        if path.suffix.lower() in _TEXT:
            moved += _permute_text(path, inputs, order)
        elif path.suffix.lower() == ".parquet":
            moved += _permute_parquet(path, inputs, order)
    return moved


def _permute_text(path: Path, inputs: set[str], order: random.Random) -> int:
    delimiter = _delimiter(path)
    with path.open(newline="", encoding="utf-8") as file:
        header, *rows = list(csv.reader(file, delimiter=delimiter)) or [[]]
    moving = [place for place, name in enumerate(header) if name not in inputs]
    if not moving or any(len(row) != len(header) for row in rows):
        return 0
    sources = list(range(len(rows)))
    order.shuffle(sources)
    labels = [[rows[source][place] for place in moving] for source in sources]
    changed = 0
    for row, given in zip(rows, labels, strict=True):
        changed += any(row[place] != value for place, value in zip(moving, given, strict=True))
        for place, value in zip(moving, given, strict=True):
            row[place] = value
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter=delimiter, lineterminator="\n").writerows([header, *rows])
    return changed


def _permute_parquet(path: Path, inputs: set[str], order: random.Random) -> int:
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    moving = [name for name in table.column_names if name not in inputs]
    sources = list(range(table.num_rows))
    order.shuffle(sources)
    changed = 0
    for name in moving:
        given = table.column(name).take(sources)
        changed = max(changed, _unlike(table.column(name), given))
        place = table.column_names.index(name)
        table = table.set_column(place, table.schema.field(name), given)
    if changed:
        pq.write_table(table, path)
    return changed


def _unlike(before: Any, after: Any) -> int:
    return sum(old != new for old, new in zip(before.to_pylist(), after.to_pylist(), strict=True))


def _delimiter(path: Path) -> str:
    return "\t" if path.suffix.lower() == ".tsv" else ","


def main(arguments: list[str]) -> None:
    """Do what the arguments say and print what came of it."""
    duty, place, columns_file, last = arguments
    columns = json.loads(Path(columns_file).read_text(encoding="utf-8"))
    if duty == "probe":
        said = {"rows": make_probe(Path(place), columns, Path(last))}
    else:
        said = {"permuted": permute(Path(place), {one["name"] for one in columns}, int(last))}
    sys.stdout.write(json.dumps(said) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
