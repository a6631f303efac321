"""What the page of a violation says: which fields differ, and what to do about it."""

from __future__ import annotations

from typing import Any

import pytest

from registry.models import RegisteredModel, RegistrySource, Violation
from registry.web.violation_words import changed_fields, next_steps


def violation(event: str, *, on_violation: str = "alarm", **fields: Any) -> Violation:
    source = RegistrySource(name="vendor", on_violation=on_violation)
    model = RegisteredModel(source=source, name="loans")
    given = {"status": "open", "can_be_undone": True, "alias": "", **fields}
    return Violation(registered_model=model, event=event, **given)


@pytest.mark.parametrize(
    ("event", "fields", "said"),
    [
        ("alias.set", {"alias": "champion"}, "take the alias champion away"),
        (
            "alias.moved",
            {"alias": "Champion", "before": {"version": 4}},
            "point the alias Champion at version 4",
        ),
        ("alias.removed", {"alias": "champion", "before": {"version": 4}}, "at version 4"),
        ("model.renamed", {"before": {"name": "credit"}}, "rename it to credit"),
        ("version.changed", {"before": {"stage": "None"}}, "set what changed to what it was"),
        ("version.gone", {"can_be_undone": False}, "MLflow cannot bring this back"),
        ("artifacts.changed", {"can_be_undone": False}, "Put them back as they were recorded"),
    ],
)
def test_an_open_one_says_how_it_is_undone_or_that_it_cannot_be(
    event: str, fields: dict[str, Any], said: str
) -> None:
    steps = next_steps(violation(event, **fields))
    assert said in steps[0]
    assert "admin answers for it" in steps[-1]


def test_who_undoes_it_follows_the_source_and_the_tries() -> None:
    moved = {"event": "alias.moved", "alias": "champion", "before": {"version": 1}}
    assert "where the source vendor is set to revert" in next_steps(violation(**moved))[0]
    reverted = violation(**moved, on_violation="revert", attempts=4)
    assert "Muniment puts it back by itself" in next_steps(reverted)[0]
    given_up = violation(**moved, on_violation="revert", attempts=5)
    assert "leaves it to you now" in next_steps(given_up)[0]


@pytest.mark.parametrize("event", ["version.gone", "artifacts.changed"])
def test_answering_for_what_cannot_come_back_does_not_let_it_pass(event: str) -> None:
    steps = next_steps(violation(event, can_be_undone=False, status="accepted"))
    assert "answers for it" in steps[0]
    assert "no gate" in steps[0].lower()
    [only] = next_steps(violation("alias.moved", status="accepted"))
    assert "no gate" not in only.lower()


def test_only_what_differs_is_shown_with_each_tag_by_its_own_name() -> None:
    found = violation(
        "version.changed",
        before={"stage": "Staging", "tags": {"muniment.a": "1", "muniment.b": None}},
        after={"stage": "Staging", "tags": {"muniment.a": "2", "muniment.b": "new"}},
    )
    assert changed_fields(found) == [
        ("tag muniment.a", "1", "2"),
        ("tag muniment.b", None, "new"),
    ]
    gone = violation("version.gone", before={"source": "s3://x", "run_id": "r"}, after=None)
    assert changed_fields(gone) == [("run_id", "r", None), ("source", "s3://x", None)]
