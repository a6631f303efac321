"""The keyring file and the key statements that say the same in the log."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from muniment.attest.errors import StatementError
from muniment.attest.keyring import KeyEntry, Keyring, LogKey
from muniment.attest.note import NoteSigner
from muniment.attest.predicates import EVIDENCE, KEY, PREDICATE_TYPES, REPORT
from muniment.attest.statement import parse_statement
from tests.unit.attest.signing import private_key, public_pem
from tests.unit.verify.world import make_pdf_signer

LOG = NoteSigner("muniment.test/log", Ed25519PrivateKey.from_private_bytes(b"\x01" * 32))
AT = "2026-11-23T14:00:00.000000Z"
SETUP = {"kind": "service", "id": "setup"}


@pytest.fixture(scope="module")
def keyring() -> Keyring:
    pdf = make_pdf_signer("Muniment report signing")
    return Keyring(
        LogKey(LOG.vkey, LOG.name),
        (
            KeyEntry.for_key(
                "statement",
                public_pem(private_key("ed25519")),
                predicate_types=[KEY, EVIDENCE],
            ),
            KeyEntry.for_key("grant", public_pem(private_key("ecdsa-sha2-nistp256"))),
            KeyEntry.for_key("pdf", pdf.public_pem, certificate_pem=pdf.certificate_pem),
        ),
    )


def test_a_keyring_is_read_back_from_its_file(tmp_path: Path, keyring: Keyring) -> None:
    path = tmp_path / "keyring.json"
    path.write_text(json.dumps(keyring.as_mapping()))
    assert Keyring.load(path) == keyring
    with pytest.raises(StatementError):
        Keyring.load(tmp_path / "absent")


def test_a_key_may_sign_only_what_is_written_down(keyring: Keyring) -> None:
    statement, grant, pdf = keyring.keys
    assert keyring.permits(statement.keyid, EVIDENCE)
    assert not keyring.permits(statement.keyid, REPORT)
    for keyid in (grant.keyid, pdf.keyid, "0" * 64):
        assert not any(keyring.permits(keyid, name) for name in PREDICATE_TYPES)
    assert keyring.key_for(grant.keyid) is grant
    assert keyring.key_for("0" * 64) is None
    assert set(keyring.public_keys()) == {statement.keyid}
    assert set(keyring.public_keys("grant")) == {grant.keyid}


def test_a_key_statement_says_what_the_keyring_says(keyring: Keyring) -> None:
    for entry in keyring.keys:
        statement = parse_statement(entry.statement(at=AT, actor=SETUP))
        assert KeyEntry.from_statement(statement) == entry
        (subject,) = statement.subjects
        assert subject.name == f"key:{entry.use}:{entry.keyid}"
        assert subject.digest.hex == (entry.certificate_sha256 or entry.keyid)
        assert statement.position is None


def test_a_key_statement_about_another_key_is_refused(keyring: Keyring) -> None:
    statement = parse_statement(keyring.keys[0].statement(at=AT, actor=SETUP))
    other = parse_statement(keyring.keys[1].statement(at=AT, actor=SETUP))
    with pytest.raises(StatementError):
        KeyEntry.from_statement(dataclasses.replace(statement, subjects=other.subjects))
    with pytest.raises(StatementError):
        KeyEntry.from_statement(dataclasses.replace(statement, predicate_type=EVIDENCE))
    retired = {**statement.predicate, "event": "key.retired"}
    with pytest.raises(StatementError):
        KeyEntry.from_statement(dataclasses.replace(statement, predicate=retired))


@pytest.mark.parametrize(
    "damage",
    [
        lambda file: file.pop("log"),
        lambda file: file.pop("keys"),
        lambda file: file.update(keys=["x"]),
        lambda file: file["log"].update(vkey="nonsense"),
        lambda file: file["log"].update(origin="another.test/log"),
        lambda file: file["keys"].append(file["keys"][0]),
        lambda file: file["keys"][0].pop("use"),
        lambda file: file["keys"][0].update(use="log"),
        lambda file: file["keys"][0].update(keyid="0" * 64),
        lambda file: file["keys"][0].update(scheme="rsa-pkcs1v15-sha256"),
        lambda file: file["keys"][0].update(public_key_pem="no key"),
        lambda file: file["keys"][0].update(predicate_types="all"),
        lambda file: file["keys"][0].update(predicate_types=[1]),
        lambda file: file["keys"][0].update(certificate_pem=file["keys"][2]["certificate_pem"]),
        lambda file: file["keys"][1].update(predicate_types=[EVIDENCE]),
        lambda file: file["keys"][2].pop("certificate_pem"),
        lambda file: file["keys"][2].update(certificate_pem="no certificate"),
        lambda file: file["keys"][2].update(certificate_pem=1),
        lambda file: file["keys"][2].update(certificate_pem=OTHER.certificate_pem),
    ],
)
def test_a_contradictory_keyring_is_refused(
    keyring: Keyring, damage: Callable[[dict[str, Any]], object]
) -> None:
    file = json.loads(json.dumps(keyring.as_mapping()))
    damage(file)
    with pytest.raises(StatementError):
        Keyring.parse(json.dumps(file).encode())


def test_the_log_states_its_own_keys(keyring: Keyring) -> None:
    newer = NoteSigner(LOG.name, Ed25519PrivateKey.from_private_bytes(b"\x02" * 32))
    log = LogKey(LOG.vkey, LOG.name, (newer.vkey,))
    for entry, vkey in zip(log.keys, log.vkeys, strict=True):
        assert (entry.use, entry.predicate_types) == ("log", ())
        read = KeyEntry.from_statement(parse_statement(entry.statement(at=AT, actor=SETUP)))
        assert read == entry
        assert read.vkey(LOG.name) == vkey
        assert read.vkey("another.test/log") != vkey
    with pytest.raises(StatementError, match="a statement key verifies no log"):
        keyring.keys[0].vkey(LOG.name)


def test_a_log_key_is_ed25519_and_signs_no_predicate() -> None:
    with pytest.raises(StatementError, match="is ecdsa-sha2-nistp256, not ed25519"):
        KeyEntry.for_key("log", public_pem(private_key("ecdsa-sha2-nistp256")))
    with pytest.raises(StatementError, match="a log key signs no statements"):
        KeyEntry.for_key("log", public_pem(private_key("ed25519")), predicate_types=[EVIDENCE])


def test_a_log_key_has_no_other_use(keyring: Keyring) -> None:
    (entry,) = keyring.log.keys
    for use, types in (("statement", [EVIDENCE]), ("grant", []), ("log", [])):
        stray = KeyEntry.for_key(use, entry.public_key_pem, predicate_types=types)
        with pytest.raises(StatementError):
            Keyring(keyring.log, (*keyring.keys, stray))


def test_unknown_members_are_ignored(keyring: Keyring) -> None:
    file = json.loads(json.dumps(keyring.as_mapping()))
    file["later"] = file["log"]["later"] = file["keys"][0]["later"] = {"a": 1}
    assert Keyring.parse(json.dumps(file).encode()) == keyring


OTHER = make_pdf_signer("Another")
