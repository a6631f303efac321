"""Files on web servers: no address of our own network, no redirect, no half answer."""

from __future__ import annotations

import datetime
import ipaddress
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from muniment.attest.digest import Digest
from muniment.datasets import (
    Access,
    AllowedPlace,
    DatasetChanged,
    DatasetError,
    DatasetMissing,
    DatasetReference,
    DatasetRefused,
    DatasetUnreachable,
    digest_dataset,
    fetch_dataset,
    parse_location,
    refer,
)
from muniment.datasets.web import AllowedWebSource, require_public
from tests.integration.datasets.references import fetched
from tests.integration.datasets.web_server import Answer, WebServer, web_server

CONTENT = os.urandom(3_000_000)


@pytest.fixture
def server() -> Iterator[WebServer]:
    with web_server() as serving:
        serving.answers["/data/loans.csv"] = Answer(body=CONTENT)
        yield serving


@pytest.fixture
def access(server: WebServer) -> Access:
    return Access((AllowedPlace(f"http://127.0.0.1:{server.port}/data"),))


def named(uri: str, content: bytes = CONTENT) -> DatasetReference:
    return DatasetReference("training", "loans", "object", uri, Digest.of_bytes(content), 0)


def test_a_file_is_named_and_fetched(server: WebServer, access: Access, tmp_path: Path) -> None:
    reference = refer(f"http://127.0.0.1:{server.port}/data/loans.csv?sig=secret")
    assert reference.uri == f"http://127.0.0.1:{server.port}/data/loans.csv"
    assert server.asked[-1][0].endswith("?sig=secret")
    with pytest.raises(DatasetMissing) as missing:
        refer(f"http://127.0.0.1:{server.port}/none?sig=secret")
    assert "secret" not in missing.value.message
    assert (reference.digest, reference.is_pinned) == (Digest.of_bytes(CONTENT), False)
    assert fetched(reference, tmp_path / "to", access).name == "loans.csv"
    assert not any("Authorization" in headers for _, headers in server.asked)
    server.answers["/data/loans.csv"] = Answer(body=CONTENT[:-1] + b"~")
    with pytest.raises(DatasetChanged):
        fetch_dataset(reference, tmp_path, access, checkout=None)


def test_a_host_with_a_private_address_is_asked_only_where_its_place_says_so(
    server: WebServer,
) -> None:
    uri = f"http://localhost:{server.port}/data/loans.csv"
    with pytest.raises(DatasetRefused, match=r"localhost:\d+ has the address") as refused:
        digest_dataset(named(uri), Access((AllowedPlace(f"http://localhost:{server.port}"),)))
    assert refused.value.code == "dataset.private_address"
    assert server.asked == []
    place = AllowedPlace(f"http://localhost:{server.port}", options={"private_network": "yes"})
    assert digest_dataset(named(uri), Access((place,))) == Digest.of_bytes(CONTENT)


@pytest.mark.parametrize("answer", ["169.254.169.254", "127.0.0.1", "10.0.0.7", "::1", "fe80::1"])
def test_a_name_that_comes_to_mean_a_private_address_is_refused(
    server: WebServer, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    """Its owner may let a name mean anything, one of many addresses is enough."""

    def looked_up(host: str, port: int, **_: Any) -> list[Any]:
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in ("93.184.216.34", answer)
        ]

    monkeypatch.setattr(socket, "getaddrinfo", looked_up)
    monkeypatch.setattr(socket, "create_connection", lambda *_, **__: pytest.fail("connected"))
    uri = f"http://data.partner.example:{server.port}/data/loans.csv"
    with pytest.raises(DatasetRefused) as refused:
        digest_dataset(named(uri), Access((AllowedPlace(uri),)))
    assert refused.value.code == "dataset.private_address"


ADDRESSES = {
    "93.184.216.34": True,
    "2606:2800:220:1::1": True,
    "127.0.0.1": False,
    "127.1.2.3": False,
    "0.0.0.0": False,
    "10.1.2.3": False,
    "172.16.0.1": False,
    "192.168.1.1": False,
    "100.64.0.1": False,
    "169.254.169.254": False,
    "224.0.0.1": False,
    "240.0.0.1": False,
    "255.255.255.255": False,
    "::": False,
    "::1": False,
    "fe80::1": False,
    "fe80::1%eth0": False,
    "fd00:ec2::254": False,
    "ff02::1": False,
    "::ffff:127.0.0.1": False,
    "::ffff:169.254.169.254": False,
    "64:ff9b::a9fe:a9fe": False,
    "2002:7f00:1::": False,
}


@pytest.mark.parametrize("address", ADDRESSES)
def test_only_addresses_of_the_internet_are_public(address: str) -> None:
    place = AllowedPlace("https://data.example")
    if ADDRESSES[address]:
        require_public(address, place)
        return
    with pytest.raises(DatasetRefused):
        require_public(address, place)
    inside = AllowedPlace("https://data.example", options={"private_network": "yes"})
    if address in ("10.1.2.3", "127.0.0.1", "::1", "fd00:ec2::254", "::ffff:127.0.0.1"):
        require_public(address, inside)
    elif "169.254" in address or "a9fe" in address or address.startswith(("fe80", "0.", "ff")):
        with pytest.raises(DatasetRefused):
            require_public(address, inside)


@pytest.mark.parametrize(
    ("target", "error"),
    [
        ("http://127.0.0.1:{other}/data/loans.csv", DatasetRefused),
        ("http://localhost:{port}/data/loans.csv", DatasetRefused),
        ("http://169.254.169.254/latest/meta-data/", DatasetRefused),
        ("//169.254.169.254/latest/", DatasetRefused),
        ("https://127.0.0.1:{port}/data/loans.csv", DatasetRefused),
        ("/private/loans.csv", DatasetRefused),
        ("../private/loans.csv", DatasetRefused),
        ("/data/../private/loans.csv", DatasetRefused),
        ("/data/%2e%2e/private/loans.csv", DatasetRefused),
        ("http://me:secret@127.0.0.1:{port}/data/loans.csv", DatasetRefused),
        ("file:///etc/passwd", DatasetRefused),
        ("gopher://127.0.0.1/", DatasetRefused),
        ("/data/moved.csv", DatasetRefused),
        ("", DatasetRefused),
        ("http://[::1", DatasetRefused),
        ("/data/gone.csv", DatasetMissing),
    ],
)
@pytest.mark.parametrize("status", [301, 307])
def test_a_redirect_leads_nowhere_that_is_not_allowed(
    server: WebServer, status: int, target: str, error: type[DatasetError]
) -> None:
    with web_server() as other:
        for path in ("/data/loans.csv", "/private/loans.csv"):
            other.answers[path] = server.answers[path] = Answer(body=b"secret")
        target = target.format(port=server.port, other=other.port)
        server.answers["/data/moved.csv"] = Answer(status, {"Location": target})
        places = [f"http://127.0.0.1:{server.port}/data", f"http://localhost:{server.port}/data"]
        access = Access(tuple(AllowedPlace(place) for place in places))
        with pytest.raises(error) as refused:
            digest_dataset(named(f"{places[0]}/moved.csv"), access)
        assert other.asked == []
        assert not [path for path, _ in server.asked if "private" in path]
        assert "secret" not in refused.value.message


def test_a_redirect_within_what_is_allowed_is_followed(server: WebServer, access: Access) -> None:
    server.answers["/data/moved.csv"] = Answer(302, {"Location": "loans.csv"})
    uri = f"http://127.0.0.1:{server.port}/data/moved.csv"
    assert digest_dataset(named(uri), access) == Digest.of_bytes(CONTENT)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(404), DatasetMissing),
        (Answer(410), DatasetMissing),
        (Answer(401), DatasetRefused),
        (Answer(403), DatasetRefused),
        (Answer(206, body=b"x"), DatasetUnreachable),
        (Answer(500), DatasetUnreachable),
        (Answer(503), DatasetUnreachable),
        (Answer(body=b"half", announced=8), DatasetUnreachable),
        (Answer(headers={"Content-Encoding": "gzip"}, body=b"x"), DatasetUnreachable),
    ],
)
def test_anything_but_the_whole_file_is_an_error(
    server: WebServer, access: Access, tmp_path: Path, answer: Answer, error: type[DatasetError]
) -> None:
    server.answers["/data/loans.csv"] = answer
    uri = f"http://127.0.0.1:{server.port}/data/loans.csv"
    with pytest.raises(error):
        fetch_dataset(named(uri), tmp_path, access, checkout=None)
    with pytest.raises(error):
        refer(uri)
    assert list(tmp_path.iterdir()) == []


def test_nobody_there_and_somebody_who_says_nothing_are_unreachable(access: Access) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        location = parse_location(f"http://127.0.0.1:{port}/x")
        allowed = Access((AllowedPlace(f"http://127.0.0.1:{port}"),))
        with (
            AllowedWebSource(location, allowed, wait_seconds=0.2) as source,
            pytest.raises(DatasetUnreachable),
        ):
            source.read("", 10)
    with pytest.raises(DatasetUnreachable):
        digest_dataset(named(f"http://127.0.0.1:{port}/x"), allowed)


def test_a_server_that_sends_a_byte_at_a_time_is_not_listened_to_for_ever() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]

        def drip() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
                try:
                    while True:
                        connection.sendall(b"x")
                        time.sleep(0.02)
                except OSError:
                    return

        dripping = threading.Thread(target=drip)
        dripping.start()
        allowed = Access((AllowedPlace(f"http://127.0.0.1:{port}"),))
        location = parse_location(f"http://127.0.0.1:{port}/x")
        with (
            AllowedWebSource(location, allowed, file_seconds=0.3) as source,
            pytest.raises(DatasetUnreachable, match="takes too long"),
        ):
            source.read("", 100_000)
        dripping.join(5)
    assert not dripping.is_alive()


def test_a_file_without_an_end_is_read_no_further_than_allowed(server: WebServer) -> None:
    small = Access((AllowedPlace(f"http://127.0.0.1:{server.port}"),), max_bytes=1_000_000)
    with pytest.raises(DatasetRefused, match="more than the 1,000,000 bytes"):
        digest_dataset(named(f"http://127.0.0.1:{server.port}/data/loans.csv"), small)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate for 127.0.0.1, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "data")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


def test_a_token_goes_to_its_own_place_by_tls_and_no_further(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with web_server(certificate) as safe, web_server(certificate) as other:
        places = (
            AllowedPlace(f"https://127.0.0.1:{safe.port}", credentials={"token": "LOANS_TOKEN"}),
            AllowedPlace(f"https://127.0.0.1:{other.port}"),
        )
        moved = Answer(302, {"Location": f"https://127.0.0.1:{other.port}/loans.csv"})
        safe.answers["/loans.csv"] = moved
        other.answers["/loans.csv"] = Answer(body=CONTENT)
        wanted = named(f"https://127.0.0.1:{safe.port}/loans.csv")
        with pytest.raises(DatasetRefused, match="LOANS_TOKEN"):
            digest_dataset(wanted, Access(places))
        monkeypatch.setenv("LOANS_TOKEN", "hunter2")
        with pytest.raises(DatasetUnreachable, match="SSLCertVerificationError"):
            digest_dataset(wanted, Access(places))
        assert safe.asked == other.asked == []
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert digest_dataset(wanted, Access(places)) == Digest.of_bytes(CONTENT)
        assert safe.asked[0][1]["Authorization"] == "Bearer hunter2"
        assert "Authorization" not in other.asked[0][1]
