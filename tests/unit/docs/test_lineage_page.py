"""docs/lineage.md names what the grading reads."""

from __future__ import annotations

import ast
import re

import pytest

from lineage.domain import captured, leg
from lineage.domain.environment import LOCK_PATH, read_environment
from lineage.domain.provenance import MAX_PARAMETER_BYTES
from registry.services.predictions import PREDICTIONS
from tests.unit.docs.pages import DOCS, fenced, read, section, table_rows

PAGE = read(DOCS / "lineage.md")
TAGS = {
    value
    for name, value in vars(captured).items()
    if name.endswith("_TAG") and isinstance(value, str)
}


@pytest.mark.parametrize(
    "name", [*sorted(TAGS), captured.ENTRY_POINT_TAGS[0], LOCK_PATH, PREDICTIONS[0]]
)
def test_everything_that_is_read_of_a_run_is_to_be_logged(name: str) -> None:
    table = section(PAGE, "## What to log without the kit")
    assert any(f"`{name}`" in row[0] for row in table_rows(table))
    # And the snippet logs it.
    [snippet] = fenced(PAGE, "python")
    assert f'"{name}"' in snippet


@pytest.mark.parametrize("seed", captured.SEED_PARAMS)
def test_every_parameter_that_counts_as_a_seed_is_named(seed: str) -> None:
    assert f"`{seed}`" in PAGE


def test_every_grade_and_leg_is_explained() -> None:
    grades = {row[0] for row in table_rows(section(PAGE, "## Grades"))}
    assert {f"`{grade.value}`" for grade in leg.Grade} <= grades
    assert {f"`{leg}`" for leg in leg.LEG_NAMES} <= grades


def test_the_limit_of_parameters_is_the_real_one() -> None:
    assert f"More than {MAX_PARAMETER_BYTES:,} bytes" in " ".join(PAGE.split())


def test_the_lock_that_the_snippet_writes_pins_everything() -> None:
    [snippet] = fenced(PAGE, "python")
    tree = ast.parse(snippet)
    [lock] = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "lock"
    ]
    import importlib.metadata

    written = eval(  # the page's own expression
        compile(ast.Expression(lock), "lineage.md", "eval"), {"importlib": importlib}
    )
    environment = read_environment(written.encode())
    assert environment.is_exact, environment.inexact
    assert re.fullmatch(r"[\w.!+]+", environment.packages["django"])
