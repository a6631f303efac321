"""Every format version ever emitted must still verify."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from muniment.attest.checkpoint import verify_checkpoint
from muniment.attest.envelope import verify_envelope
from muniment.attest.keyring import KeyEntry, Keyring
from muniment.attest.merkle import leaf_hash, root_hash
from muniment.attest.predicates import KEY, require_readable
from muniment.attest.proof import TlogProof
from muniment.attest.statement import parse_statement
from muniment.verify import LogQuestion, LogTrust, verify_report
from muniment.verify.whole_log import verify_log
from tests.unit.attest.test_note import LOG
from tests.unit.verify.log_folder import write_log

VECTORS = Path(__file__).parents[2] / "vectors"
VERSIONS = sorted(path.name for path in VECTORS.glob("v[0-9]*"))


def leaves_of(folder: Path) -> list[bytes]:
    count = len(list(folder.glob("leaf-*.json")))
    return [(folder / f"leaf-{index}.json").read_bytes() for index in range(count)]


def test_there_is_a_first_version() -> None:
    assert "v1" in VERSIONS


@pytest.mark.parametrize("version", VERSIONS)
def test_the_report_still_holds_after_its_certificate_has_expired(version: str) -> None:
    folder = VECTORS / version
    verification = verify_report(folder / "report.pdf", (folder / "vkey").read_text().strip())
    assert [finding for finding in verification.findings if not finding.holds] == []
    assert verification.holds


@pytest.mark.parametrize("version", VERSIONS)
def test_the_log_still_verifies(version: str) -> None:
    folder = VECTORS / version
    vkey = (folder / "vkey").read_text().strip()
    leaves = leaves_of(folder)
    checkpoint = verify_checkpoint((folder / "checkpoint").read_bytes(), vkey)
    assert checkpoint.tree_size == len(leaves)
    assert checkpoint.root_hash == root_hash([leaf_hash(leaf) for leaf in leaves])
    proof = TlogProof.parse((folder / "leaf-3.tlog-proof").read_bytes())
    assert proof.verify(leaves[3], vkey) == checkpoint


@pytest.mark.parametrize("version", VERSIONS)
def test_the_whole_log_still_verifies(version: str, tmp_path: Path) -> None:
    folder = VECTORS / version
    vkey = (folder / "vkey").read_text().strip()
    write_log(tmp_path, leaves_of(folder), LOG)
    shutil.rmtree(tmp_path / "checkpoints")
    shutil.copy(folder / "checkpoint", tmp_path / "checkpoint")
    verification = verify_log(LogQuestion(str(tmp_path)), LogTrust.of_keys([vkey]))
    assert [finding for finding in verification.findings if not finding.holds] == []
    assert verification.holds


@pytest.mark.parametrize("version", VERSIONS)
def test_the_statements_are_still_understood(version: str) -> None:
    folder = VECTORS / version
    keyring = Keyring.load(folder / "keyring.json")
    enrolled = []
    for leaf in leaves_of(folder):
        verified = verify_envelope(leaf, keyring.public_keys())
        statement = parse_statement(verified.payload)
        require_readable(statement.predicate_type, statement.predicate)
        assert keyring.permits(verified.keyid, statement.predicate_type)
        if statement.predicate_type == KEY:
            enrolled.append(KeyEntry.from_statement(statement))
    assert tuple(enrolled) == keyring.keys
