"""A report says which rows Muniment asked a model about, and never more than was checked."""

from __future__ import annotations

from typing import Any

import pytest

from audits.report.view_set import evaluation_set

CHECKED = {"checked": True, "rows": 0, "tables": 2}


@pytest.mark.parametrize(
    ("contamination", "said"),
    [
        (CHECKED, "None of them stands in its training data (2 tables read)."),
        ({**CHECKED, "rows": 7}, "Rows that also stand in its training data: 7."),
        ({**CHECKED, "checked": False}, "was not checked in full."),
        ({**CHECKED, "checked": "yes"}, "was not checked in full."),
        ({}, "was not checked in full."),
        (None, "was not checked in full."),
    ],
)
def test_what_was_asked_is_said(contamination: Any, said: str) -> None:
    asked = {"name": "held-out", "version": 3, "rows": 1234, "audits": 2}
    text = evaluation_set({"evaluation_set": {**asked, "contamination": contamination}})
    assert text.startswith(
        "The model was asked about 1,234 rows of the evaluation set held-out, version 3."
        " Audits of this model with it, this one included: 2. "
    )
    assert text.endswith(said)


@pytest.mark.parametrize("measurements", [{}, {"evaluation_set": None}, {"evaluation_set": "x"}])
def test_of_no_set_nothing_is_said(measurements: dict[str, Any]) -> None:
    assert evaluation_set(measurements) == ""
