"""What docs/witnesses.md gives: a policy, a script and commands, each tried."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from muniment.attest.checkpoint import Checkpoint, sign_checkpoint
from muniment.attest.log_policy import LogPolicy
from muniment.attest.note import NoteSigner
from tests.timestamp_authority import TimestampAuthority
from tests.unit.docs.pages import DOCS, fenced, read

PAGE = read(DOCS / "witnesses.md")
LOG = NoteSigner("muniment.test/log", Ed25519PrivateKey.generate())
NORTH = NoteSigner("north.test/w", Ed25519PrivateKey.generate(), cosigns_at=1_795_600_000)
SOUTH = NoteSigner("south.test/w", Ed25519PrivateKey.generate(), cosigns_at=1_795_600_001)
NOTE = sign_checkpoint(Checkpoint(LOG.name, 1234, bytes(32)), LOG, NORTH)


def test_the_example_is_a_policy() -> None:
    [example] = [body for body in fenced(PAGE, "text") if "quorum" in body]
    policy = LogPolicy.parse(example.encode())
    assert policy.words == "2 of north, south, east"
    assert all(witness.url for witness in policy.witnesses)


def _check(folder: Path, vkey: str, note: bytes) -> tuple[int, str]:
    [script] = fenced(PAGE, "python")
    (folder / "check_cosignature.py").write_text(script)
    (folder / "checkpoint").write_bytes(note)
    done = subprocess.run(
        [sys.executable, "check_cosignature.py", vkey, "checkpoint"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_the_script_accepts_a_cosignature(tmp_path: Path) -> None:
    status, said = _check(tmp_path, NORTH.vkey, NOTE)
    assert status == 0
    assert "ok: north.test/w saw 1234 entries at 2026-11-25 09:46:40 UTC" in said


@pytest.mark.parametrize(
    ("vkey", "note", "words"),
    [
        (NORTH.vkey, NOTE.replace(b"1234", b"1235"), "FAILED: the cosignature does not verify"),
        (SOUTH.vkey, NOTE, "FAILED: this witness did not sign it"),
        (LOG.vkey, NOTE, "FAILED: not a witness's vkey"),
    ],
    ids=["another size", "another witness", "the log itself"],
)
def test_the_script_refuses_anything_else(
    tmp_path: Path, vkey: str, note: bytes, words: str
) -> None:
    status, said = _check(tmp_path, vkey, note)
    assert status == 1
    assert words in said


def test_the_openssl_commands_show_a_tokens_time_and_refuse_other_content(tmp_path: Path) -> None:
    authority = TimestampAuthority(tmp_path / "tsa")
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints/1234").write_bytes(NOTE)
    (tmp_path / "token.tst").write_bytes(authority.token(NOTE))
    (tmp_path / "tsa-ca.pem").write_bytes(authority.root_pem)

    def run(command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            shlex.split(command), cwd=tmp_path, capture_output=True, text=True, check=False
        )

    verify, show = re.findall(r"^    (openssl ts .*)$", PAGE, re.MULTILINE)
    assert "Verification: OK" in run(verify).stdout
    assert re.search(r"^Time stamp: \w+ .* GMT$", run(show).stdout, re.MULTILINE)
    (tmp_path / "checkpoints/1234").write_bytes(NOTE + b"x")
    assert run(verify).returncode != 0
