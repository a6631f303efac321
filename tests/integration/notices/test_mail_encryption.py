"""The mail server's word is believed under its certificate alone, and never in the clear."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pytest_django.fixtures import Settings

from accounts.models import NoticeMail
from accounts.services.notice_mails import send_due_mails
from tests.integration.notices.conftest import NOW, Post
from tests.integration.notices.postbox import Postbox


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for 127.0.0.1 that signs itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "postbox")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "postbox.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


@pytest.fixture
def encrypted(postbox: Postbox, certificate: Path, settings: Settings) -> Iterator[Postbox]:
    """The mail server offers STARTTLS, and Muniment asks for it and signs in."""
    postbox.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    postbox.tls.load_cert_chain(certificate)
    settings.EMAIL_USE_TLS = True
    settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = "muniment", "a secret of two"
    return postbox


def outcome() -> tuple[str, str]:
    [found] = set(NoticeMail.objects.values_list("status", "failure"))
    return found


def test_it_signs_in_over_an_encrypted_connection_to_the_right_server(
    encrypted: Postbox, certificate: Path, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    post()
    send_due_mails(clock=lambda: NOW)
    assert outcome() == ("sent", "")
    assert [(taken.is_encrypted, taken.signed_in_as) for taken in encrypted.taken] == [
        (True, "muniment"),
        (True, "muniment"),
    ]


def test_a_server_that_is_not_the_right_one_or_offers_no_encryption_learns_nothing(
    encrypted: Postbox, post: Post
) -> None:
    post()
    send_due_mails(clock=lambda: NOW)
    assert outcome() == ("waiting", "certificate")
    encrypted.tls = None  # as somebody on the way would have it look
    send_due_mails(clock=lambda: NOW + timedelta(minutes=2))
    assert outcome() == ("waiting", "no_encryption")
    assert "AUTH" not in encrypted.asked
    assert not encrypted.taken


def test_a_password_that_the_server_refuses_is_tried_later_and_not_logged(
    encrypted: Postbox,
    certificate: Path,
    post: Post,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    encrypted.answers["AUTH"] = "535 a secret of two is not the password"
    post()
    send_due_mails(clock=lambda: NOW)
    assert outcome() == ("waiting", "sign_in_refused")
    assert "sign_in_refused" in caplog.text
    assert "a secret of two" not in caplog.text
