"""What docs/log.md says of the log, and the scripts that it gives to check it by hand."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from audits.domain.log import Event
from muniment.attest.checkpoint import Checkpoint, sign_checkpoint
from muniment.attest.commitment import person_commitment
from muniment.attest.digest import Digest
from muniment.attest.envelope import load_file_signer, sign_envelope
from muniment.attest.keyring import Keyring
from muniment.attest.merkle import inclusion_proof, leaf_hash, root_hash
from muniment.attest.note import NoteSigner
from muniment.attest.predicates import PREDICATE_TYPES, require_predicate
from muniment.attest.proof import format_proof
from muniment.attest.statement import Subject, build_statement, format_time, parse_statement
from registry.domain.promotion import PromotionEvent
from tests.instance import INSTANCE
from tests.unit.attest.signing import write_key
from tests.unit.docs.pages import DOCS, fenced, read

PAGE = read(DOCS / "log.md")
AT = format_time(datetime(2026, 11, 23, 14, tzinfo=UTC))
POLICY = "https://muniment.dev/policy/v1"


def script(name: str) -> str:
    """Return the one script of the page that begins with a comment naming it."""
    [found] = [body for body in fenced(PAGE, "python") if body.startswith(f"# {name}")]
    return found


@dataclass
class SmallLog:
    """A log of an instance that set-up made: its keys, then what a test states."""

    folder: Path
    envelopes: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        keys = INSTANCE.stack.keys
        self.keyring = Keyring.load(keys.keyring)
        self.log_key = NoteSigner.from_file(self.keyring.log.origin, keys.log)
        for key in self.keyring.keys:
            self.sign(key.statement(at=AT, actor={"kind": "service", "id": "set-up"}))

    def sign(self, payload: bytes, uri: str | None = None) -> int:
        """Add an envelope, signed by the statement key or another; return its leaf index."""
        signer = load_file_signer(uri or INSTANCE.stack.keys.statement_uri)
        self.envelopes.append(sign_envelope(payload, signer))
        return len(self.envelopes) - 1

    def publish_policy(self, number: int, uri: str | None = None) -> int:
        digest = Digest.of_bytes(str(number).encode())
        payload = build_statement(
            subjects=[Subject(f"policy:credit-decision@{number}", digest)],
            predicate_type=POLICY,
            predicate={
                "event": "policy.published",
                "at": AT,
                "actor": {"kind": "person", "id": "5f0c1b7e-58a5-4b3b-9c5e-0d7a1f3c2b11"},
                "name": "credit-decision",
                "version": number,
                "digest": str(digest),
            },
        )
        return self.sign(payload, uri)

    def proof(self, index: int, signer: NoteSigner | None = None) -> bytes:
        hashes = [leaf_hash(envelope) for envelope in self.envelopes]
        checkpoint = Checkpoint(self.log_key.name, len(hashes), root_hash(hashes))
        note = sign_checkpoint(checkpoint, signer or self.log_key)
        return format_proof(index, inclusion_proof(hashes, index), note)

    def unpack(self) -> None:
        """Write every entry as the page's own script writes them from a report's attachment."""
        entries = [
            {
                "leaf_index": index,
                "envelope": base64.b64encode(envelope).decode(),
                "proof": self.proof(index).decode(),
            }
            for index, envelope in enumerate(self.envelopes)
        ]
        (self.folder / "evidence.json").write_text(json.dumps({"entries": entries}))
        done = self.run("unpack.py")
        assert done.returncode == 0, done.stderr

    def check(self, vkey: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run the page's script over every envelope in the folder."""
        files = sorted(path.name for path in self.folder.glob("*.dsse.json"))
        return self.run("check_entries.py", vkey or self.keyring.log.vkey, *files)

    def run(self, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        path = self.folder / name
        path.write_text(script(name), encoding="utf-8")
        # Isolated and without site-packages: the standard library is all that it may use.
        return subprocess.run(
            [sys.executable, "-I", "-S", str(path), *arguments],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def log(tmp_path: Path) -> SmallLog:
    made = SmallLog(tmp_path)
    for number in range(1, 5):
        made.publish_policy(number)
    return made


def test_the_script_accepts_what_stands_in_the_log(log: SmallLog) -> None:
    log.unpack()
    done = log.check()
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[0].startswith("ok 0 key.enrolled key:statement:")
    assert "ok 6 policy.published policy:credit-decision@4" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("7 entries stand in the log")


def test_the_script_accepts_trees_of_any_size(tmp_path: Path) -> None:
    log = SmallLog(tmp_path)
    for number in range(1, 7):
        log.publish_policy(number)
        last = len(log.envelopes) - 1
        for index in (0, last):
            (tmp_path / f"{index}.dsse.json").write_bytes(log.envelopes[index])
            (tmp_path / f"{index}.tlog-proof").write_bytes(log.proof(index))
        done = log.check()
        assert done.returncode == 0, done.stdout + done.stderr
        (tmp_path / f"{last}.dsse.json").unlink()


@pytest.mark.parametrize("name", ["000005.dsse.json", "000005.tlog-proof"])
def test_the_script_refuses_a_changed_byte(log: SmallLog, name: str) -> None:
    log.unpack()
    path = log.folder / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert log.check().returncode == 1


def test_the_script_refuses_a_proof_of_another_leaf(log: SmallLog) -> None:
    log.unpack()
    (log.folder / "000005.tlog-proof").write_bytes(log.proof(4))
    done = log.check()
    assert (done.returncode, done.stderr.strip()) == (1, "FAILED: the inclusion proof")


@pytest.mark.parametrize("change", ["shorter", "longer"])
def test_the_script_refuses_a_proof_of_another_length(log: SmallLog, change: str) -> None:
    log.unpack()
    path = log.folder / "000005.tlog-proof"
    head, note = path.read_text().split("\n\n", 1)
    lines = head.split("\n")
    lines = lines[:-1] if change == "shorter" else [*lines, lines[-1]]
    path.write_text("\n".join(lines) + "\n\n" + note)
    done = log.check()
    assert done.returncode == 1
    assert done.stderr.startswith("FAILED: the ")


def test_the_script_refuses_the_checkpoint_of_another_key_of_the_same_name(log: SmallLog) -> None:
    log.unpack()
    write_key(log.folder / "other.pem")
    other = NoteSigner.from_file(log.log_key.name, log.folder / "other.pem")
    assert log.check(other.vkey).stderr.strip() == "FAILED: the checkpoint's signature"
    (log.folder / "000005.tlog-proof").write_bytes(log.proof(5, other))
    assert log.check().stderr.strip() == "FAILED: the checkpoint's signature"


def test_the_script_refuses_a_malformed_vkey(log: SmallLog) -> None:
    log.unpack()
    name, _, key = log.keyring.log.vkey.split("+", 2)
    assert log.check(f"{name}+00000000+{key}").stderr.strip() == "FAILED: the vkey"


def test_the_script_refuses_an_entry_that_no_enrolled_key_signed(log: SmallLog) -> None:
    index = log.publish_policy(9, write_key(log.folder / "stray.pem"))
    log.unpack()
    assert log.check().stderr.strip() == f"FAILED: the signature of leaf {index}"


def test_the_script_refuses_an_entry_whose_key_enrolment_was_not_given(log: SmallLog) -> None:
    log.unpack()
    (log.folder / "000000.dsse.json").unlink()
    assert "FAILED: the signature of leaf" in log.check().stderr


def test_the_script_opens_a_commitment(log: SmallLog) -> None:
    salt = hashlib.sha256(b"salt").digest()
    done = log.run("open_commitment.py", salt.hex(), "Zoë Øst", "reviewer")
    assert done.stdout.strip() == person_commitment(salt, "Zoë Øst", "reviewer")


def test_the_statement_on_the_page_is_one_that_may_be_written() -> None:
    [shown] = fenced(PAGE, "json")
    statement = parse_statement(shown.encode())
    assert statement.position is not None
    require_predicate(statement.predicate_type, statement.predicate)


@pytest.mark.parametrize("predicate_type", PREDICATE_TYPES)
def test_every_predicate_type_is_named(predicate_type: str) -> None:
    assert f"| `{predicate_type}` |" in PAGE


@pytest.mark.parametrize("event", Event)
def test_every_event_is_named(event: Event) -> None:
    assert f"`{event.value}`" in PAGE


def test_the_promotion_events_that_are_named_exist() -> None:
    assert f"`{PromotionEvent.APPROVED.value}`" in PAGE
