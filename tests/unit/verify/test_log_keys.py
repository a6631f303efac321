"""Reports while one log key takes over from another: any key of the log verifies what it signed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from muniment.attest.checkpoint import Checkpoint, sign_checkpoint
from muniment.attest.envelope import EnvelopeSigner, parse_envelope, sign_envelope
from muniment.attest.keyring import LogKey
from muniment.attest.merkle import leaf_hash, root_hash
from muniment.attest.note import NoteSigner
from muniment.attest.statement import format_time
from tests.unit.verify.conftest import Look
from tests.unit.verify.world import NOW, SETUP, World, failures, make_statement_signer

NAME = "muniment.test/log"


@dataclass
class Rotated(World):
    """A log that several keys sign; ``log`` is the one that its reports name."""

    signers: tuple[NoteSigner, ...] = ()

    def checkpoint(self) -> bytes:
        root = root_hash([leaf_hash(leaf) for leaf in self.leaves])
        return sign_checkpoint(Checkpoint(NAME, len(self.leaves), root), *self.signers)

    def enrol_log_keys(self, *keys: NoteSigner, signer: EnvelopeSigner | None = None) -> None:
        for entry in LogKey(keys[0].vkey, NAME, tuple(key.vkey for key in keys[1:])).keys:
            statement = entry.statement(at=format_time(NOW), actor=SETUP)
            self.leaves.append(sign_envelope(statement, signer or self.signer))


@pytest.fixture(scope="module")
def new() -> NoteSigner:
    return NoteSigner(NAME, Ed25519PrivateKey.generate())


@pytest.fixture
def rotated(world: World, new: NoteSigner) -> Callable[..., Rotated]:
    """Return a log signed by some keys, whose reports name the first."""

    def make(*signers: NoteSigner, enrolled: bool = True) -> Rotated:
        members = {name: getattr(world, name) for name in World.__dataclass_fields__}
        made = Rotated(**members | {"log": signers[0], "signers": signers})
        made = replace(made, leaves=list(world.leaves), stream=list(world.stream))
        if enrolled:
            made.enrol_log_keys(world.log, new)
        return made

    return make


def test_old_and_new_key_verify_a_report_of_the_overlap_whichever_it_names(
    rotated: Callable[..., Rotated], look: Look, world: World, new: NoteSigner
) -> None:
    for signers in ((world.log, new), (new, world.log)):
        report = rotated(*signers).report()
        for vkey in (world.vkey, new.vkey):
            verification = look(report, vkey)
            assert verification.holds, failures(verification)
            assert verification.facts["log_vkeys"] == [world.vkey, new.vkey]


def test_before_and_after_the_overlap_only_the_key_that_signed_verifies(
    rotated: Callable[..., Rotated], look: Look, world: World, new: NoteSigner
) -> None:
    for signer, other in ((world.log, new), (new, world.log)):
        report = rotated(signer).report()
        assert look(report, signer.vkey).holds
        assert "log.checkpoint" in failures(look(report, other.vkey))


def test_a_report_of_a_log_that_states_no_key_of_its_own_still_verifies(
    look: Look, honest_report: bytes
) -> None:
    verification = look(honest_report)
    assert verification.holds
    assert verification.facts["log_vkeys"] == []


def test_a_named_key_that_the_log_does_not_enrol_is_refused(
    rotated: Callable[..., Rotated], look: Look, world: World, new: NoteSigner
) -> None:
    report = rotated(new, world.log, enrolled=False).report()
    assert set(failures(look(report, world.vkey))) == {"dossier.agreement"}


@pytest.mark.parametrize("name", ["another.test/log", "muniment.test/log "])
def test_a_named_key_of_another_log_is_refused(
    rotated: Callable[..., Rotated], look: Look, world: World, new: NoteSigner, name: str
) -> None:
    made = rotated(world.log, new)
    evidence: dict[str, Any] = json.loads(json.dumps(made.evidence()))
    evidence["dossier"]["log"]["vkey"] = new.vkey.replace(NAME, name)
    assert set(failures(look(made.report(evidence), world.vkey))) == {"dossier.agreement"}


def test_a_log_key_that_an_unknown_key_enrolled_is_refused(
    rotated: Callable[..., Rotated],
    look: Look,
    world: World,
    new: NoteSigner,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    stray = make_statement_signer(tmp_path_factory.mktemp("stray"), "stray")
    made = rotated(new, world.log, enrolled=False)
    made.enrol_log_keys(new, signer=stray)
    assert "log.keys" in failures(look(made.report(), world.vkey))


def test_a_log_key_signs_no_statement(
    rotated: Callable[..., Rotated], look: Look, world: World, new: NoteSigner
) -> None:
    """Enrolled for the log, it vouches for nothing that is said."""
    made = rotated(world.log, new)
    said = parse_envelope(made.stream[0]).payload
    made.leaves.append(sign_envelope(said, _AsEnvelopeSigner(new)))
    found = failures(look(made.report(), world.vkey))
    assert found["statements.signatures"] == "envelope.unknown_key"


class _AsEnvelopeSigner:
    def __init__(self, key: NoteSigner) -> None:
        self._key = key
        self._keyid = LogKey(key.vkey, NAME).keys[0].keyid

    def sign(self, payload: bytes, /) -> Any:
        from securesystemslib.signer import Signature

        return Signature(self._keyid, self._key.private_key.sign(payload).hex())
