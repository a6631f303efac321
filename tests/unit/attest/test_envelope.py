"""Envelopes, signed by securesystemslib and verified by us, and the other way round."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
)
from hypothesis import given
from hypothesis import strategies as st
from securesystemslib.dsse import Envelope as ReferenceEnvelope
from securesystemslib.signer import CryptoSigner

from muniment.attest.envelope import (
    MAX_ENVELOPE_BYTES,
    STATEMENT_PAYLOAD_TYPE,
    pae,
    parse_envelope,
    sign_envelope,
    verify_envelope,
)
from muniment.attest.errors import EnvelopeError
from muniment.attest.keys import PublicKey, keyid_of, load_file_signer, public_key_pem_of, scheme_of
from tests.unit.attest.signing import private_key, public_key_of, public_pem, write_key

SCHEMES = ["ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384"]
PAYLOAD = b'{"hello":"world"}'


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> CryptoSigner:
    return load_file_signer(write_key(tmp_path_factory.mktemp("keys") / "key.pem"))


@pytest.fixture(scope="module")
def keys(signer: CryptoSigner) -> dict[str, PublicKey]:
    key = PublicKey.from_pem(public_key_pem_of(signer))
    return {key.keyid: key}


def test_pae_is_the_specifications_example() -> None:
    assert pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


@given(st.text(min_size=1), st.binary())
def test_pae_counts_bytes_not_characters(payload_type: str, payload: bytes) -> None:
    reference = ReferenceEnvelope(payload, payload_type, {})
    assert pae(payload_type, payload) == reference.pae()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_an_envelope_of_each_scheme_is_read_back(tmp_path: Path, scheme: str) -> None:
    uri = write_key(tmp_path / "key.pem", scheme)
    key = public_key_of(uri)
    assert key.scheme == scheme
    envelope = sign_envelope(PAYLOAD, load_file_signer(uri))
    verified = verify_envelope(envelope, {key.keyid: key})
    assert (verified.payload, verified.payload_type, verified.keyid) == (
        PAYLOAD,
        STATEMENT_PAYLOAD_TYPE,
        key.keyid,
    )
    stranger = public_key_of(write_key(tmp_path / "other.pem", scheme))
    with pytest.raises(EnvelopeError) as caught:
        verify_envelope(envelope, {stranger.keyid: stranger})
    assert caught.value.code == "envelope.unknown_key"


@pytest.mark.parametrize("scheme", SCHEMES)
def test_securesystemslib_verifies_what_we_sign(tmp_path: Path, scheme: str) -> None:
    signer = load_file_signer(write_key(tmp_path / "key.pem", scheme))
    envelope = ReferenceEnvelope.from_dict(json.loads(sign_envelope(PAYLOAD, signer)))
    assert list(envelope.verify([signer.public_key], 1)) == [signer.public_key.keyid]


def test_a_keyid_is_what_openssl_and_sha256sum_say(tmp_path: Path) -> None:
    uri = write_key(tmp_path / "key.pem")
    der = subprocess.run(
        ["openssl", "pkey", "-in", str(tmp_path / "key.pem"), "-pubout", "-outform", "DER"],
        capture_output=True,
        check=True,
    ).stdout
    assert load_file_signer(uri).public_key.keyid == hashlib.sha256(der).hexdigest()
    assert keyid_of(public_key_pem_of(load_file_signer(uri))) == hashlib.sha256(der).hexdigest()


def test_the_layout_is_the_contracts(signer: CryptoSigner) -> None:
    parsed = json.loads(sign_envelope(PAYLOAD, signer))
    assert set(parsed) == {"payload", "payloadType", "signatures"}
    assert [set(signature) for signature in parsed["signatures"]] == [{"keyid", "sig"}]
    assert base64.b64decode(parsed["payload"]) == PAYLOAD


@given(st.data())
def test_no_byte_of_an_envelope_can_change(
    signer: CryptoSigner, keys: dict[str, PublicKey], data: st.DataObject
) -> None:
    envelope = sign_envelope(PAYLOAD, signer)
    at = data.draw(st.integers(0, len(envelope) - 1))
    changed = bytearray(envelope)
    changed[at] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(EnvelopeError):
        verify_envelope(bytes(changed), keys)


@given(st.binary(max_size=300))
def test_any_other_bytes_are_refused(content: bytes) -> None:
    with pytest.raises(EnvelopeError):
        parse_envelope(content)


def test_a_payload_signed_as_one_type_is_not_shown_as_another(
    signer: CryptoSigner, keys: dict[str, PublicKey]
) -> None:
    grant = sign_envelope(PAYLOAD, signer, "application/vnd.muniment.grant+json")
    assert verify_envelope(grant, keys, "application/vnd.muniment.grant+json").payload == PAYLOAD
    with pytest.raises(EnvelopeError) as caught:
        verify_envelope(grant, keys)
    assert caught.value.code == "envelope.payload_type"
    renamed = grant.replace(b"application/vnd.muniment.grant+json", b"application/vnd.in-toto+json")
    with pytest.raises(EnvelopeError) as caught:
        verify_envelope(renamed, keys)
    assert caught.value.code == "envelope.signature"


def test_unknown_signers_are_ignored_and_a_bad_known_signature_refuses(
    tmp_path: Path, signer: CryptoSigner, keys: dict[str, PublicKey]
) -> None:
    other_uri = write_key(tmp_path / "other.pem")
    other = public_key_of(other_uri)
    envelope = json.loads(sign_envelope(PAYLOAD, signer))
    envelope["signatures"] += json.loads(sign_envelope(b"else", load_file_signer(other_uri)))[
        "signatures"
    ]
    both = json.dumps(envelope).encode()
    assert verify_envelope(both, keys).payload == PAYLOAD
    with pytest.raises(EnvelopeError) as caught:
        verify_envelope(both, {**keys, other.keyid: other})
    assert caught.value.code == "envelope.signature"


def test_nobody_trusted_verifies_nothing(signer: CryptoSigner) -> None:
    with pytest.raises(EnvelopeError):
        verify_envelope(sign_envelope(PAYLOAD, signer), {})


def test_a_key_under_another_keys_id_is_refused(tmp_path: Path, signer: CryptoSigner) -> None:
    impostor = public_key_of(write_key(tmp_path / "other.pem"))
    with pytest.raises(EnvelopeError):
        verify_envelope(sign_envelope(PAYLOAD, signer), {signer.public_key.keyid: impostor})


def edited(edit: Callable[[dict[str, Any]], object]) -> Callable[[bytes], bytes]:
    def apply(envelope: bytes) -> bytes:
        parsed = json.loads(envelope)
        edit(parsed)
        return json.dumps(parsed).encode()

    return apply


@pytest.mark.parametrize(
    "damage",
    [
        lambda envelope: envelope.replace(b"{", b'{"payload":"",', 1),
        lambda envelope: envelope.replace(b'"keyid"', b'"sig":"","keyid"', 1),
        lambda envelope: b"\xef\xbb\xbf" + envelope,
        lambda envelope: envelope.decode().encode("utf-16"),
        lambda envelope: b"[" + envelope + b"]",
        lambda envelope: b"[" * 30_000 + b"]" * 30_000,
        lambda envelope: envelope + b" " * MAX_ENVELOPE_BYTES,
        edited(lambda parsed: parsed.pop("payload")),
        edited(lambda parsed: parsed.pop("payloadType")),
        edited(lambda parsed: parsed.pop("signatures")),
        edited(lambda parsed: parsed.update(payload=1)),
        edited(lambda parsed: parsed.update(payload=parsed["payload"].rstrip("="))),
        edited(lambda parsed: parsed.update(payload="A B=")),
        edited(lambda parsed: parsed.update(payload="__8=")),
        edited(lambda parsed: parsed.update(payload="//9=")),
        edited(lambda parsed: parsed.update(payloadType="")),
        edited(lambda parsed: parsed.update(payloadType=None)),
        edited(lambda parsed: parsed.update(signatures=[])),
        edited(lambda parsed: parsed.update(signatures={})),
        edited(lambda parsed: parsed.update(signatures=["x"])),
        edited(lambda parsed: parsed.update(signatures=parsed["signatures"] * 2)),
        edited(lambda parsed: parsed["signatures"][0].update(keyid="")),
        edited(lambda parsed: parsed["signatures"][0].update(keyid="F" * 64)),
        edited(lambda parsed: parsed["signatures"][0].pop("keyid")),
        edited(lambda parsed: parsed["signatures"][0].update(sig=None)),
        edited(lambda parsed: parsed["signatures"][0].update(x=float("nan"))),
    ],
)
def test_a_malformed_envelope_is_refused(
    signer: CryptoSigner, damage: Callable[[bytes], bytes]
) -> None:
    with pytest.raises(EnvelopeError):
        parse_envelope(damage(sign_envelope(PAYLOAD, signer)))


def test_unknown_members_are_ignored(signer: CryptoSigner, keys: dict[str, PublicKey]) -> None:
    extended = edited(lambda parsed: parsed.update(extra={"a": 1}))(sign_envelope(PAYLOAD, signer))
    assert verify_envelope(extended, keys).payload == PAYLOAD


def test_an_envelope_fits_a_log_entry_or_is_not_made(
    signer: CryptoSigner, keys: dict[str, PublicKey]
) -> None:
    overhead = len(sign_envelope(b"", signer))
    largest = (MAX_ENVELOPE_BYTES - overhead) // 4 * 3
    assert verify_envelope(sign_envelope(b"x" * largest, signer), keys).payload == b"x" * largest
    with pytest.raises(EnvelopeError) as caught:
        sign_envelope(b"x" * (largest + 3), signer)
    assert caught.value.code == "envelope.too_large"
    assert "digest" in caught.value.message


def test_a_signer_under_another_kind_of_keyid_is_refused() -> None:
    with pytest.raises(EnvelopeError):
        sign_envelope(PAYLOAD, CryptoSigner.generate_ed25519(keyid="nickname"))


def test_a_key_that_signs_no_envelopes_is_refused(tmp_path: Path) -> None:
    for scheme in ("rsa", "ecdsa-sha2-nistp521"):
        pem = public_pem(private_key(scheme))
        with pytest.raises(EnvelopeError):
            PublicKey.from_pem(pem)
        with pytest.raises(EnvelopeError):
            load_file_signer(write_key(tmp_path / f"{scheme}.pem", scheme))
    assert scheme_of(public_pem(private_key("rsa"))) == "rsa-pkcs1v15-sha256"


def test_a_key_said_to_be_of_another_scheme_is_refused() -> None:
    pem = public_pem(private_key("ed25519"))
    assert PublicKey.from_pem(pem, scheme="ed25519").keyid == keyid_of(pem.encode())
    with pytest.raises(EnvelopeError):
        PublicKey.from_pem(pem, scheme="ecdsa-sha2-nistp256")


def test_a_key_file_that_is_none_is_refused_without_showing_it(tmp_path: Path) -> None:
    secret = "c2VjcmV0LWtleS1tYXRlcmlhbA=="
    (tmp_path / "bad.pem").write_text(f"-----BEGIN PRIVATE KEY-----\n{secret}\n")
    locked = private_key("ed25519").private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"password")
    )
    (tmp_path / "locked.pem").write_bytes(locked)
    uris = [
        f"file2:{tmp_path}/bad.pem",
        f"file2:{tmp_path}/locked.pem",
        f"file2:{tmp_path}/absent.pem",
        "file2:",
        f"file:{tmp_path}/bad.pem",
        "",
    ]
    for uri in uris:
        with pytest.raises(EnvelopeError) as caught:
            load_file_signer(uri)
        assert secret not in str(caught.value)
    with pytest.raises(EnvelopeError):
        keyid_of("-----BEGIN PUBLIC KEY-----")
