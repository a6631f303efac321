"""Signed notes and checkpoints, ours and a published one."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from muniment.attest.checkpoint import (
    Checkpoint,
    open_checkpoint,
    sign_checkpoint,
    verify_checkpoint,
)
from muniment.attest.errors import NoteError
from muniment.attest.note import (
    NoteSigner,
    add_signatures,
    open_note,
    parse_note,
    parse_vkey,
    sign_note,
)

LOG = NoteSigner("muniment.test/log", Ed25519PrivateKey.from_private_bytes(b"\x01" * 32))
WITNESS = NoteSigner("witness.test", Ed25519PrivateKey.from_private_bytes(b"\x02" * 32))
STRANGER = NoteSigner("stranger.test", Ed25519PrivateKey.from_private_bytes(b"\x03" * 32))
HEAD = Checkpoint(LOG.name, 7, b"\x09" * 32)

# The example in the documentation of golang.org/x/mod/sumdb/note.
GO_VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpR"
    "Zb6KE6RyyBwJnAM=\n"
).encode()


def test_a_note_signed_by_the_reference_implementation_is_accepted() -> None:
    opened = open_note(GO_NOTE, [parse_vkey(GO_VKEY)])
    assert opened.text.endswith("what your problem is.\n")


def test_a_checkpoint_is_read_back() -> None:
    assert verify_checkpoint(sign_checkpoint(HEAD, LOG), LOG.vkey) == HEAD


def test_openssl_accepts_a_checkpoints_signature(tmp_path: Path) -> None:
    """No code of ours between the note's bytes and the verdict."""
    text, _, signature_line = sign_checkpoint(HEAD, LOG).decode().rpartition("\n\n")
    signature = base64.b64decode(signature_line.split()[2])[4:]
    (tmp_path / "text").write_bytes(f"{text}\n".encode())
    (tmp_path / "sig").write_bytes(signature)
    public_key = LOG.private_key.public_key()
    (tmp_path / "key").write_bytes(
        public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    command = ["openssl", "pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", "key"]
    done = subprocess.run(
        [*command, "-sigfile", "sig", "-in", "text"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_vkey_is_read_back() -> None:
    assert parse_vkey(LOG.vkey) == LOG.verifier


@pytest.mark.parametrize(
    "vkey",
    ["", "name", "name+00000000", LOG.vkey[:-4], LOG.vkey.replace("muniment", "other"),
     LOG.vkey.replace("/log+", "/log+0"), LOG.vkey + " ", " " + LOG.vkey, LOG.vkey.upper(),
     "a b" + LOG.vkey[LOG.vkey.index("+"):], LOG.vkey[LOG.vkey.index("+"):],
     WITNESS.vkey.replace("+A", "+B")],
)  # fmt: skip
def test_a_malformed_vkey_is_refused(vkey: str) -> None:
    with pytest.raises(NoteError):
        parse_vkey(vkey)


def test_several_signatures_each_verify() -> None:
    note = sign_checkpoint(HEAD, LOG, WITNESS)
    assert verify_checkpoint(note, LOG.vkey) == HEAD
    assert open_note(note, [WITNESS.verifier]).text == HEAD.text
    assert open_note(note, [LOG.verifier, WITNESS.verifier]).text == HEAD.text


def test_unknown_signers_are_ignored_and_never_enough() -> None:
    note = sign_checkpoint(HEAD, LOG, STRANGER)
    assert verify_checkpoint(note, LOG.vkey) == HEAD
    with pytest.raises(NoteError) as caught:
        verify_checkpoint(sign_note(HEAD.text, [STRANGER]), LOG.vkey)
    assert caught.value.code == "note.unknown_key"
    with pytest.raises(NoteError):
        open_note(note, [])


def test_a_shared_name_alone_is_not_the_same_signer() -> None:
    impostor = NoteSigner(LOG.name, STRANGER.private_key)
    with pytest.raises(NoteError) as caught:
        verify_checkpoint(sign_checkpoint(HEAD, impostor), LOG.vkey)
    assert caught.value.code == "note.unknown_key"


def test_a_known_signers_bad_signature_refuses_the_note_beside_a_good_one() -> None:
    good, bad = sign_checkpoint(HEAD, LOG), sign_note(HEAD.text + "more\n", [WITNESS])
    mixed = good + bad.rpartition(b"\n\n")[2]
    assert open_note(mixed, [LOG.verifier]).text == HEAD.text
    with pytest.raises(NoteError) as caught:
        open_note(mixed, [LOG.verifier, WITNESS.verifier])
    assert caught.value.code == "note.signature"


@given(st.data())
def test_no_byte_of_a_checkpoint_can_change(data: st.DataObject) -> None:
    note = sign_checkpoint(HEAD, LOG)
    at = data.draw(st.integers(0, len(note) - 1))
    changed = bytearray(note)
    changed[at] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(NoteError):
        verify_checkpoint(bytes(changed), LOG.vkey)


@given(st.binary(max_size=200))
def test_any_other_bytes_are_refused(content: bytes) -> None:
    with pytest.raises(NoteError):
        verify_checkpoint(content, LOG.vkey)


@pytest.mark.parametrize(
    "damage",
    [
        lambda note: note[:-1],
        lambda note: note + b"\n",
        lambda note: note.replace(b"\n\n", b"\n"),
        lambda note: note.replace("— ".encode(), b"- "),
        lambda note: b"\xff" + note,
        lambda note: note.replace(b"\n7\n", b"\n7\r\n"),
        lambda note: note + note.rpartition(b"\n\n")[2] * 100,
        lambda note: note + b"junk\n",
        lambda note: note + "— name+plus AAAAAAAA\n".encode(),
        lambda note: note + "— name AAAA\n".encode(),
        lambda note: b"x" * 1_000_001 + note,
    ],
)
def test_a_malformed_note_is_refused(damage: object) -> None:
    note = sign_checkpoint(HEAD, LOG)
    with pytest.raises(NoteError):
        open_note(damage(note), [LOG.verifier])  # type: ignore[operator]


def test_the_text_ends_at_the_last_empty_line() -> None:
    text = "first\n\n— fake AAAAAAAA\n\nlast\n"
    parsed = parse_note(sign_note(text, [LOG]))
    assert parsed.text == text
    assert [signature.name for signature in parsed.signatures] == [LOG.name]


@pytest.mark.parametrize(
    "text",
    [
        "muniment.test/log\n07\n{root}\n",
        "muniment.test/log\n+7\n{root}\n",
        "muniment.test/log\n-7\n{root}\n",
        "muniment.test/log\n9223372036854775808\n{root}\n",
        "muniment.test/log\n7\n",
        "muniment.test/log\n7\n{root}\n\nextension\n",
        "\n7\n{root}\n",
        "muniment.test/log\n7\nAAAA\n",
        "muniment.test/log\n7\n{root}=\n",
        "muniment.test/log\n٧\n{root}\n",
    ],
)
def test_a_signed_note_that_is_no_checkpoint_is_refused(text: str) -> None:
    root = base64.b64encode(HEAD.root_hash).decode()
    with pytest.raises(NoteError):
        verify_checkpoint(sign_note(text.format(root=root), [LOG]), LOG.vkey)


def test_extension_lines_are_ignored() -> None:
    assert verify_checkpoint(sign_note(HEAD.text + "extension\n", [LOG]), LOG.vkey) == HEAD


def test_a_log_signs_for_its_own_origin_only() -> None:
    other = Checkpoint("another.test/log", 7, HEAD.root_hash)
    with pytest.raises(NoteError) as caught:
        sign_checkpoint(other, LOG)
    assert caught.value.code == "note.origin"
    with pytest.raises(NoteError) as caught:
        verify_checkpoint(sign_note(other.text, [LOG]), LOG.vkey)
    assert caught.value.code == "note.origin"


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "a\u00a0b", "\u3000"])
def test_a_name_with_a_space_or_a_plus_is_refused(name: str) -> None:
    with pytest.raises(NoteError):
        NoteSigner(name, LOG.private_key)


@pytest.mark.parametrize("text", ["", "no newline", "bell\a\n", "carriage\r\n"])
def test_text_that_is_no_notes_is_not_signed(text: str) -> None:
    with pytest.raises(NoteError):
        sign_note(text, [LOG])


def test_a_note_is_signed_by_someone_and_by_nobody_twice() -> None:
    with pytest.raises(NoteError):
        sign_note("text\n", [])
    with pytest.raises(NoteError):
        sign_note("text\n", [LOG, LOG])


def test_a_log_key_is_loaded_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "log.pem"
    path.write_bytes(
        LOG.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    assert NoteSigner.from_file(LOG.name, path).vkey == LOG.vkey
    path.write_bytes(b"not a key")
    with pytest.raises(NoteError):
        NoteSigner.from_file(LOG.name, path)
    with pytest.raises(NoteError):
        NoteSigner.from_file(LOG.name, tmp_path / "absent")


def test_a_signer_does_not_show_its_key() -> None:
    assert "private" not in repr(LOG)


COSIGNER = NoteSigner("witness.test/w1", WITNESS.private_key, cosigns_at=1_679_315_147)


def test_a_cosignature_says_when_and_is_told_from_a_logs_signature() -> None:
    note = sign_checkpoint(HEAD, LOG, COSIGNER)
    checkpoint, opened = open_checkpoint(note, [LOG.vkey], [COSIGNER.verifier])
    assert checkpoint == HEAD
    assert [(s.verifier.name, s.timestamp) for s in opened.signatures] == [
        (LOG.name, None),
        (COSIGNER.name, 1_679_315_147),
    ]
    assert parse_vkey(COSIGNER.vkey) == COSIGNER.verifier
    # One key under one name is two signers, by what it signs.
    assert (
        COSIGNER.verifier.key_hash
        != NoteSigner(COSIGNER.name, WITNESS.private_key).verifier.key_hash
    )
    with pytest.raises(NoteError, match="the log did not"):
        open_checkpoint(sign_note(HEAD.text, [COSIGNER]), [LOG.vkey], [COSIGNER.verifier])
    with pytest.raises(NoteError, match="type Ed25519"):
        verify_checkpoint(note, COSIGNER.vkey)


def test_openssl_accepts_a_cosignature(tmp_path: Path) -> None:
    line = parse_note(sign_checkpoint(HEAD, LOG, COSIGNER)).signatures[1]
    public = COSIGNER.private_key.public_key()
    (tmp_path / "key").write_bytes(
        public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    )
    (tmp_path / "message").write_text(f"cosignature/v1\ntime 1679315147\n{HEAD.text}")
    (tmp_path / "signature").write_bytes(line.signature[8:])
    assert int.from_bytes(line.signature[:8]) == 1_679_315_147
    command = "openssl pkeyutl -verify -pubin -keyform DER -inkey key -rawin -in message"
    done = subprocess.run(
        [*command.split(), "-sigfile", "signature"], cwd=tmp_path, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("place", [0, 7, 8, 71])
def test_a_changed_cosignature_is_refused(place: int) -> None:
    signature = bytearray(parse_note(sign_note(HEAD.text, [COSIGNER])).signatures[0].signature)
    signature[place] ^= 1
    with pytest.raises(NoteError, match="does not verify"):
        COSIGNER.verifier.verify(HEAD.text, bytes(signature))


def test_signatures_are_added_once() -> None:
    note = sign_checkpoint(HEAD, LOG)
    line = COSIGNER.signature_line(HEAD.text)
    assert add_signatures(note, [line, line]) == sign_checkpoint(HEAD, LOG, COSIGNER)
    assert add_signatures(add_signatures(note, [line]), [line]) == add_signatures(note, [line])
    with pytest.raises(NoteError):
        add_signatures(note, ["no signature\n"])


def test_one_of_several_log_keys_is_enough() -> None:
    newer = NoteSigner(LOG.name, STRANGER.private_key)
    both = sign_checkpoint(HEAD, LOG, newer)
    assert verify_checkpoint(both, LOG.vkey) == verify_checkpoint(both, newer.vkey) == HEAD
    assert verify_checkpoint(sign_checkpoint(HEAD, newer), [LOG.vkey, newer.vkey]) == HEAD
    with pytest.raises(NoteError, match="no known key"):
        verify_checkpoint(sign_checkpoint(HEAD, newer), [LOG.vkey])
