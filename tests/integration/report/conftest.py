"""One sample report, rendered and sealed once for every test of this folder."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from audits.report.attachment import build_evidence
from audits.report.pdf import render_report
from audits.report.signing import sign_report
from muniment.attest.bundle import LoggedEntry
from tests.unit.report.samples import champion, later

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


@dataclass(frozen=True)
class Pair:
    """A private key and its self-signed certificate, as PEM files."""

    key: Path
    certificate: Path


def write_pair(folder: Path, key: Key) -> Pair:
    """Make what set-up makes: a self-signed certificate with emailProtection."""
    now = datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Muniment reports (test)")])
    usage = x509.KeyUsage(True, True, False, False, False, False, False, False, False)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # Valid at the sample's signing time, wherever the machine's clock stands.
        .not_valid_before(min(now, later(0)) - timedelta(days=1))
        .not_valid_after(max(now, later(0)) + timedelta(days=3650))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), False)
        .sign(key, SHA256())
    )
    folder.mkdir(exist_ok=True)
    pair = Pair(folder / "key.pem", folder / "certificate.pem")
    pair.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    pair.certificate.write_bytes(certificate.public_bytes(Encoding.PEM))
    return pair


@pytest.fixture(scope="session")
def signing_pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return write_pair(tmp_path_factory.mktemp("pdf-key"), rsa.generate_private_key(65537, 2048))


@pytest.fixture(scope="session")
def evidence_json() -> bytes:
    return build_evidence(champion(), entries=[LoggedEntry(0, b"{}", "proof")])


@pytest.fixture(scope="session")
def unsigned(evidence_json: bytes) -> bytes:
    return render_report(champion(), evidence_json)


@pytest.fixture(scope="session")
def signed(unsigned: bytes, signing_pair: Pair) -> bytes:
    return sign_report(
        unsigned,
        key_pem_path=signing_pair.key,
        certificate_pem_path=signing_pair.certificate,
        reason="Report on boston-mortgage version 2",
        at=later(12),
    )


@pytest.fixture
def report(signed: bytes, tmp_path: Path) -> Path:
    path = tmp_path / "report.pdf"
    path.write_bytes(signed)
    return path
