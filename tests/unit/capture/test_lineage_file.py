"""The lineage file: written and read again, and nothing half understood."""

from __future__ import annotations

import json
from typing import Any

import pytest

from muniment.attest.digest import Digest
from muniment.datasets.reference import DatasetReference
from muniment.lineage_file import (
    CapturedEnvironment,
    Code,
    Command,
    Fault,
    LineageFile,
    LineageFileInvalid,
    Package,
    parse_lineage_file,
)

FILE = LineageFile(
    captured_at="2026-11-25T10:00:00Z",
    kit="0.1.0",
    mode="run",
    code=Code("a" * 40, "https://git.example.org/loans.git", is_dirty=False),
    command=Command(("python", "train.py"), "models", {"PYTHONHASHSEED": "0"}, ("src",)),
    seeds={"PYTHONHASHSEED": "0"},
    environment=CapturedEnvironment(
        "3.11.7", "cpython", "linux-x86_64", "b" * 64, "", (Package("numpy", "2.4.6"),), ("x",)
    ),
    datasets=(
        DatasetReference(
            "training",
            "loans",
            "delta",
            "s3://bucket/loans",
            Digest("dirHash", "c" * 64),
            12,
            details={"version": "3"},
        ),
    ),
    outputs={"model/MLmodel": "d" * 64},
    faults=(Fault("The outputs were not hashed."), Fault("No remote is named.", "code")),
)


def test_what_is_written_is_read_again() -> None:
    assert parse_lineage_file(FILE.to_bytes()) == FILE


def test_faults_that_were_written_before_they_named_a_leg_are_read_as_they_are() -> None:
    mapping = {**FILE.as_mapping(), "faults": ["No remote is named."]}
    file = parse_lineage_file(json.dumps(mapping).encode())
    assert file.faults == (Fault("No remote is named."),)
    assert file.as_mapping() == mapping


def test_a_file_that_recorded_little_is_read_again() -> None:
    bare = LineageFile(captured_at="2026-11-25T10:00:00Z", kit="0.1.0", mode="script")
    assert parse_lineage_file(bare.to_bytes()) == bare


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        (("format",), "https://example.org/other/v1", "$.format"),
        (("code", "commit"), 7, "$.code.commit"),
        (("code", "is_dirty"), "no", "$.code.is_dirty"),
        (("code", "surprise"), 1, "surprise"),
        (("surprise",), 1, "surprise"),
        (("command", "arguments"), "python train.py", "$.command.arguments"),
        (("command", "arguments"), ["a\0b"], "$.command.arguments[0]"),
        (("seeds",), ["0"], "$.seeds"),
        (("environment", "packages", 0, "version"), None, "$.environment.packages[0].version"),
        (("datasets", 0, "role"), "testing", "$.datasets[0].role"),
        (("datasets", 0, "kind"), "ftp", "$.datasets[0].kind"),
        (("datasets", 0, "digest"), "md5:00", "$.datasets[0].digest"),
        (("datasets", 0, "size_bytes"), -1, "$.datasets[0].size_bytes"),
        (("datasets", 0, "size_bytes"), True, "$.datasets[0].size_bytes"),
        (("outputs",), {"a": 1}, "$.outputs.a"),
        (("faults", 0), 7, "$.faults[0]"),
        (("faults", 1, "leg"), "weather", "$.faults[1].leg"),
        (("faults", 1, "surprise"), "x", "$.faults[1]"),
    ],
)
def test_what_is_malformed_is_named(path: tuple[Any, ...], value: object, named: str) -> None:
    mapping = json.loads(FILE.to_bytes())
    place = mapping
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    with pytest.raises(LineageFileInvalid, match=named.replace("$", r"\$").replace("[", r"\[")):
        parse_lineage_file(json.dumps(mapping).encode())


def test_a_key_that_stands_twice_is_refused() -> None:
    content = FILE.to_bytes().replace(b'{"captured_at"', b'{"mode":"run","captured_at"', 1)
    with pytest.raises(LineageFileInvalid, match="stands twice"):
        parse_lineage_file(content)
