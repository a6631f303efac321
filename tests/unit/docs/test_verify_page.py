"""Every command of docs/verify.md, run as it stands there; its output beside the page's."""

from __future__ import annotations

import os
import re
import shlex
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
from muniment.attest.proof import format_proof
from tests.timestamp_authority import TimestampAuthority
from tests.unit.attest.test_note import COSIGNER
from tests.unit.docs.pages import DOCS, ROOT, fenced, read
from tests.unit.verify.log_folder import checkpoint, write, write_log
from tests.unit.verify.world import World, make_world

PAGE = read(DOCS / "verify.md")
COMMANDS = [body.strip() for body in fenced(PAGE, "sh")]
ADDRESS = "https://muniment.example"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def desk(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An auditor's folder, with the names that the page uses."""
    folder = tmp_path_factory.mktemp("desk")
    leaves, log = world.leaves, world.log
    write_log(folder / "log", leaves, log, earlier=[2, 9], witnesses=[COSIGNER])
    authority = TimestampAuthority(tmp_path_factory.mktemp("tsa"))
    token = authority.token((folder / "log/checkpoints/9").read_bytes())
    write(folder, "log/timestamps/9/1.tst", token)
    (folder / "authority.pem").write_bytes(authority.root_pem)
    note, hashes = world.checkpoint(), [leaf_hash(leaf) for leaf in leaves]
    entries = []
    for leaf in (5, 0, 1):
        proof = format_proof(leaf, inclusion_proof(hashes, leaf), note)
        entries.append(LoggedEntry(leaf, leaves[leaf], proof.decode()))
    (folder / "report.pdf").write_bytes(world.report())
    (folder / "bundle.json").write_bytes(build_bundle(note, entries))
    (folder / "000005.dsse.json").write_bytes(entries[0].envelope)
    (folder / "000005.tlog-proof").write_text(entries[0].proof)
    for name in ("kept", "theirs"):
        (folder / f"{name}.checkpoint").write_bytes(checkpoint(leaves, log, 9))
    (folder / "policy.txt").write_text(f"log {world.vkey}\nwitness w1 {COSIGNER.vkey}\nquorum w1\n")
    return folder


@pytest.fixture(scope="module")
def address(desk: Path) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

    listener = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(desk)))
    thread = threading.Thread(target=listener.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.server_port}"
    listener.shutdown()
    listener.server_close()
    thread.join()


def run(command: str, desk: Path, world: World, address: str) -> subprocess.CompletedProcess[str]:
    program, *arguments = shlex.split(command.replace('"$VKEY"', shlex.quote(world.vkey)))
    assert program == "muniment"
    return subprocess.run(
        [sys.executable, "-m", "muniment", *(item.replace(ADDRESS, address) for item in arguments)],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8"},
        cwd=desk,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_there_is_a_command_for_each_kind_of_thing() -> None:
    assert len(COMMANDS) >= 10
    assert len(shown_outputs()) == PAGE.count("```text\n") == 2
    assert len(set(COMMANDS)) == len(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_runs_and_holds(command: str, desk: Path, world: World, address: str) -> None:
    done = run(command, desk, world, address)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    assert done.stdout.endswith("All of it holds.\n")


def shown_outputs() -> list[tuple[str, str]]:
    """Return each command that has its output below it."""
    found = re.findall(r"```sh\n([^`]+)\n```\n\n```text\n(.+?)```", PAGE, flags=re.DOTALL)
    return list(found)


@pytest.mark.parametrize(("command", "output"), shown_outputs())
def test_what_is_shown_is_what_is_printed(
    command: str, output: str, desk: Path, world: World, address: str
) -> None:
    """An ellipsis stands for some text; alone on its line, for some lines."""
    pattern = "".join(
        "(?:.+\n)+?" if line == "…" else ".*".join(map(re.escape, line.split("…"))) + "\n"
        for line in output.splitlines()
    )
    assert re.fullmatch(pattern, run(command, desk, world, address).stdout)


@pytest.mark.parametrize(
    ("command", "status", "words"),
    [
        ('muniment verify kept.checkpoint log/checkpoint --vkey "$VKEY"', 1, "--log"),
        ('muniment verify absent --vkey "$VKEY"', 1, "No such file"),
        ("muniment verify log", 2, "--vkey"),
        ("muniment verify log --policy absent", 2, "cannot read"),
    ],
)
def test_the_other_exit_statuses_are_as_the_page_says(
    command: str, status: int, words: str, desk: Path, world: World, address: str
) -> None:
    done = run(command, desk, world, address)
    assert done.returncode == status
    assert words in done.stdout + done.stderr


def test_a_shorter_and_a_rewritten_log_fail_with_the_words_of_the_page(
    desk: Path, world: World, address: str
) -> None:
    write_log(desk / "short", world.leaves[:5], world.log)
    write_log(desk / "rewritten", [*world.leaves[:5], *world.leaves[6:]], world.log)
    for folder, word in (("short", "omitted tail"), ("rewritten", "fork")):
        assert f"`{word}`" in PAGE
        command = f'muniment verify {folder} --vkey "$VKEY" --checkpoint kept.checkpoint'
        done = run(command, desk, world, address)
        assert done.returncode == 1
        assert f"{word}: " in done.stdout
