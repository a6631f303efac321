"""Keys in a real token sign what our verifiers and openssl accept, and fail in clear words."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from base64 import b64decode
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pkcs11
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from securesystemslib.signer import HSMSigner, SSlibKey

from muniment.attest.checkpoint import Checkpoint, sign_checkpoint, verify_checkpoint
from muniment.attest.envelope import pae, sign_envelope, verify_envelope
from muniment.attest.errors import TokenError
from muniment.attest.keys import PublicKey, keyid_of, public_key_pem_of
from muniment.attest.note import parse_note
from muniment.attest.signers import load_note_signer, load_signer
from tests.integration.keys.conftest import PIN, SoftHsm

LOG = "pkcs11:token=muniment;object=log-1"
PAYLOAD = b'{"a":1}'
NAME = "muniment.test/log"
CHECKPOINT = Checkpoint(NAME, 3, b"\x05" * 32)


@pytest.mark.parametrize(
    ("uri", "scheme"),
    [
        ("hsm:2?label=muniment", "ecdsa-sha2-nistp256"),
        ("hsm:?label=muniment", "ecdsa-sha2-nistp256"),
        ("hsm:768?label=muniment", "ecdsa-sha2-nistp384"),
    ],
)
def test_a_statement_is_signed_in_the_token(hsm: SoftHsm, uri: str, scheme: str) -> None:
    signer = load_signer(uri)
    key = PublicKey.from_pem(public_key_pem_of(signer))
    assert key.scheme == scheme
    assert signer.public_key.keyid == key.keyid == keyid_of(public_key_pem_of(signer))
    envelope = sign_envelope(PAYLOAD, signer)
    assert verify_envelope(envelope, {key.keyid: key}).payload == PAYLOAD


def test_openssl_accepts_an_envelope_signed_in_the_token(hsm: SoftHsm, tmp_path: Path) -> None:
    signer = load_signer("hsm:2?label=muniment")
    envelope = json.loads(sign_envelope(PAYLOAD, signer))
    (tmp_path / "key.pem").write_text(public_key_pem_of(signer))
    (tmp_path / "message").write_bytes(pae(envelope["payloadType"], PAYLOAD))
    (tmp_path / "signature").write_bytes(b64decode(envelope["signatures"][0]["sig"]))
    command = "openssl dgst -sha256 -verify key.pem -signature signature message"
    assert subprocess.run(command.split(), cwd=tmp_path, check=False).returncode == 0
    (tmp_path / "message").write_bytes(pae(envelope["payloadType"], PAYLOAD + b" "))
    assert subprocess.run(command.split(), cwd=tmp_path, check=False).returncode == 1


def test_the_uri_names_the_same_key_to_securesystemslib(hsm: SoftHsm) -> None:
    uri = "hsm:2?label=muniment"
    ours = load_signer(uri)
    program = """
import sys
from pathlib import Path
from securesystemslib.signer import HSMSigner
uri, key = HSMSigner.import_(2, "muniment")
print(uri, key.keyval["public"], sep="\\n")
signed = HSMSigner.from_priv_key_uri(uri, key, lambda _: sys.argv[1]).sign(b"x")
print(signed.signature)
"""
    # A login is a process's: theirs is in another.
    printed = subprocess.run(
        [sys.executable, "-c", program, PIN],
        env={**os.environ, "PYKCS11LIB": hsm.module},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    named, *pem, signature = printed.split("\n")[:-1]
    assert named == uri
    assert "\n".join(pem).strip() == public_key_pem_of(ours).strip()
    PublicKey.from_pem(public_key_pem_of(ours)).verify(bytes.fromhex(signature), b"x")
    assert isinstance(ours.public_key, SSlibKey)
    assert HSMSigner.from_priv_key_uri(uri, ours.public_key, lambda _: PIN).hsm_keyid == 2


def test_a_checkpoint_is_signed_in_the_token(hsm: SoftHsm, tmp_path: Path) -> None:
    signer = load_note_signer(NAME, LOG)
    note = sign_checkpoint(CHECKPOINT, signer)
    assert verify_checkpoint(note, signer.vkey) == CHECKPOINT
    parsed = parse_note(note)
    public = signer.private_key.public_key()
    (tmp_path / "key.pem").write_bytes(
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    (tmp_path / "text").write_text(parsed.text)
    (tmp_path / "signature").write_bytes(parsed.signatures[0].signature)
    command = "openssl pkeyutl -verify -pubin -inkey key.pem -rawin -in text -sigfile signature"
    assert subprocess.run(command.split(), cwd=tmp_path, check=False).returncode == 0
    (tmp_path / "text").write_text(parsed.text.replace("3", "4"))
    assert subprocess.run(command.split(), cwd=tmp_path, check=False).returncode == 1


@pytest.mark.parametrize(
    "uri", ["pkcs11:token=muniment;id=%01", "pkcs11:object=log-1;token=muniment;type=private"]
)
def test_a_key_is_named_by_label_or_id_or_both(hsm: SoftHsm, uri: str) -> None:
    assert load_note_signer(NAME, uri).vkey == load_note_signer(NAME, LOG).vkey


def test_threads_sign_at_once(hsm: SoftHsm) -> None:
    signer, key = load_note_signer(NAME, LOG), load_signer("hsm:2?label=muniment")
    public = PublicKey.from_pem(public_key_pem_of(key))

    def sign(number: int) -> None:
        checkpoint = Checkpoint(NAME, number, b"\x05" * 32)
        assert verify_checkpoint(sign_checkpoint(checkpoint, signer), signer.vkey) == checkpoint
        verify_envelope(sign_envelope(b"%d" % number, key), {public.keyid: public})

    with ThreadPoolExecutor(max_workers=6) as pool:
        list(pool.map(sign, range(60)))


def test_a_lost_session_is_opened_again(hsm: SoftHsm) -> None:
    signer, key = load_note_signer(NAME, LOG), load_signer("hsm:2?label=muniment")
    for _ in range(3):
        pkcs11.lib(hsm.module).reinitialize()  # ends every session and login of this process
        verify_checkpoint(sign_checkpoint(CHECKPOINT, signer), signer.vkey)
        key.sign(b"x")


def test_a_key_that_was_taken_away_is_missed_in_clear_words(hsm: SoftHsm) -> None:
    hsm.make_key("muniment", "ed25519", "short-lived", "70")
    signer = load_note_signer(NAME, "pkcs11:token=muniment;object=short-lived")
    hsm.remove_key("muniment", "short-lived")
    pkcs11.lib(hsm.module).reinitialize()
    with pytest.raises(TokenError, match="no private key at object 'short-lived'") as refused:
        signer.private_key.sign(b"x")
    assert refused.value.code == "token.no_key"


def test_a_child_signs_on_its_own_after_a_fork(hsm: SoftHsm) -> None:
    program = """
import os, sys
from muniment.attest.signers import load_note_signer
signer = load_note_signer("a", sys.argv[1])
def sign():
    signer.verifier.verify("x\\n", signer.private_key.sign(b"x\\n"))
sign()
for _ in range(2):
    child = os.fork()
    if child == 0:
        sign()
        again = os.fork()
        if again == 0:
            sign()
            os._exit(0)
        os._exit(os.waitstatus_to_exitcode(os.waitpid(again, 0)[1]))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    sign()
print("signed")
"""
    assert hsm.python(program, LOG) == "signed\n"


def test_a_key_loaded_before_a_fork_is_first_used_after_it(hsm: SoftHsm) -> None:
    program = """
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from muniment.attest.signers import load_signer
def sign(number):
    return load_signer(sys.argv[1]).sign(b"%d" % number).keyid
with ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool:
    print(len(set(pool.map(sign, range(8)))))
"""
    assert hsm.python(program, "hsm:2?label=muniment") == "1\n"


def test_a_wrong_pin_is_tried_once_and_a_right_one_is_taken_up(
    hsm: SoftHsm, tmp_path: Path
) -> None:
    pin_file = tmp_path / "pin"
    pin_file.write_text("wrong-0815")
    uri = "pkcs11:token=other;object=log-1"
    with pytest.raises(TokenError, match="refuses the PIN in MUNIMENT_PKCS11_PIN_FILE") as refused:
        load_note_signer(NAME, uri)
    assert refused.value.code == "token.pin"
    assert "wrong-0815" not in str(refused.value)
    with pytest.raises(TokenError, match="not asked again until the file holds another"):
        load_note_signer(NAME, uri)
    pin_file.write_text(f"{PIN}\n")
    verify_checkpoint(
        sign_checkpoint(CHECKPOINT, signer := load_note_signer(NAME, uri)), signer.vkey
    )


@pytest.mark.parametrize(
    ("uri", "code", "words"),
    [
        ("pkcs11:token=nowhere;object=log-1", "token.absent", "the token 'nowhere' is not among"),
        ("pkcs11:token=twin;object=log-1", "token.two_tokens", "more than one such token"),
        ("pkcs11:token=muniment;object=none", "token.no_key", "no private key at object 'none'"),
        ("pkcs11:token=muniment;object=log-1;id=%07", "token.no_key", "no private key"),
        ("pkcs11:token=muniment;object=statement-1", "token.key_type", "is EC, not Ed25519"),
    ],
)
def test_a_log_key_that_cannot_be_used_says_why(
    hsm: SoftHsm, uri: str, code: str, words: str
) -> None:
    with pytest.raises(TokenError, match=words) as refused:
        load_note_signer(NAME, uri)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("uri", "code", "words"),
    [
        ("hsm:9?label=muniment", "token.no_key", "no private key at id 09"),
        ("hsm:1?label=muniment", "token.key_type", "is EC_EDWARDS, not ECDSA on P-256"),
        ("hsm:2", "token.two_tokens", "more than one such token"),
    ],
)
def test_a_statement_key_that_cannot_be_used_says_why(
    hsm: SoftHsm, uri: str, code: str, words: str
) -> None:
    with pytest.raises(TokenError, match=words) as refused:
        load_signer(uri)
    assert refused.value.code == code


@pytest.mark.parametrize(("kind", "words"), [("rsa", "is RSA"), ("secp521r1", "another curve")])
def test_a_key_of_another_kind_is_refused(hsm: SoftHsm, kind: str, words: str) -> None:
    hsm.make_key("muniment", kind, kind, "71")
    try:
        with pytest.raises(TokenError, match=words) as refused:
            load_signer("hsm:113?label=muniment")
        assert refused.value.code == "token.key_type"
    finally:
        hsm.remove_key("muniment", kind)


def test_two_keys_of_one_name_are_refused_until_an_id_tells_them_apart(hsm: SoftHsm) -> None:
    for key_id in ("72", "73"):
        hsm.make_key("muniment", "ed25519", "double", key_id)
    with pytest.raises(TokenError, match="there are 2 private keys at object 'double'") as refused:
        load_note_signer(NAME, "pkcs11:token=muniment;object=double")
    assert refused.value.code == "token.two_keys"
    vkeys = {
        load_note_signer(NAME, f"pkcs11:token=muniment;object=double;id=%{key_id}").vkey
        for key_id in ("72", "73")
    }
    assert len(vkeys) == 2


def test_a_key_without_its_public_half_is_refused(hsm: SoftHsm) -> None:
    hsm.make_key("muniment", "ed25519", "half", "74")
    hsm.remove_key("muniment", "half", "PUBLIC_KEY")
    with pytest.raises(TokenError, match="no public key at object 'half'"):
        load_note_signer(NAME, "pkcs11:token=muniment;object=half")


def test_a_public_half_of_another_key_is_found_out(hsm: SoftHsm) -> None:
    for key_id in ("75", "76"):
        hsm.make_key("muniment", "ed25519", f"mixed-{key_id}", key_id)
    hsm.remove_key("muniment", "mixed-75", "PUBLIC_KEY")
    hsm.remove_key("muniment", "mixed-76", "PRIVATE_KEY")
    hsm.python(
        "import sys, pkcs11\n"
        "module, pin = sys.argv[1:]\n"
        "token = pkcs11.lib(module).get_token(token_label='muniment')\n"
        "with token.open(rw=True, user_pin=pin) as session:\n"
        "    [key] = session.get_objects({pkcs11.Attribute.LABEL: 'mixed-76'})\n"
        "    key[pkcs11.Attribute.LABEL] = 'mixed-75'\n",
        hsm.module,
        PIN,
    )
    signer = load_note_signer(NAME, "pkcs11:token=muniment;object=mixed-75")
    with pytest.raises(TokenError, match="does not verify with the public key beside it"):
        signer.private_key.sign(b"x")


def test_a_missing_module_and_pin_are_named(
    hsm: SoftHsm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = "pkcs11:token=unasked;object=log-1"

    def refusal() -> str:
        with pytest.raises(TokenError) as refused:
            load_note_signer(NAME, uri)
        return f"{refused.value.code}: {refused.value.message}"

    (tmp_path / "pin").write_text("\n")
    assert refusal().endswith("is empty")
    (tmp_path / "pin").unlink()
    assert refusal().endswith("cannot be read: No such file or directory")
    monkeypatch.delenv("MUNIMENT_PKCS11_PIN_FILE")
    assert refusal().startswith("token.pin: MUNIMENT_PKCS11_PIN_FILE is not set")
    (tmp_path / "pin").write_text(PIN)
    monkeypatch.setenv("MUNIMENT_PKCS11_PIN_FILE", str(tmp_path / "pin"))
    monkeypatch.setenv("MUNIMENT_PKCS11_MODULE", str(tmp_path / "none.so"))
    assert refusal().startswith(f"token.module: MUNIMENT_PKCS11_MODULE ({tmp_path}/none.so) cannot")
    monkeypatch.delenv("MUNIMENT_PKCS11_MODULE")
    assert refusal().startswith("token.module: MUNIMENT_PKCS11_MODULE is not set")
