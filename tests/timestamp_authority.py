"""A time-stamping authority for tests: its certificates, and tokens made by `openssl ts`.

What openssl refuses to make (a token at another time, or by a certificate that is not for it) is
made by pyHanko.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from muniment.attest.timestamp import TimestampRequest

FIRST_DAY = datetime(2020, 1, 1, tzinfo=UTC)
LAST_DAY = datetime(2040, 1, 1, tzinfo=UTC)
TIME_STAMPING = (ExtendedKeyUsageOID.TIME_STAMPING,)
_CONFIGURATION = """
[tsa]
default_tsa = only
[only]
serial = serial
default_policy = 1.2.3.4.1
digests = sha256, sha384, sha512
signer_digest = sha256
ess_cert_id_alg = sha256
accuracy = secs:1
ess_cert_id_chain = no
"""


class TimestampAuthority:
    """A TSA whose certificate hangs under a root of its own, with a CA in between.

    Attributes:
        root_pem: what who trusts it is given.
    """

    def __init__(
        self,
        folder: Path,
        *,
        purposes: Sequence[x509.ObjectIdentifier] = TIME_STAMPING,
        is_critical: bool = True,
        first_day: datetime = FIRST_DAY,
        last_day: datetime = LAST_DAY,
        uses_rsa: bool = False,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        root_key, ca_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        self._key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey = (
            rsa.generate_private_key(65537, 2048)
            if uses_rsa
            else ec.generate_private_key(ec.SECP256R1())
        )
        root = _certificate("Root", root_key, "Root", root_key, is_ca=True)
        ca = _certificate("Time CA", ca_key, "Root", root_key, is_ca=True)
        self._certificate = _certificate(
            "Clock",
            self._key,
            "Time CA",
            ca_key,
            purposes=purposes,
            is_critical=is_critical,
            days=(first_day, last_day),
        )
        self._ca_der = ca.public_bytes(Encoding.DER)
        self.root_pem = root.public_bytes(Encoding.PEM)
        self.root_file = self._write("root.pem", self.root_pem)
        self._write("ca.pem", ca.public_bytes(Encoding.PEM))
        self._write("tsa.pem", self._certificate.public_bytes(Encoding.PEM))
        self._write(
            "tsa.key", self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )
        self._write("serial", b"01\n")
        self._write("openssl.cnf", _CONFIGURATION.encode())

    def reply(self, query: bytes, *, digest: str = "sha256") -> bytes:
        """Answer a query, now, by `openssl ts -reply`."""
        self._write("query.tsq", query)
        self._openssl(
            *("ts", "-reply", "-config", "openssl.cnf", "-queryfile", "query.tsq"),
            *("-signer", "tsa.pem", "-inkey", "tsa.key", "-chain", "ca.pem"),
            *(f"-{digest}", "-out", "reply.tsr"),
        )
        return (self.folder / "reply.tsr").read_bytes()

    def token(self, content: bytes, *, digest: str = "sha256") -> bytes:
        """Return a token over `content`, now, by openssl."""
        request = TimestampRequest.for_content(content)
        return request.read_response(self.reply(request.der, digest=digest))

    def token_at(self, content: bytes, at: datetime, *, digest: str = "sha256") -> bytes:
        """Return a token over `content` of any time, by pyHanko; needs `uses_rsa`."""
        return self.token_for(TimestampRequest.for_content(content), at, digest=digest)

    def token_for(
        self, request: TimestampRequest, at: datetime, *, digest: str = "sha256"
    ) -> bytes:
        """Return the answer to a request, as `token_at`."""
        from asn1crypto import keys, tsp
        from asn1crypto import x509 as asn1_x509
        from pyhanko.sign.timestamps import DummyTimeStamper

        stamper = DummyTimeStamper(
            asn1_x509.Certificate.load(self._certificate.public_bytes(Encoding.DER)),
            keys.PrivateKeyInfo.load(
                self._key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
            ),
            certs_to_embed=[asn1_x509.Certificate.load(self._ca_der)],
            fixed_dt=at,
            override_md=digest,
        )
        return request.read_response(
            stamper.request_tsa_response(tsp.TimeStampReq.load(request.der)).dump()
        )

    def openssl_accepts(self, token: bytes, content: bytes, *, at: datetime | None = None) -> bool:
        """Say whether `openssl ts -verify` accepts a token under this root."""
        self._write("token.tst", token)
        self._write("content", content)
        done = subprocess.run(
            [
                *("openssl", "ts", "-verify", "-data", "content", "-in", "token.tst"),
                *("-token_in", "-CAfile", "root.pem"),
                *([] if at is None else ["-attime", str(int(at.timestamp()))]),
            ],
            cwd=self.folder,
            capture_output=True,
            check=False,
        )
        return done.returncode == 0

    def _openssl(self, *arguments: str) -> None:
        subprocess.run(
            ["openssl", *arguments], cwd=self.folder, capture_output=True, check=True, timeout=30
        )

    def _write(self, name: str, content: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content)
        return path


def _certificate(
    subject: str,
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey,
    issuer: str,
    issuer_key: ec.EllipticCurvePrivateKey,
    *,
    is_ca: bool = False,
    purposes: Sequence[x509.ObjectIdentifier] = (),
    is_critical: bool = True,
    days: tuple[datetime, datetime] = (FIRST_DAY, LAST_DAY),
) -> x509.Certificate:
    def name(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    builder = (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(days[0])
        .not_valid_after(days[1])
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
        .add_extension(
            x509.KeyUsage(
                digital_signature=not is_ca,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=is_ca,
                crl_sign=is_ca,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
    )
    if purposes:
        builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=is_critical)
    return builder.sign(issuer_key, hashes.SHA256())
