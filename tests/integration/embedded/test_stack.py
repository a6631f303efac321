"""The parts together: side by side, each with its own secrets, nothing left behind."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
import redis as redis_client

from config.embedded import EmbeddedStack
from config.embedded.environments import common_environment
from config.embedded.errors import PartMissing

ROOT = Path(__file__).resolve().parents[3]
BOTH = ("postgres", "redis")


def answers(stack: EmbeddedStack) -> bool:
    with psycopg.connect(stack.addresses.database_url) as connection:
        row = connection.execute("SELECT 1").fetchone()
    with redis_client.Redis.from_url(stack.addresses.redis_url) as client:
        return row == (1,) and bool(client.ping())


def test_two_stacks_run_side_by_side(tmp_path: Path) -> None:
    with EmbeddedStack(tmp_path / "one", parts=BOTH) as one:
        with EmbeddedStack(tmp_path / "two", parts=BOTH) as two:
            assert answers(one)
            assert answers(two)
        assert answers(one)


def test_redis_asks_for_its_password_and_keeps_its_queue(tmp_path: Path) -> None:
    with EmbeddedStack(tmp_path / "home", parts=("redis",)) as stack:
        url = stack.addresses.redis_url
        nameless = "redis://" + url.rpartition("@")[2]
        with (
            redis_client.Redis.from_url(nameless) as client,
            pytest.raises(redis_client.AuthenticationError),
        ):
            client.ping()
        with redis_client.Redis.from_url(url) as client:
            client.rpush("queue", "task")
    with (
        EmbeddedStack(tmp_path / "home", parts=("redis",)) as stack,
        redis_client.Redis.from_url(stack.addresses.redis_url) as client,
    ):
        assert client.lrange("queue", 0, -1) == [b"task"]


def test_part_of_ones_own_is_used_and_not_started(tmp_path: Path) -> None:
    with EmbeddedStack(tmp_path / "theirs", parts=("redis",)) as theirs:
        url = theirs.addresses.redis_url
        with EmbeddedStack(tmp_path / "ours", parts=BOTH, overrides={"REDIS_URL": url}) as ours:
            assert list(ours.pids) == ["postgres"]
            assert ours.addresses.redis_url == url


def test_half_a_database_of_ones_own_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(PartMissing, match="MIGRATION_DATABASE_URL, SEQUENCER_DATABASE_URL is not"):
        EmbeddedStack(tmp_path / "home", overrides={"DATABASE_URL": "postgresql://x@y/z"})


def test_secrets_stand_on_no_command_line(postgres: EmbeddedStack, redis: EmbeddedStack) -> None:
    passwords = [path.read_bytes() for path in (postgres.home.path / "secrets").iterdir()]
    lines = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in postgres.pids.values()]
    assert len(passwords) >= 6
    assert len(lines) >= 2
    assert not any(password in line for password in passwords for line in lines)


def test_stray_settings_of_the_shell_reach_no_service() -> None:
    shell = {"PATH": "/bin", "DATABASE_URL": "x", "PYTHONPATH": "x", "AWS_SECRET_ACCESS_KEY": "x"}
    assert set(common_environment(shell)) == {"PATH", "NO_PROXY", "PYTHONUNBUFFERED"}


STARTING = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(ROOT)!r})
from config.embedded import EmbeddedStack
from config.embedded.supervisor import stopping_on_signals
home = Path(sys.argv[1])
with stopping_on_signals(), EmbeddedStack(home, parts=("postgres", "redis")) as stack:
    (home / "ready").touch()
    stack.wait()
"""


def processes_of(home: Path) -> list[str]:
    """Return the command lines that mention a state folder, and PostgreSQL's children."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                folder = str((entry / "cwd").readlink())
            except OSError:  # it has just ended
                continue
            if str(home) in line or folder.startswith(str(home)):
                found.append(f"{entry.name} {line}")
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_stack_leaves_no_process_and_goes_on_from_its_state(
    tmp_path: Path, number: signal.Signals
) -> None:
    home = tmp_path / "home"
    for _ in range(2):
        (home / "ready").unlink(missing_ok=True)
        with subprocess.Popen(
            [sys.executable, "-c", STARTING, str(home)], stderr=subprocess.DEVNULL
        ) as starting:
            await_condition((home / "ready").exists)
            assert len(processes_of(home)) >= 3
            starting.send_signal(number)
        # Begun again at once: what a killed one left is waited for, not stumbled over.
    await_condition(lambda: not processes_of(home))


def await_condition(condition: object) -> None:
    assert callable(condition)
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "waited for half a minute in vain"
        time.sleep(0.05)
