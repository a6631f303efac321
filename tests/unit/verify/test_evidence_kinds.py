"""What evidence a decision rests on, by what its gates say that they read."""

from __future__ import annotations

from typing import Any

from muniment.verify.evidence_view import evidence_digest, kinds_read
from tests.unit.verify.story import POLICY_REF, server_evidence_digest
from tests.unit.verify.test_dossier_waivers import record_of
from tests.unit.verify.world import World

GATES: list[dict[str, Any]] = [
    {"kind": "lineage_complete"},
    {"kind": "group_metric"},
    {"kind": "any_of", "reads": ["attestation:validated", "performance"]},
]


def digest_of(world: World, gates: list[dict[str, Any]]) -> str:
    return evidence_digest(
        record_of(world),
        policy_digest=str(POLICY_REF["digest"]),
        alias="champion",
        kinds=kinds_read(gates),
    )


def test_the_digest_is_the_servers_for_gates_that_name_what_they_read(world: World) -> None:
    before = digest_of(world, GATES)
    world.finding("attestation:validated", "pass", {"role": "auditor"}, origin="computed")
    world.finding("reported:unread", "pass", {"drop": 0.1})
    kinds = ("attestation:validated", "bias", "performance")
    assert kinds_read(GATES) == frozenset(kinds)
    assert digest_of(world, GATES) == server_evidence_digest(world.statements(), kinds=kinds)
    assert digest_of(world, GATES) != before


def test_a_gate_that_hides_what_it_reads_gives_another_digest(world: World) -> None:
    world.finding("attestation:validated", "pass", {"role": "auditor"}, origin="computed")
    hiding = [*GATES[:2], {"kind": "any_of", "reads": ["performance"]}]
    assert digest_of(world, hiding) != digest_of(world, GATES)
    assert kinds_read([{"kind": "any_of", "reads": "performance"}]) == frozenset()
