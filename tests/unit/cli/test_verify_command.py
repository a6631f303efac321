"""``muniment verify`` over each kind of thing, as people run it."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from muniment.attest.bundle import LoggedEntry, build_bundle
from muniment.attest.merkle import inclusion_proof, leaf_hash
from muniment.attest.note import NoteSigner
from muniment.attest.proof import format_proof
from muniment.cli import _parser
from muniment.cli.output import Progress
from tests.timestamp_authority import TimestampAuthority
from tests.unit.attest.test_note import COSIGNER, STRANGER
from tests.unit.cli.conftest import ROOT, Muniment
from tests.unit.verify.log_folder import checkpoint, write, write_log
from tests.unit.verify.world import World, make_world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def things(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder with each kind of thing in it."""
    folder = tmp_path_factory.mktemp("things")
    write_log(folder / "log", world.leaves, world.log, earlier=[2, 9])
    note, hashes = world.checkpoint(), [leaf_hash(leaf) for leaf in world.leaves]
    entries = []
    for leaf in (5, 0, 1):
        proof = format_proof(leaf, inclusion_proof(hashes, leaf), note)
        entries.append(LoggedEntry(leaf, world.leaves[leaf], proof.decode()))
    (folder / "report.pdf").write_bytes(world.report())
    (folder / "bundle.json").write_bytes(build_bundle(note, entries))
    (folder / "000005.dsse.json").write_bytes(entries[0].envelope)
    (folder / "000005.tlog-proof").write_text(entries[0].proof)
    for size in (2, 9):
        (folder / f"{size}.checkpoint").write_bytes(checkpoint(world.leaves, world.log, size))
    forked = [*world.leaves[:8], b"another"]
    (folder / "forked.checkpoint").write_bytes(checkpoint(forked, world.log))
    (folder / "later.checkpoint").write_bytes(checkpoint([*world.leaves, b"x"], world.log))
    return folder


@pytest.fixture
def served(things: Path) -> Iterator[str]:
    """The same log under an address."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

    listener = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(things)))
    thread = threading.Thread(target=listener.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.server_port}/log"
    listener.shutdown()
    listener.server_close()
    thread.join()


def in_folder(things: Path, arguments: list[str]) -> list[str]:
    return [item if item.startswith("--") else str(things / item) for item in arguments]


def words_of(value: object) -> str:
    return " ".join(value) if isinstance(value, list) else ""


HONEST = [
    (["report.pdf"], "report"),
    (["report.pdf", "--log", "log"], "report"),
    (["log"], "log"),
    (["log", "--hashes-only"], "log"),
    (["log", "--checkpoint", "9.checkpoint", "--checkpoint", "2.checkpoint"], "log"),
    (["bundle.json"], "bundle"),
    (["bundle.json", "--log", "log", "--checkpoint", "9.checkpoint"], "bundle"),
    (["000005.dsse.json", "000005.tlog-proof"], "entry"),
    (["000005.tlog-proof", "000005.dsse.json", "--log", "log"], "entry"),
    (["9.checkpoint", "9.checkpoint"], "checkpoints"),
    (["2.checkpoint", "9.checkpoint", "--log", "log"], "checkpoints"),
    (["log/checkpoint", "2.checkpoint", "--log", "log"], "checkpoints"),
]


@pytest.mark.parametrize(("arguments", "kind"), HONEST, ids=words_of)
def test_each_kind_of_thing_is_recognised_and_holds(
    muniment: Muniment, things: Path, world: World, arguments: list[str], kind: str
) -> None:
    placed = in_folder(things, arguments)
    done = muniment("verify", *placed, "--vkey", world.vkey, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    answer = json.loads(done.stdout)
    assert (answer["kind"], answer["holds"], answer["vkey_from"]) == (kind, True, "--vkey")
    assert answer["limits"]
    assert all(finding["holds"] for finding in answer["findings"])
    said = muniment("verify", *placed, "--vkey", world.vkey)
    assert said.returncode == 0
    assert said.stdout.endswith("All of it holds.\n")
    assert said.stdout.count("  ok      ") == len(answer["findings"])
    assert "cannot show:" in said.stdout


def test_a_log_is_verified_under_its_address(
    muniment: Muniment, world: World, things: Path, served: str
) -> None:
    done = muniment("verify", served, "--vkey", world.vkey)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "14 entries in 1 bundle" in done.stdout
    assert "they lie in an exported folder" in done.stdout
    done = muniment("verify", things / "report.pdf", "--log", served, "--vkey", world.vkey)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"held against the log {served}" in done.stdout
    assert "This report with this log cannot show:" in done.stdout
    done = muniment("verify", f"{served}/absent", "--vkey", world.vkey)
    assert done.returncode == 1
    assert "checkpoint: there is no such file (status 404)" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["log", "--checkpoint", "later.checkpoint"], "omitted tail: "),
        (["log", "--checkpoint", "forked.checkpoint"], "fork: the first 9 entries"),
        (["9.checkpoint", "2.checkpoint"], "as --log"),
        (["9.checkpoint", "forked.checkpoint"], "fork: the log signed two different trees"),
        (["2.checkpoint", "forked.checkpoint", "--log", "log"], "DO NOT RELY ON THESE CHECKPOINTS"),
        (["9.checkpoint"], "give a second one"),
        (["000005.dsse.json"], "its inclusion proof"),
        (["000005.tlog-proof"], "its envelope"),
        (["000005.dsse.json", "000005.dsse.json"], "two things go together"),
        (["log", "report.pdf"], "given as --log"),
        (["absent"], "No such file"),
        (["report.pdf", "--log", "absent"], "absent: not a folder"),
    ],
    ids=words_of,
)
def test_what_does_not_hold_exits_1_and_says_why(
    muniment: Muniment, things: Path, world: World, arguments: list[str], words: str
) -> None:
    placed = in_folder(things, arguments)
    done = muniment("verify", *placed, "--vkey", world.vkey)
    assert done.returncode == 1
    assert words in done.stdout
    assert "DO NOT RELY ON " in done.stdout
    assert done.stderr == ""
    done = muniment("verify", *placed, "--vkey", world.vkey, "--json")
    assert (done.returncode, json.loads(done.stdout)["holds"]) == (1, False)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["log", "--log", "log"], "--log is for"),
        (["report.pdf", "--hashes-only"], "--hashes-only is for a whole log"),
        (["report.pdf", "--checkpoint", "9.checkpoint"], "--checkpoint is for a whole log"),
        (["bundle.json", "--tsa-ca", "9.checkpoint"], "--tsa-ca is for a whole log"),
        (["9.checkpoint", "9.checkpoint", "--log", "log", "--hashes-only"], "--hashes-only is for"),
        (["log", "--ca", "9.checkpoint"], "--ca is for reports"),
        (["log", "--checkpoint", "absent"], "--checkpoint: cannot read"),
        (["log", "--tsa-ca", "absent"], "--tsa-ca: cannot read"),
        (["log", "log", "log"], "one thing at a time"),
        (["log", "--policy", "absent"], "not both"),
    ],
    ids=words_of,
)
def test_what_does_not_go_together_exits_2(
    muniment: Muniment, things: Path, world: World, arguments: list[str], words: str
) -> None:
    placed = in_folder(things, arguments)
    done = muniment("verify", *placed, "--vkey", world.vkey)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_several_keys_of_one_log_may_be_given(
    muniment: Muniment, things: Path, world: World
) -> None:
    older = NoteSigner(world.log.name, STRANGER.private_key)
    keys = ["--vkey", older.vkey, "--vkey", world.vkey]
    done = muniment("verify", things / "log", *keys, "--json")
    assert done.returncode == 0, done.stdout
    assert json.loads(done.stdout)["vkeys"] == [older.vkey, world.vkey]
    done = muniment("verify", things / "log", *keys, "--vkey", COSIGNER.vkey)
    assert done.returncode == 2
    done = muniment("verify", things / "log", "--vkey", older.vkey)
    assert done.returncode == 1


def test_a_policy_stands_for_the_key_and_demands_witnesses(
    muniment: Muniment, things: Path, world: World, tmp_path: Path
) -> None:
    policy = tmp_path / "policy"
    policy.write_text(f"log {world.vkey}\nwitness w1 {COSIGNER.vkey}\nquorum w1\n")
    done = muniment("verify", things / "log", "--policy", policy)
    assert done.returncode == 1
    assert "too few witnesses" in done.stdout
    seen = write_log(tmp_path / "seen", world.leaves, world.log, witnesses=[COSIGNER])
    done = muniment("verify", seen, "--policy", policy)
    assert done.returncode == 0, done.stdout
    assert "cosigned by w1" in done.stdout
    assert "different history" not in done.stdout
    policy.write_text("quorum w1\n")
    done = muniment("verify", seen, "--policy", policy)
    assert done.returncode == 2
    assert "line 1" in done.stderr


def test_timestamps_are_looked_at_with_their_authority(
    muniment: Muniment, world: World, tmp_path: Path
) -> None:
    log = write_log(tmp_path / "log", world.leaves, world.log)
    authority = TimestampAuthority(tmp_path / "tsa")
    token = authority.token((log / "checkpoints/14").read_bytes())
    write(log, "timestamps/14/clock.tst", token)
    done = muniment("verify", log, "--vkey", world.vkey, "--tsa-ca", authority.root_file)
    assert done.returncode == 0, done.stdout
    assert "1 timestamp, from 20" in done.stdout
    write(log, "timestamps/14/clock.tst", token[:-1])
    done = muniment("verify", log, "--vkey", world.vkey, "--tsa-ca", authority.root_file)
    assert done.returncode == 1
    assert "timestamps/14/clock.tst: " in done.stdout
    done = muniment("verify", log, "--vkey", world.vkey)
    assert done.returncode == 0
    assert "without --tsa-ca" in done.stdout


def test_the_statement_of_a_bundle_is_told_in_words(
    muniment: Muniment, things: Path, world: World
) -> None:
    done = muniment("verify", things / "bundle.json", "--vkey", world.vkey)
    assert re.search(
        r"^Leaf 5 of muniment\.test/log says version\.appeared about muniment://\S+/versions/2, "
        r"number 3 of its stream, at 20\S+Z\.$",
        done.stdout,
        re.MULTILINE,
    )


@pytest.mark.parametrize("name", ["report.pdf", "bundle.json", "000005.tlog-proof", "9.checkpoint"])
@pytest.mark.parametrize("damage", ["empty", "cut", "binary", "huge", "deep", "escapes"])
def test_hostile_files_end_in_a_sentence(
    muniment: Muniment, things: Path, world: World, tmp_path: Path, name: str, damage: str
) -> None:
    content = (things / name).read_bytes()
    path = tmp_path / name
    damaged = {
        "empty": b"",
        "cut": content[: len(content) // 2],
        "binary": content[:5] + bytes(range(256)) * 100,
        "deep": b"[" * 100_000 if name == "report.pdf" else b'{"a":' * 100_000,
    }
    if damage == "huge":
        with path.open("wb") as stream:
            stream.write(content[:40].ljust(40, b"x"))
            stream.truncate(600_000_000)
    elif damage == "escapes":
        path.write_bytes(b"\x1b[31m\n\n\xe2\x80\x94 \x1b[31m AAAA\n")
    else:
        path.write_bytes(damaged[damage])
    arguments = [path, path] if name == "9.checkpoint" else [path]
    done = muniment("verify", *arguments, "--vkey", world.vkey)
    assert done.returncode == 1
    assert done.stderr == ""
    assert "\x1b" not in done.stdout
    assert "DO NOT RELY ON " in done.stdout


def test_progress_is_for_terminals_and_for_what_takes_long(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Progress("entries") as progress:
        progress.tell(1, 2)
    assert capsys.readouterr().err == ""
    leader, follower = pty.openpty()
    with os.fdopen(leader, "rb", buffering=0) as screen, os.fdopen(follower, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        with Progress("quick") as progress:
            progress.tell(1, 2)
        now = [0.0]
        monkeypatch.setattr("muniment.cli.output.time.monotonic", lambda: now[0])
        with Progress("entries") as progress:
            for done in (100, 200, 300):
                now[0] += 1.1
                progress.tell(done, 400)
        terminal.write("the end")
        terminal.flush()
        shown = ""
        while not shown.endswith("the end"):
            shown += screen.read(1000).decode()
    assert "quick" not in shown
    assert "entries 100 " not in shown
    assert "\rentries 200 of 400 (50 %)" in shown
    assert shown.endswith("\r\x1b[Kthe end")


def test_what_a_command_loads_is_what_it_needs() -> None:
    """The help of a command whose parts are heavy comes at once."""
    code = "import sys, muniment.cli.verify; print('cryptography' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


def test_every_option_is_on_the_page() -> None:
    page = (ROOT / "docs" / "verify.md").read_text("utf-8")
    action = next(item for item in _parser()._actions if hasattr(item, "choices") and item.choices)
    options = {
        option
        for item in action.choices["verify"]._actions  # type: ignore[index, call-overload, union-attr]
        for option in item.option_strings
        if option.startswith("--") and option != "--help"
    }
    assert {"--vkey", "--policy", "--log", "--json"} <= options
    assert not [option for option in options if option not in page]
