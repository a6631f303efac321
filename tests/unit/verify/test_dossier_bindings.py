"""A model's policy is bound by two people, and by one only before there were two."""

from __future__ import annotations

from typing import Any

import pytest

from muniment.attest import predicates
from muniment.verify.dossier_bindings import require_bindings
from muniment.verify.errors import ReportError
from tests.unit.verify.story import POLICY_REF, STREAM
from tests.unit.verify.test_dossier_waivers import record_of
from tests.unit.verify.world import World

ALONE: dict[str, Any] = {"bootstrap": True}
TWO = {"proposal": "0" * 64, "proposed_by": "ada", "confirmed_by": "grace"}


def bind(world: World, authority: dict[str, Any] | None, by: str = "grace") -> None:
    binding = {"model": STREAM, "policy": POLICY_REF["digest"], "risk_tier": "low"}
    said = {} if authority is None else {"authority": authority}
    world.state(
        predicates.POLICY,
        {
            "event": "policy.bound",
            "actor": {"kind": "person", "id": by},
            **POLICY_REF,
            "binding": binding,
            **said,
        },
        subject=STREAM,
    )


def test_bindings_by_one_and_then_by_two_people_hold(world: World) -> None:
    for authority in (None, ALONE, TWO):
        bind(world, authority)
    require_bindings(record_of(world))


@pytest.mark.parametrize(
    ("authority", "by"),
    [
        ({**TWO, "proposed_by": "grace"}, "grace"),
        (TWO, "ada"),
    ],
)
def test_a_binding_without_a_second_person_is_refused(
    world: World, authority: dict[str, Any], by: str
) -> None:
    bind(world, authority, by)
    with pytest.raises(ReportError) as refused:
        require_bindings(record_of(world))
    assert refused.value.code == "binding.two_people"


@pytest.mark.parametrize("authority", [ALONE, None])
def test_nobody_is_enough_again_after_two_were_needed(
    world: World, authority: dict[str, Any] | None
) -> None:
    bind(world, TWO)
    bind(world, authority)
    with pytest.raises(ReportError):
        require_bindings(record_of(world))
