"""``muniment run`` is in nobody's way: terminal, signals, status, trainings that would work."""

from __future__ import annotations

import os
import pty
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.capture.conftest import Project

PYTHON = sys.executable
# Says when it can be reached, then counts what it is sent.
COUNTING = """\
import os, signal, sys, time
got = []
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP):
    signal.signal(number, lambda number, frame: got.append(number))
print("ready", sys.stdin.isatty(), sys.stdout.isatty(), flush=True)
deadline = time.monotonic() + 20
while not got and time.monotonic() < deadline:
    signal.sigtimedwait([], 0.01) if hasattr(signal, "sigtimedwait") else time.sleep(0.01)
time.sleep(0.2)  # a second one would come now
print("got", *got, flush=True)
sys.exit(7)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_that_are_sent_reach_the_command_once(
    number: signal.Signals, project: Project
) -> None:
    command, environment = project.command("--", PYTHON, "-c", COUNTING)
    with subprocess.Popen(
        command, cwd=project.folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        assert running.stdout is not None
        assert running.stdout.readline().startswith(b"ready")
        running.send_signal(number)
        rest = running.stdout.read()
        assert running.wait(timeout=20) == 7
    assert rest == f"got {number.value}\n".encode()


def test_ctrl_c_at_a_terminal_reaches_the_command_once(project: Project) -> None:
    command, environment = project.command("--", PYTHON, "-c", COUNTING)
    child, terminal = pty.fork()
    if child == 0:  # the new process: only what leads to exec
        os.chdir(project.folder)
        os.execve(command[0], command, environment)
    written = b""
    try:
        while b"ready" not in written:
            written += os.read(terminal, 4096)
        assert b"ready True True" in written
        os.write(terminal, b"\x03")
        while b"got" not in written or not written.endswith(b"\n"):
            written += os.read(terminal, 4096)
    finally:
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        os.close(terminal)
    assert f"got {signal.SIGINT.value}\r\n".encode() in written
    assert status == 7


def test_command_that_a_signal_ended_ends_us_by_the_same(project: Project) -> None:
    script = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    assert project.run("--", PYTHON, "-c", script).status == -signal.SIGKILL


@pytest.mark.parametrize(("program", "status"), [("no-such-program", 127), ("/etc/passwd", 126)])
def test_command_that_cannot_be_started_gives_what_shells_give(
    program: str, status: int, project: Project
) -> None:
    ended = project.run("--", program)
    assert ended.status == status
    assert program in ended.said


def test_descriptors_that_are_open_are_the_commands_too(project: Project, tmp_path: Path) -> None:
    path = tmp_path / "given"
    path.write_text("given")
    with path.open() as given:
        number = given.fileno()
        command, environment = project.command(
            "--", PYTHON, "-c", f"import os; print(os.read({number}, 5))"
        )
        done = subprocess.run(
            command,
            cwd=project.folder,
            env=environment,
            pass_fds=(number,),
            capture_output=True,
            text=True,
            check=True,
        )
    assert done.stdout == "b'given'\n"


WORKS = "print('worked')"


def test_training_works_where_mlflow_is_away(project: Project) -> None:
    project.environment["MLFLOW_TRACKING_URI"] = "http://127.0.0.1:9"
    ended = project.run("--", PYTHON, "-c", WORKS)
    assert (ended.status, ended.output) == (0, "worked\n")
    assert "lineage was not recorded" in ended.said


def test_training_works_where_git_is_not(project: Project, without_git: str) -> None:
    project.environment["PATH"] = without_git
    ended = project.run("--", PYTHON, "train.py")
    assert ended.status == 0
    file = project.lineage(ended.run_id)
    assert file.code.commit == ""
    assert any("git is not installed" in fault.sentence for fault in file.faults)
    assert "git is not installed" in ended.said


def test_training_works_outside_of_a_repository(project: Project, tmp_path: Path) -> None:
    elsewhere = Project(
        tmp_path / "elsewhere", project.mlflow_url, {"GIT_CEILING_DIRECTORIES": "/"}
    )
    elsewhere.folder.mkdir()
    (elsewhere.folder / "train.py").write_bytes((project.folder / "train.py").read_bytes())
    ended = elsewhere.run("--", PYTHON, "train.py")
    assert ended.status == 0
    file = elsewhere.lineage(ended.run_id)
    assert (file.code.commit, file.code.remote, file.code.is_dirty) == ("", "", None)
    assert "not a git repository" in " ".join(fault.sentence for fault in file.faults)


def test_training_works_where_data_cannot_be_read(project: Project) -> None:
    for what in ("no-such.csv", "s3://127.0.0.1:9/x"):
        ended = project.run("--data", f"training={what}", "--", PYTHON, "train.py")
        assert ended.status == 0
        file = project.lineage(ended.run_id)
        assert file.datasets == ()
        assert any(
            f"The data set {what} is not recorded" in fault.sentence for fault in file.faults
        )


def test_training_works_where_the_run_context_is_no_json(project: Project) -> None:
    project.environment["MLFLOW_RUN_CONTEXT"] = "{"
    ended = project.run("--", PYTHON, "train.py")
    assert ended.status == 0
    assert project.lineage(ended.run_id).mode == "run"


def test_no_file_is_left_behind(project: Project, tmp_path: Path) -> None:
    place = tmp_path / "temporary"
    place.mkdir()
    project.environment["TMPDIR"] = str(place)
    ended = project.run("--", PYTHON, "train.py")
    assert ended.status == 0
    assert list(place.iterdir()) == []
    assert project.git("status", "--porcelain") == ""


def test_it_costs_little(project: Project) -> None:
    """In processor time, which others' load does not change much; to import MLflow takes more."""
    bare = [PYTHON, "train.py"]
    _, environment = project.command()

    def seconds() -> float:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    before = seconds()
    subprocess.run(bare, cwd=project.folder, env=environment, capture_output=True, check=True)
    between = seconds()
    assert project.run("--", *bare).status == 0
    added = (seconds() - between) - (between - before)
    assert 0 < added < 2.0
