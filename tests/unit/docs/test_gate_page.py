"""docs/gate.md says what the command and the interface do."""

from __future__ import annotations

import json

import pytest
from rest_framework import exceptions as drf

from config.problems import problem
from muniment.gate import EXIT_STATUS, FORMATS
from registry import errors
from registry.domain.words import GateOutcome
from tests.unit.docs.pages import DOCS, fenced, read, section, table_rows

PAGE = read(DOCS / "gate.md")
COMMAND = section(PAGE, "## From the command line")
REST = section(PAGE, "## Over REST")


def test_every_exit_status_is_explained() -> None:
    rows = {row[0] for row in table_rows(COMMAND)}
    assert {str(status) for status in EXIT_STATUS.values()} == {
        row for row in rows if row.isdigit()
    }
    decided = {row[1].strip("`,"): row[0] for row in table_rows(COMMAND) if row[0] in "01"}
    assert decided == {"allow": str(EXIT_STATUS["allow"]), "deny": str(EXIT_STATUS["deny"])}


@pytest.mark.parametrize("output_format", FORMATS)
def test_every_format_is_named(output_format: str) -> None:
    assert f"`{output_format}`" in COMMAND


@pytest.mark.parametrize(
    "outcome", [outcome.value for outcome in GateOutcome if outcome != "pending"]
)
def test_every_conclusion_is_named(outcome: str) -> None:
    assert f"`{outcome}`" in REST


def test_the_problem_on_the_page_has_the_members_of_a_real_one() -> None:
    shown = json.loads(fenced(PAGE, "json")[1])
    real = problem(
        status=errors.NotGoverned.status, code=errors.NotGoverned.code, detail=shown["detail"]
    ).data
    assert shown.keys() == real.keys()
    same = ("type", "title", "status", "code", "detail", "errors")
    assert {name: shown[name] for name in same} == {name: real[name] for name in same}


def test_the_codes_on_the_page_are_real() -> None:
    real = {
        *(str(error.code) for error in vars(errors).values() if hasattr(error, "code")),
        *(str(error.default_code) for error in (drf.NotAuthenticated, drf.AuthenticationFailed)),
        "invalid_input",
        "internal_error",
    }
    named = {
        code.strip("` ")
        for row in table_rows(REST)
        if row[0].isdigit()
        for code in row[1].split(",")
    }
    assert named
    assert named <= real
