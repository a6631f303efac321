"""Every gate that stands in the way says who clears it and how."""

from __future__ import annotations

import shlex

import pytest

from registry.domain.remedies import remedy_of
from registry.domain.words import GateKind, GateOutcome


@pytest.mark.parametrize("kind", GateKind)
@pytest.mark.parametrize("outcome", GateOutcome)
@pytest.mark.parametrize("was_read", [False, True])
def test_what_blocks_has_a_remedy_and_nothing_else_has(
    kind: GateKind, outcome: GateOutcome, was_read: bool
) -> None:
    remedy = remedy_of(kind, outcome, was_read=was_read)
    assert (remedy is not None) is outcome.blocks
    if remedy is not None:
        assert remedy.who
        assert remedy.what.endswith((".", "!"))


@pytest.mark.parametrize("kind", GateKind)
def test_no_remedy_is_a_prediction_of_the_team_where_it_does_not_count(kind: GateKind) -> None:
    remedy = remedy_of(kind, GateOutcome.INSUFFICIENT, was_read=False, is_computed=True)
    assert remedy is not None
    assert "predictions" not in remedy.what


def test_the_command_names_the_version_whatever_its_model_is_called() -> None:
    remedy = remedy_of(GateKind.RECOMPUTATION, GateOutcome.INSUFFICIENT, was_read=False)
    assert remedy is not None
    command = remedy.about("VERSION; rm -rf $HOME", 7).command
    assert shlex.split(command)[2:4] == ["VERSION; rm -rf $HOME", "7"]
