"""The four keys of an instance, made once at set-up: log, statement, grant, PDF."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from config.embedded.errors import HomeUnusable
from config.embedded.home import create_private_file, write_private_file
from muniment.attest.errors import AttestError
from muniment.attest.key_uri import file_of
from muniment.attest.keyring import KeyEntry, Keyring, LogKey
from muniment.attest.note import NoteSigner
from muniment.attest.predicates import PREDICATE_TYPES
from muniment.attest.signers import load_note_signer

_RSA_BITS: Final = 3072
_CERTIFICATE_LIFE: Final = timedelta(days=5 * 365)
# RFC 9336: for signing documents. Beside emailProtection, without which pdfsig says "Unknown
# issue".
_DOCUMENT_SIGNING: Final = x509.ObjectIdentifier("1.3.6.1.5.5.7.3.36")


@dataclass(frozen=True, slots=True)
class InstanceKeys:
    """Where the keys of an instance are. Every file is mode 600."""

    folder: Path

    @property
    def log(self) -> Path:
        """Ed25519, signs checkpoints until another takes over; only the sequencer is told."""
        return self.folder / "log.pem"

    @property
    def log_keys(self) -> Path:
        """Which keys sign checkpoints, once that is not `log` alone: a file or URI a line."""
        return self.folder / "log-keys"

    @property
    def statement(self) -> Path:
        """Ed25519, signs envelopes of statements."""
        return self.folder / "statement.pem"

    @property
    def grant(self) -> Path:
        """Ed25519, signs grants."""
        return self.folder / "grant.pem"

    @property
    def grant_public(self) -> Path:
        """The public half, for the MLflow server."""
        return self.folder / "grant.pub.pem"

    @property
    def pdf(self) -> Path:
        """RSA-3072, signs reports."""
        return self.folder / "pdf.pem"

    @property
    def pdf_certificate(self) -> Path:
        """The self-signed certificate of the PDF key."""
        return self.folder / "pdf.cert.pem"

    @property
    def keyring(self) -> Path:
        """The public keyring: what each key is and may sign."""
        return self.folder / "keyring.json"

    @property
    def published_checkpoint(self) -> Path:
        """The newest checkpoint that the sequencer signed; only it writes this file."""
        return self.folder / "published-checkpoint"

    @property
    def log_lines(self) -> list[str]:
        """What `log_keys` holds: the key in use, and after it the one that is to take over."""
        if not self.log_keys.exists():
            return [self.log.name]
        return self.log_keys.read_text(encoding="utf-8").splitlines()

    @property
    def log_uris(self) -> list[str]:
        """The keys that sign checkpoints, all of them, as signer URIs."""
        return [self.uri_of(line) for line in self.log_lines]

    @property
    def statement_uri(self) -> str:
        """The statement key as a securesystemslib signer URI."""
        return f"file2:{self.statement}"

    @property
    def grant_uri(self) -> str:
        """The grant key as a securesystemslib signer URI."""
        return f"file2:{self.grant}"

    @property
    def origin(self) -> str:
        """The log's name."""
        return (self.folder / "origin").read_text(encoding="utf-8")

    def uri_of(self, line: str) -> str:
        """Return a line of `log_keys` as a URI: what has no scheme is a file of this folder."""
        return line if ":" in line else f"file2:{self.folder / line}"


def make_keys(folder: Path, *, now: datetime, host: str = "muniment.localhost") -> InstanceKeys:
    """Make what is missing of an instance's keys; a key that exists is never replaced.

    Args:
        folder: exists, mode 700.
        now: start of the PDF certificate's life.
        host: begins the log's origin, which stands in its verifier key and every checkpoint.

    Raises:
        HomeUnusable: a key cannot be read, or is there without what belongs to it.
    """
    try:
        return _make_keys(InstanceKeys(folder), now, host)
    except (AttestError, ValueError) as error:
        raise HomeUnusable(f"the keys in {folder} cannot be used: {error}") from error


def _make_keys(keys: InstanceKeys, now: datetime, host: str) -> InstanceKeys:
    if not keys.log_keys.exists():  # else an old log key may have been destroyed by now
        create_private_file(keys.log, make_ed25519_pem)
    for path in (keys.statement, keys.grant):
        create_private_file(path, make_ed25519_pem)
    create_private_file(keys.grant_public, lambda: _public_pem(keys.grant))
    if create_private_file(keys.pdf, _rsa_pem) or not keys.pdf_certificate.exists():
        create_private_file(keys.pdf_certificate, _certificate(keys.pdf, now))
    origin = f"{host}/{secrets.token_hex(4)}"
    create_private_file(keys.folder / "origin", origin.encode)
    entries = _entries(keys)
    if not keys.keyring.exists():
        log = load_note_signer(keys.origin, keys.log_uris[0])
        write_keyring(keys, Keyring(LogKey(log.vkey, log.name), entries))
    else:
        _require_log_keys(keys, Keyring.load(keys.keyring).log)
    return keys


def write_keyring(keys: InstanceKeys, keyring: Keyring) -> None:
    """Replace the keyring's file in one step."""
    content = json.dumps(keyring.as_mapping(), indent=1) + "\n"
    write_private_file(keys.keyring, content.encode())


def _require_log_keys(keys: InstanceKeys, log: LogKey) -> None:
    """Refuse key files that the keyring does not know; a token is not asked here."""
    for path in filter(None, map(file_of, keys.log_uris)):
        if NoteSigner.from_file(keys.origin, path).vkey not in log.vkeys:
            raise HomeUnusable(f"{keys.keyring} is not about the log key beside it, {path.name}")


def _entries(keys: InstanceKeys) -> tuple[KeyEntry, ...]:
    return (
        KeyEntry.for_key(
            "statement", _public_pem(keys.statement).decode(), predicate_types=PREDICATE_TYPES
        ),
        KeyEntry.for_key("grant", _public_pem(keys.grant).decode()),
        KeyEntry.for_key(
            "pdf",
            _public_pem(keys.pdf).decode(),
            certificate_pem=keys.pdf_certificate.read_text(encoding="utf-8"),
        ),
    )


def make_ed25519_pem() -> bytes:
    """Make a private key; return it as unencrypted PEM PKCS#8."""
    return _private_pem(Ed25519PrivateKey.generate())


def _rsa_pem() -> bytes:
    return _private_pem(generate_private_key(public_exponent=65537, key_size=_RSA_BITS))


def _private_pem(key: Ed25519PrivateKey | RSAPrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _public_pem(private: Path) -> bytes:
    key = load_pem_private_key(private.read_bytes(), password=None)
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _certificate(private: Path, now: datetime) -> Callable[[], bytes]:
    def make() -> bytes:
        key = load_pem_private_key(private.read_bytes(), password=None)
        if not isinstance(key, RSAPrivateKey):
            raise HomeUnusable(f"{private} is not an RSA key")
        name = x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Muniment"),
                x509.NameAttribute(NameOID.COMMON_NAME, "Muniment report signing"),
            ]
        )
        start = now.astimezone(UTC).replace(microsecond=0)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(start - timedelta(minutes=5))  # a verifier's clock may be behind
            .not_valid_after(start + _CERTIFICATE_LIFE)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(), critical=True)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION, _DOCUMENT_SIGNING]),
                critical=False,
            )
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
            .sign(key, SHA256())
        )
        return certificate.public_bytes(Encoding.PEM)

    return make


def _key_usage() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=True,  # X.509's later name for nonRepudiation
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
