"""Keys by URI: what a URI may say, and that nothing but its own kind of key is loaded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from muniment.attest.checkpoint import Checkpoint, sign_checkpoint, verify_checkpoint
from muniment.attest.envelope import sign_envelope, verify_envelope
from muniment.attest.errors import AttestError, EnvelopeError, NoteError, TokenError
from muniment.attest.key_uri import TokenPlace, parse_hsm_uri, parse_pkcs11_uri
from muniment.attest.keys import SIGNING_SCHEMES, PublicKey, public_key_pem_of
from muniment.attest.signers import load_note_signer, load_signer
from tests.unit.attest.signing import write_key

NAME = "muniment.test/log"
SECRET = "hunter2-hunter2"


@pytest.mark.parametrize("scheme", SIGNING_SCHEMES)
def test_a_file_signs_statements_under_our_key_id(tmp_path: Path, scheme: str) -> None:
    signer = load_signer(write_key(tmp_path / "key.pem", scheme))
    key = PublicKey.from_pem(public_key_pem_of(signer))
    assert verify_envelope(sign_envelope(b"{}", signer), {key.keyid: key}).keyid == key.keyid


def test_a_file_signs_checkpoints(tmp_path: Path) -> None:
    signer = load_note_signer(NAME, write_key(tmp_path / "log.pem"))
    checkpoint = Checkpoint(NAME, 1, b"\x01" * 32)
    assert verify_checkpoint(sign_checkpoint(checkpoint, signer), signer.vkey) == checkpoint


@pytest.mark.parametrize(
    "uri", ["", "file2", "file2:", "file:/key.pem", "/key.pem", "awskms:1", "pkcs11:token=a;id=b"]
)
def test_another_scheme_loads_no_statement_key(uri: str) -> None:
    with pytest.raises(EnvelopeError) as refused:
        load_signer(uri)
    assert refused.value.code == "envelope.key_uri"


@pytest.mark.parametrize("uri", ["", "file2", "file2:", "file:/key.pem", "/key.pem", "hsm:2"])
def test_another_scheme_loads_no_log_key(uri: str) -> None:
    with pytest.raises(NoteError) as refused:
        load_note_signer(NAME, uri)
    assert refused.value.code == "note.key_uri"


@pytest.mark.parametrize("scheme", ["ecdsa-sha2-nistp256", "rsa"])
def test_a_log_key_is_ed25519(tmp_path: Path, scheme: str) -> None:
    uri = write_key(tmp_path / "log.pem", scheme)
    with pytest.raises(NoteError, match="not an Ed25519 key"):
        load_note_signer(NAME, uri)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    for load in (load_signer, lambda uri: load_note_signer(NAME, uri)):
        with pytest.raises(AttestError, match=r"cannot read the .*key file .*none\.pem: No such"):
            load(f"file2:{tmp_path}/none.pem")


@pytest.mark.parametrize(
    ("uri", "place"),
    [
        ("pkcs11:token=muniment;object=log", TokenPlace("muniment", "log", None)),
        ("pkcs11:id=%0A%ff;token=a%20b", TokenPlace("a b", None, b"\n\xff")),
        ("pkcs11:token=%C3%A9;object=x%2Cy;id=z;type=private", TokenPlace("é", "x,y", b"z")),
    ],
)
def test_a_pkcs11_uri_names_token_and_key(uri: str, place: TokenPlace) -> None:
    assert parse_pkcs11_uri(uri) == place


@pytest.mark.parametrize(
    ("uri", "place"),
    [
        ("hsm:", TokenPlace(None, None, b"\x02")),
        ("hsm:0", TokenPlace(None, None, b"\x00")),
        ("hsm:258?label=YubiKey+PIV+%2315", TokenPlace("YubiKey PIV #15", None, b"\x01\x02")),
    ],
)
def test_an_hsm_uri_is_read_as_securesystemslib_does(uri: str, place: TokenPlace) -> None:
    assert parse_hsm_uri(uri) == place


@pytest.mark.parametrize(
    "uri",
    [
        "pkcs11:",
        "pkcs11:token=a",
        "pkcs11:object=a",
        "pkcs11:token=;object=a",
        "pkcs11:token=a;object",
        "pkcs11:token=a;token=b;object=c",
        "pkcs11:token=a;object=b;type=public",
        "pkcs11:token=a;object=b;serial=1",
        "pkcs11:token=%ff;object=b",
        f"pkcs11:token=a;object=b;pin-value={SECRET}",
        f"pkcs11:token=a;object=b?pin-value={SECRET}",
        f"pkcs11:token=a;object=b?module-path=/x.so&pin-value={SECRET}",
        f"hsm:{SECRET}",
        "hsm:-1",
        "hsm:0x2",
        "hsm:²",
        "hsm:1234567890123456789",
        f"hsm:2?label=a&pin={SECRET}",
        f"hsm:2?pin={SECRET}",
        "hsm:2?label=a&label=b",
    ],
)
def test_a_malformed_uri_is_refused_and_not_repeated(uri: str) -> None:
    load = load_signer if uri.startswith("hsm:") else lambda text: load_note_signer(NAME, text)
    with pytest.raises(TokenError) as refused:
        load(uri)
    assert refused.value.code == "token.uri"
    assert SECRET not in str(refused.value)


def test_nothing_of_tokens_is_imported_for_a_file(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from muniment.attest.signers import load_note_signer, load_signer\n"
        "load_signer(sys.argv[1]), load_note_signer('a', sys.argv[1])\n"
        "ours = ('pkcs11._pkcs11', 'muniment.attest.pkcs11')\n"
        "print(sorted(name for name in sys.modules if name.startswith(ours)))\n"
    )
    uri = write_key(tmp_path / "key.pem")
    done = subprocess.run(
        [sys.executable, "-c", program, uri], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_without_the_package_the_extra_is_named() -> None:
    program = (
        "import sys\n"
        "class Absent:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] == 'pkcs11':\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Absent())\n"
        "from muniment.attest.signers import load_signer\n"
        "try:\n"
        "    load_signer('hsm:2')\n"
        "except Exception as error:\n"
        "    print(error.code, error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("token.package ")
    assert "muniment[hsm]" in done.stdout
