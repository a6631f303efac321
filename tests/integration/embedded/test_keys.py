"""The keys of an instance: four, distinct, private, never replaced."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID

from config.embedded.errors import HomeUnusable
from config.embedded.keys import InstanceKeys, make_keys
from muniment.attest.keyring import Keyring
from muniment.attest.note import NoteSigner, parse_vkey
from muniment.attest.predicates import PREDICATE_TYPES

NOW = datetime(2026, 11, 23, 14, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> InstanceKeys:
    return make_keys(tmp_path_factory.mktemp("keys"), now=NOW)


def test_every_key_file_is_for_its_owner_alone(keys: InstanceKeys) -> None:
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in keys.folder.iterdir()}
    assert len(modes) >= 7
    assert set(modes.values()) == {0o600}


def test_four_keys_are_distinct(keys: InstanceKeys) -> None:
    loaded = [
        load_pem_private_key(path.read_bytes(), password=None).public_key()
        for path in (keys.log, keys.statement, keys.grant, keys.pdf)
    ]
    spki = {key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) for key in loaded}
    assert len(spki) == 4


def test_second_set_up_changes_no_byte(keys: InstanceKeys) -> None:
    before = {path: path.read_bytes() for path in keys.folder.iterdir()}
    make_keys(keys.folder, now=NOW + timedelta(days=1))
    assert {path: path.read_bytes() for path in keys.folder.iterdir()} == before


def test_keyring_says_what_each_key_may_sign(keys: InstanceKeys) -> None:
    keyring = Keyring.load(keys.keyring)
    (statement,), (grant,), (pdf,) = (keyring.for_use(use) for use in ("statement", "grant", "pdf"))
    assert statement.predicate_types == PREDICATE_TYPES
    assert grant.predicate_types == pdf.predicate_types == ()
    assert keyring.log.origin.startswith("muniment.localhost/")
    assert (
        parse_vkey(keyring.log.vkey) == NoteSigner.from_file(keyring.log.origin, keys.log).verifier
    )


def test_certificate_is_one_that_pdf_verifiers_accept(keys: InstanceKeys) -> None:
    certificate = x509.load_pem_x509_certificate(keys.pdf_certificate.read_bytes())
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage)
    extended = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert usage.critical
    assert usage.value.digital_signature
    assert usage.value.content_commitment
    assert not usage.value.key_cert_sign
    assert ExtendedKeyUsageOID.EMAIL_PROTECTION in extended.value
    assert not basic.value.ca
    assert certificate.not_valid_before_utc < NOW < certificate.not_valid_after_utc


def test_keyring_of_another_log_key_is_refused(tmp_path: Path) -> None:
    keys = make_keys(tmp_path, now=NOW)
    keys.log.unlink()
    with pytest.raises(HomeUnusable, match="not about the log key"):
        make_keys(tmp_path, now=NOW)


def test_key_that_cannot_be_read_is_named_and_not_replaced(tmp_path: Path) -> None:
    keys = make_keys(tmp_path, now=NOW)
    keys.statement.write_text("not a key")
    with pytest.raises(HomeUnusable, match="cannot be used"):
        make_keys(tmp_path, now=NOW)
    assert keys.statement.read_text() == "not a key"
