"""docs/datasets.md names what the code knows, and its snippet runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lineage.models import AllowedPlace
from muniment.datasets import DatasetError, errors
from muniment.datasets.places import CREDENTIALS, MAX_BYTES, OPTIONS
from muniment.datasets.reference import KINDS
from muniment.datasets.sources import MAX_FILES
from muniment.datasets.tables import BATCH_ROWS
from tests.unit.docs.pages import DOCS, ROOT, fenced, read, section, table_rows

PAGE = read(DOCS / "datasets.md")


def words(cell: str) -> set[str]:
    return set(re.findall(r"`([\w.]+)`", cell))


def test_every_kind_of_reference_is_explained() -> None:
    rows = table_rows(section(PAGE, "## What is referred to"))
    assert set().union(*(words(row[0]) for row in rows)) == set(KINDS)


def test_every_option_and_credential_of_a_place_is_named() -> None:
    rows = table_rows(section(PAGE, "## Which places the server opens"))
    named = {row[0].strip("`"): (words(row[1]), words(row[2])) for row in rows}
    assert named == {scheme: (set(OPTIONS[scheme]), set(CREDENTIALS[scheme])) for scheme in OPTIONS}
    assert all(f"--kind {kind}" in PAGE for kind in AllowedPlace.Kind.values if kind != "data")


def test_every_code_is_explained_and_none_besides() -> None:
    raised = {
        error.default_code
        for error in vars(errors).values()
        if isinstance(error, type) and issubclass(error, DatasetError)
    }
    for path in (ROOT / "muniment" / "datasets").glob("*.py"):
        raised |= set(re.findall(r'code="(dataset\.\w+)"', read(path)))
    # No error is raised as one of these two alone.
    raised -= {DatasetError.default_code, errors.DatasetRefused.default_code}
    rows = table_rows(section(PAGE, "## What is said when it fails"))
    assert set().union(*(words(row[0]) for row in rows)) == raised


def test_limits_on_the_page_are_the_codes() -> None:
    assert f"{MAX_BYTES // 1024**3} GB, or {MAX_FILES:,} files" in PAGE
    assert f"record batches of {BATCH_ROWS:,} rows" in PAGE


def test_the_snippet_prints_a_reference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "loanapp.csv").write_text("loan\n1\n")
    monkeypatch.chdir(tmp_path)
    [snippet] = fenced(PAGE, "python")
    exec(compile(snippet, "datasets.md", "exec"), {})
    assert capsys.readouterr().out.startswith("sha256:")
