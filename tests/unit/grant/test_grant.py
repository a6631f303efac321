"""Grants: what is read back is what was signed, or nothing."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from muniment.attest.envelope import EnvelopeError, load_file_signer, sign_envelope
from muniment.attest.keys import public_key_pem_of
from muniment.change import RegistryChange
from muniment.grant import (
    MAX_TOKEN_CHARACTERS,
    OPERATIONS,
    PAYLOAD_TYPE,
    RESTORE,
    ROLLBACK_ALIAS,
    Grant,
    GrantError,
    issue_grant,
    read_grant,
    read_unverified_grant,
)

VECTORS = Path(__file__).resolve().parents[2] / "vectors" / "grant"
NOW = datetime(2026, 11, 23, 14, tzinfo=UTC)
GRANT = Grant(
    grant_id=UUID("5f0c1b7e-58a5-4b3b-9c5e-0d7a1f3c2b11"),
    source="default",
    model="credit-decision",
    version="3",
    operation="set_alias",
    alias="champion",
    expires_at=NOW + timedelta(minutes=2),
    promotion_url="http://localhost:8000/promotions/7",
)


def new_key(folder: Path, name: str, private_key: Any) -> tuple[Any, str]:
    path = folder / name
    path.write_bytes(private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    signer = load_file_signer(f"file2:{path}")
    return signer, public_key_pem_of(signer)


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, str]:
    return new_key(tmp_path_factory.mktemp("key"), "grant", Ed25519PrivateKey.generate())


def payload_of(grant: Grant = GRANT, **changes: Any) -> dict[str, Any]:
    token_members = {
        "grant_id": str(grant.grant_id),
        "source": grant.source,
        "model": grant.model,
        "version": grant.version,
        "operation": grant.operation,
        "alias": grant.alias,
        "expires_at": "2026-11-23T14:02:00.000000Z",
        "promotion_url": grant.promotion_url,
    }
    return token_members | changes


def signed(payload: bytes, signer: Any, payload_type: str = PAYLOAD_TYPE) -> str:
    envelope = sign_envelope(payload, signer, payload_type)
    return base64.urlsafe_b64encode(envelope).rstrip(b"=").decode()


def error_of(token: str, public_key_pem: str, now: datetime = NOW) -> GrantError:
    with pytest.raises(GrantError) as caught:
        read_grant(token, public_key_pem, now=now)
    return caught.value


names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=120)


versions = st.integers(1, 10**17).map(str)


@st.composite
def grants(draw: st.DrawFn) -> Grant:
    version, other = draw(st.lists(versions, min_size=2, max_size=2, unique=True))
    operation = draw(st.sampled_from(sorted(OPERATIONS)))
    return Grant(
        grant_id=draw(st.uuids()),
        source=draw(names),
        model=draw(names),
        version="" if operation == RESTORE else version,
        operation=operation,
        alias=(
            ""
            if operation == RESTORE
            else draw(names.map(str.lower).filter(lambda alias: alias == alias.lower()))
        ),
        expires_at=draw(st.datetimes(NOW.replace(tzinfo=None, year=2027))).replace(tzinfo=UTC),
        promotion_url=draw(st.from_regex(r"https?://[a-z0-9./?=&%-]{1,80}", fullmatch=True)),
        from_version=other if operation == ROLLBACK_ALIAS else None,
        change_sha256=RegistryChange("m", version).digest if operation == RESTORE else None,
    )


@given(grant=grants())
def test_what_was_issued_is_read_back(grant: Grant, key: tuple[Any, str]) -> None:
    signer, public_key_pem = key
    token = issue_grant(grant, signer)
    assert read_grant(token, public_key_pem, now=NOW) == grant
    assert read_unverified_grant(token) == grant


def test_reading_without_a_key_asks_for_the_form_and_for_nothing_else(
    key: tuple[Any, str], tmp_path: Path
) -> None:
    stranger, _ = new_key(tmp_path, "stranger", Ed25519PrivateKey.generate())
    long_ago = replace(GRANT, expires_at=NOW - timedelta(days=900))
    assert read_unverified_grant(issue_grant(long_ago, stranger)) == long_ago
    statement = signed(json.dumps(payload_of()).encode(), stranger, "application/vnd.in-toto+json")
    for token in ("", "e30", "x" * 9_000, statement, signed(b"{}", stranger)):
        with pytest.raises(GrantError) as caught:
            read_unverified_grant(token)
        assert caught.value.code == "grant.malformed"


@given(data=st.data())
def test_a_changed_token_is_never_a_grant(data: st.DataObject, key: tuple[Any, str]) -> None:
    signer, public_key_pem = key
    token = issue_grant(GRANT, signer)
    at = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.characters(codec="ascii").filter(lambda letter: letter != token[at]))
    changed = f"{token[:at]}{other}{token[at + 1 :]}"
    assert error_of(changed, public_key_pem).code in {"grant.malformed", "grant.bad_signature"}


@given(token=st.text(max_size=300))
def test_text_that_nobody_signed_is_malformed(token: str, key: tuple[Any, str]) -> None:
    assert error_of(token, key[1]).code == "grant.malformed"


def test_a_grant_ends_at_the_instant_it_names(key: tuple[Any, str]) -> None:
    signer, public_key_pem = key
    token = issue_grant(GRANT, signer)
    just_before = GRANT.expires_at - timedelta(microseconds=1)
    assert read_grant(token, public_key_pem, now=just_before) == GRANT
    assert error_of(token, public_key_pem, GRANT.expires_at).code == "grant.expired"
    elsewhere = GRANT.expires_at.astimezone(timezone(timedelta(hours=-8)))
    assert error_of(token, public_key_pem, elsewhere).code == "grant.expired"


def test_another_key_of_any_kind_is_not_trusted(key: tuple[Any, str], tmp_path: Path) -> None:
    _, public_key_pem = key
    for number, private_key in enumerate(
        [Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP256R1())]
    ):
        signer, own_pem = new_key(tmp_path, str(number), private_key)
        token = issue_grant(GRANT, signer)
        assert error_of(token, public_key_pem).code == "grant.bad_signature"
        assert read_grant(token, own_pem, now=NOW) == GRANT


def test_what_the_grant_key_signed_as_something_else_is_no_grant(key: tuple[Any, str]) -> None:
    signer, public_key_pem = key
    payload = json.dumps(payload_of()).encode()
    for payload_type in ("application/vnd.in-toto+json", f"{PAYLOAD_TYPE}+x"):
        error = error_of(signed(payload, signer, payload_type), public_key_pem)
        assert error.code == "grant.bad_signature"
    assert read_grant(signed(payload, signer), public_key_pem, now=NOW) == GRANT


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[]",
        b"null",
        b"{}",
        b"\xff",
        json.dumps(payload_of(condition="only on Sundays")).encode(),
        json.dumps({**payload_of(), "alias": None}).encode(),
        json.dumps(payload_of(version=3)).encode(),
        json.dumps(payload_of(version="03")).encode(),
        json.dumps(payload_of(version="0")).encode(),
        json.dumps(payload_of(version="3\n")).encode(),
        json.dumps(payload_of(alias="Champion")).encode(),
        json.dumps(payload_of(alias="")).encode(),
        json.dumps(payload_of(model="")).encode(),
        json.dumps(payload_of(operation="delete_model")).encode(),
        json.dumps(payload_of(from_version="2")).encode(),
        json.dumps(payload_of(from_version=None)).encode(),
        json.dumps(payload_of(operation="rollback_alias")).encode(),
        json.dumps(payload_of(operation="rollback_alias", from_version=None)).encode(),
        json.dumps(payload_of(operation="rollback_alias", from_version=4)).encode(),
        json.dumps(payload_of(operation="rollback_alias", from_version="04")).encode(),
        json.dumps(payload_of(operation="rollback_alias", from_version="3")).encode(),
        json.dumps(payload_of(operation="rollback_alias", from_version="4", more="")).encode(),
        json.dumps(payload_of(operation="restore", version="", alias="")).encode(),
        json.dumps(payload_of(operation="restore", change_sha256="a" * 64)).encode(),
        json.dumps(
            payload_of(operation="restore", version="", alias="", change_sha256="A" * 64)
        ).encode(),
        json.dumps(payload_of(change_sha256="a" * 64)).encode(),
        json.dumps(payload_of(operation=["rollback_alias"])).encode(),
        json.dumps(payload_of(grant_id="7")).encode(),
        json.dumps(payload_of(expires_at="soon")).encode(),
        json.dumps(payload_of(expires_at="2026-11-23T14:02:00")).encode(),
        json.dumps(payload_of(promotion_url="javascript:alert(1)")).encode(),
        json.dumps(payload_of(promotion_url="http://x/\r\nSet-Cookie: a")).encode(),
        json.dumps(payload_of())[:-1].encode() + b',"alias":"champion"}',
    ],
)
def test_a_signed_payload_that_is_not_a_whole_grant_is_malformed(
    payload: bytes, key: tuple[Any, str]
) -> None:
    signer, public_key_pem = key
    assert error_of(signed(payload, signer), public_key_pem).code == "grant.malformed"


def test_a_token_too_long_for_a_header_is_neither_issued_nor_read(key: tuple[Any, str]) -> None:
    signer, public_key_pem = key
    with pytest.raises(GrantError, match="characters"):
        issue_grant(replace(GRANT, model="m" * 8_000), signer)
    assert error_of("A" * (MAX_TOKEN_CHARACTERS + 1), public_key_pem).code == "grant.malformed"


def test_a_broken_public_key_is_the_readers_fault_not_the_tokens(key: tuple[Any, str]) -> None:
    with pytest.raises(EnvelopeError):
        read_grant(issue_grant(GRANT, key[0]), "-----BEGIN PUBLIC KEY-----", now=NOW)


@pytest.mark.parametrize("member", ["source", "model", "version", "operation", "alias"])
def test_a_grant_names_the_member_in_which_a_change_differs(member: str) -> None:
    change = {
        "source": "default",
        "model": "credit-decision",
        "version": "3",
        "operation": "set_alias",
        "alias": "champion",
    }
    assert GRANT.differs_in(**change) is None
    assert GRANT.differs_in(**(change | {member: change[member].upper() + "x"})) == member


@pytest.mark.parametrize("vector", sorted(VECTORS.glob("*.json")), ids=lambda path: path.stem)
def test_grants_of_every_format_version_are_still_read(vector: Path) -> None:
    recorded = json.loads(vector.read_text())
    read = read_grant(recorded["token"], recorded["public_key_pem"], now=NOW)
    members = {name: getattr(read, name) for name in Grant.__slots__}
    said = {name: str(value) for name, value in members.items() if value is not None}
    assert said == recorded["grant"]
