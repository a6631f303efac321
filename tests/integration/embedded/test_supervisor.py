"""The supervisor: what it started ends with it, however either of them ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from config.embedded.errors import ServiceFailed
from config.embedded.progress import Progress
from config.embedded.supervisor import Service, Supervisor

ROOT = Path(__file__).resolve().parents[3]
PATIENCE_SECONDS = 20.0


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    with Supervisor(logs=tmp_path, progress=Progress(None)) as running:
        yield running


def service(folder: Path, name: str, program: str, **changes: object) -> Service:
    """Return a service that writes its pid to `<name>.pid` once `program` lets it."""
    pid_file = folder / f"{name}.pid"
    values: dict[str, object] = {
        "name": name,
        "title": name,
        "command": (sys.executable, "-c", textwrap.dedent(program), str(pid_file)),
        "environment": {"PATH": os.environ["PATH"]},
        "is_ready": pid_file.exists,
        "cwd": folder,
        "grace_seconds": 5.0,
        **changes,
    }
    return Service(**values)  # type: ignore[arg-type]


PATIENT = """
    import os, pathlib, sys, time
    pathlib.Path(sys.argv[1]).write_text(str(os.getpid()))
    time.sleep(600)
"""
DEAF = """
    import os, pathlib, signal, subprocess, sys, time
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    path = pathlib.Path(sys.argv[1])
    path.with_suffix(".child").write_text(str(child.pid))
    path.write_text(str(os.getpid()))
    time.sleep(600)
"""


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


def pid_in(path: Path) -> int:
    return int(path.read_text())


def test_services_stop_in_reverse_order(tmp_path: Path) -> None:
    said: list[str] = []

    class Noted(Progress):
        def say(self, text: str) -> None:
            said.append(text)

    with Supervisor(logs=tmp_path, progress=Noted(None)) as supervisor:
        supervisor.start(service(tmp_path, "first", PATIENT))
        supervisor.start(service(tmp_path, "second", PATIENT))
        pids = supervisor.pids
    assert said[-1] == "stopping second, first"
    assert not any(is_alive(pid) for pid in pids.values())


def test_service_that_ignores_the_signal_is_killed_with_what_it_started(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    supervisor.start(service(tmp_path, "deaf", DEAF, grace_seconds=0.3))
    leader, child = pid_in(tmp_path / "deaf.pid"), pid_in(tmp_path / "deaf.child")
    supervisor.stop("deaf")
    assert not is_alive(leader)
    assert eventually(lambda: not is_alive(child))


def test_stopping_one_leaves_the_other_and_it_can_be_started_again(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    one, other = service(tmp_path, "one", PATIENT), service(tmp_path, "other", PATIENT)
    supervisor.start(one)
    supervisor.start(other)
    supervisor.stop("one")
    assert list(supervisor.pids) == ["other"]
    assert is_alive(supervisor.pids["other"])
    supervisor.start(one)
    assert is_alive(supervisor.pids["one"])


def test_service_that_dies_is_noticed_and_its_last_words_are_shown(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    program = "import sys; print('the disk is full'); sys.exit(3)"
    with pytest.raises(ServiceFailed, match=r"(?s)exit status 3.*the disk is full") as raised:
        supervisor.start(service(tmp_path, "poor", program))
    assert raised.value.service == "poor"


def test_service_that_is_killed_later_is_noticed(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start(service(tmp_path, "one", PATIENT))
    os.kill(supervisor.pids["one"], signal.SIGKILL)
    with pytest.raises(ServiceFailed, match=r"ended by itself \(signal 9\)"):
        supervisor.wait()


def test_service_that_never_gets_ready_is_given_up(supervisor: Supervisor, tmp_path: Path) -> None:
    slow = service(tmp_path, "slow", PATIENT, is_ready=lambda: False, ready_timeout_seconds=0.5)
    with pytest.raises(ServiceFailed, match="did not become ready"):
        supervisor.start(slow)


def test_service_gets_no_environment_but_its_own(
    supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_STRAY_SECRET", "x")
    supervisor.start(service(tmp_path, "one", PATIENT))
    environ = Path(f"/proc/{supervisor.pids['one']}/environ").read_bytes()
    assert b"A_STRAY_SECRET" not in environ
    assert b"PATH=" in environ


SUPERVISING = f"""
import sys, time
from pathlib import Path
sys.path.insert(0, {str(ROOT)!r})
from config.embedded.progress import Progress
from config.embedded.supervisor import Service, Supervisor, stopping_on_signals
folder = Path(sys.argv[1])
with stopping_on_signals(), Supervisor(logs=folder, progress=Progress(None)) as supervisor:
    supervisor.start(Service(
        name="deaf", title="deaf", environment={{}}, cwd=folder, grace_seconds=0.5,
        command=(sys.executable, "-c", {textwrap.dedent(DEAF)!r}, str(folder / "deaf.pid")),
        is_ready=(folder / "deaf.pid").exists))
    (folder / "ready").touch()
    supervisor.wait()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_no_process_is_left_however_the_supervisor_ends(
    tmp_path: Path, number: signal.Signals
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SUPERVISING, str(tmp_path)],
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as supervising:
        assert eventually((tmp_path / "ready").exists)
        left = [pid_in(tmp_path / "deaf.pid"), pid_in(tmp_path / "deaf.child")]
        supervising.send_signal(number)
        supervising.wait(PATIENCE_SECONDS)
    assert eventually(lambda: not any(is_alive(pid) for pid in left))
