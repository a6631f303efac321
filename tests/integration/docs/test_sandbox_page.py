"""docs/sandbox.md says what is so."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from lineage.recompute.limits import GIB, MIB, Limits
from lineage.recompute.users import DEFAULT_USERS
from tests.integration.recompute.workers import KINDS, ROOT, Worker

PAGE = (ROOT / "docs/sandbox.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", KINDS)
def test_the_command_that_tries_it_by_hand_works(kind: str, tmp_path: Path) -> None:
    [line] = [line.strip() for line in PAGE.splitlines() if line.startswith("    bwrap ")]
    command = Worker(kind, tmp_path / "worker").command("sh", "-c", line)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout == "works\n", done.stderr


def test_the_limits_are_those_that_hold() -> None:
    limits = Limits()
    for said in (
        f"| memory | {limits.memory_bytes // GIB} GiB |",
        f"| time | {limits.wall_seconds / 3600:g} hour |",
        f"| processes | {limits.processes} |",
        f"| one file | {limits.file_bytes // GIB} GiB |",
        f"| the work folder | {limits.work_bytes // GIB} GiB, {limits.work_files:,} entries |",
        f"| output | {limits.output_bytes // MIB} MiB |",
        f"| `/tmp`, `/dev/shm` | {limits.scratch_bytes // MIB} MiB each |",
        f"a user from {DEFAULT_USERS[0]} to {DEFAULT_USERS[-1]}",
    ):
        assert said in PAGE
    assert shlex.split(re.findall(r"apt-get install (.*)", PAGE)[0])[:2] == ["bubblewrap", "git"]
