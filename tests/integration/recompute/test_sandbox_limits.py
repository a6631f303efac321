"""What a program in the sandbox may use; each limit is met by a program that would go on."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from lineage.recompute.limits import MIB, Why
from tests.integration.recompute.workers import PYTHON, Worker

MEMORY_BOMB = """
import os, time
size, shares = %d, %d
for _ in range(shares - 1):
    if os.fork() == 0:
        break
held = bytearray(os.urandom(4096)) * (size // 4096)
print("held", flush=True)
time.sleep(60 if %d else 0)
"""
FORK_BOMB = """
import os
made = 0
try:
    while True:
        if os.fork() == 0:
            os.read(os.open("/proc/self/fd/0", 0), 1)
            import time; time.sleep(60)
        made += 1
except BlockingIOError:
    print("made", made, flush=True)
"""
MANY_FILES = """
import itertools
for number in itertools.count():
    open(f"/job/{number}", "w").write("x" * 1_000_000)
"""
DEEP = """
import os
made = []
while %s:
    os.mkdir("d"); os.chdir("d"); made.append("d")
"""
DAEMON = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        print("daemon", flush=True)
        time.sleep(600)
    os._exit(0)
time.sleep(0.3)
"""


def test_what_a_program_writes_and_its_status_come_back(worker: Worker) -> None:
    ended = worker.run(
        {
            "arguments": ["/bin/sh", "-c", "printf '\\033[31mred\\033[0m\\n'; echo $WHO; exit 7"],
            "work": str(worker.folder("work")),
            "environment": {"WHO": "me"},
        }
    )
    assert (ended.why, ended.exit_status, ended.last_lines) == (Why.EXITED, 7, "red\nme\n")
    assert not ended.succeeded


@pytest.mark.parametrize(
    ("program", "limits", "why"),
    [
        pytest.param("import time; time.sleep(60)", {"wall_seconds": 0.5}, Why.OUT_OF_TIME),
        pytest.param("while True: print('x' * 1000)", {"output_bytes": MIB}, Why.TOO_MUCH_OUTPUT),
        pytest.param(
            MEMORY_BOMB % (400 * MIB, 1, True), {"memory_bytes": 300 * MIB}, Why.OUT_OF_MEMORY
        ),
        pytest.param(
            MEMORY_BOMB % (100 * MIB, 4, True), {"memory_bytes": 300 * MIB}, Why.OUT_OF_MEMORY
        ),
        pytest.param(
            "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_DFL)\n"
            "open('/job/big', 'wb').write(bytes(40_000_000))",
            {"file_bytes": 20 * MIB},
            Why.TOO_MUCH_WRITTEN,
        ),
        pytest.param(MANY_FILES, {"work_bytes": 50 * MIB}, Why.TOO_MUCH_WRITTEN),
        pytest.param(
            "for n in range(10**9): open(f'/job/{n}', 'w')",
            {"work_files": 1000},
            Why.TOO_MUCH_WRITTEN,
        ),
        pytest.param(DEEP % "True", {}, Why.TOO_MUCH_WRITTEN),
        pytest.param(DEEP % "len(made) < 1500", {}, Why.TOO_MUCH_WRITTEN),
        pytest.param(
            "open('/job/big', 'wb').write(bytes(40_000_000))",
            {"work_bytes": 20 * MIB},
            Why.TOO_MUCH_WRITTEN,
        ),
    ],
    ids=[
        *("sleeps", "writes output", "memory of one", "memory of four"),
        *(
            "one large file",
            "many files",
            "empty files",
            "deep folders",
            "deep folders at once",
            "at once",
        ),
    ],
)
def test_a_program_that_goes_beyond_a_limit_is_ended_and_the_limit_named(
    program: str, limits: dict[str, float], why: Why, worker: Worker
) -> None:
    started = time.monotonic()
    ended = worker.run(
        {
            "arguments": [str(PYTHON), "-c", program],
            "work": str(worker.folder("work")),
            "limits": {"wall_seconds": 30} | limits,
        }
    )
    assert ended.why is why
    assert time.monotonic() - started < 15


def test_a_program_within_its_limits_comes_to_its_own_end(worker: Worker) -> None:
    ended = worker.run(
        {
            "arguments": [str(PYTHON), "-c", MEMORY_BOMB % (100 * MIB, 1, False)],
            "work": str(worker.folder("work")),
            "limits": {"memory_bytes": 300 * MIB, "output_bytes": MIB, "work_bytes": 50 * MIB},
        }
    )
    assert ended.succeeded
    assert ended.last_lines == "held\n"


def test_processes_and_scratch_memory_run_out_inside_and_nowhere_else(worker: Worker) -> None:
    fill = "open('/dev/shm/x', 'wb').write(bytes(40_000_000))"
    for program, said in (
        (FORK_BOMB, "made 18\n"),  # the program itself, and what watches over it, count too
        (fill, "OSError: [Errno 28] No space left on device\n"),
        (fill.replace("/dev/shm", "/tmp"), "OSError: [Errno 28] No space left on device\n"),
        (fill.replace("/dev/shm", "/dev"), "Read-only file system: '/dev/x'\n"),
        (fill.replace("/dev/shm", ""), "Read-only file system: '/x'\n"),
    ):
        ended = worker.run(
            {
                "arguments": [str(PYTHON), "-c", program],
                "work": str(worker.folder(f"work-{abs(hash((program, said)))}")),
                "limits": {"wall_seconds": 20, "processes": 20, "scratch_bytes": 20 * MIB},
            }
        )
        assert ended.why is Why.EXITED
        assert ended.last_lines.endswith(said)


def test_a_program_cannot_raise_its_limits(worker: Worker) -> None:
    program = """
import resource as r
for limit in (r.RLIMIT_NPROC, r.RLIMIT_FSIZE, r.RLIMIT_CPU, r.RLIMIT_AS, r.RLIMIT_CORE):
    try:
        r.setrlimit(limit, (r.RLIM_INFINITY, r.RLIM_INFINITY))
        print("raised", limit)
    except (ValueError, PermissionError):
        pass
print(r.getrlimit(r.RLIMIT_NPROC), r.getrlimit(r.RLIMIT_FSIZE), r.getrlimit(r.RLIMIT_CORE))
"""
    ended = worker.run(
        {
            "arguments": [str(PYTHON), "-c", program],
            "work": str(worker.folder("work")),
            "limits": {"processes": 40, "file_bytes": 5000},
        }
    )
    assert ended.last_lines == "(40, 40) (5000, 5000) (1, 1)\n"


def test_a_job_that_is_cancelled_ends_with_all_that_it_started(worker: Worker) -> None:
    ended = worker.run(
        {
            "arguments": [str(PYTHON), "-c", DAEMON + "time.sleep(60)"],
            "work": str(worker.folder("work")),
            "cancel_after": 0.5,
        }
    )
    assert ended.why is Why.CANCELLED
    assert _running_in(worker) == []


def test_a_daemon_does_not_outlive_the_program(worker: Worker) -> None:
    ended = worker.run(
        {"arguments": [str(PYTHON), "-c", DAEMON], "work": str(worker.folder("work"))}
    )
    assert (ended.why, ended.exit_status) == (Why.EXITED, 0)
    assert ended.last_lines == "daemon\n"
    assert _running_in(worker) == []


def test_a_worker_that_is_killed_leaves_no_orphan(worker: Worker) -> None:
    order = {
        "arguments": [str(PYTHON), "-c", DAEMON + "time.sleep(600)"],
        "work": str(worker.folder("work")),
        "announce": True,
    }
    with worker.start(order) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n"
        assert _running_in(worker) != []
        process.send_signal(signal.SIGKILL)
    ends = time.monotonic() + 5
    while _running_in(worker) and time.monotonic() < ends:
        time.sleep(0.02)
    assert _running_in(worker) == []


def _running_in(worker: Worker) -> list[int]:
    """Return what runs with the worker's folder as its work folder, seen from the host."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                mounted = (entry / "mountinfo").read_text(encoding="utf-8")
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if f"{worker.place}/work" in mounted and b"-c" in command:
                found.append(int(entry.name))
    return found
