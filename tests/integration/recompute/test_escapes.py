"""Hostile code tries to get out of the sandbox; outside, each of its attempts succeeds."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import socket
import stat
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any

import pytest

from lineage.recompute.users import DEFAULT_USERS
from tests.integration.recompute.workers import PYTHON, Worker

HOSTILE = Path(__file__).with_name("hostile.py")
SECRETS = {"MUNIMENT_SECRET_KEY": "of-the-environment-51a7", "DATABASE_URL": "postgres://x"}
IPC_KEY, IPC_CREAT, IPC_RMID = 0x4D756E69, 0o1000, 0
ADD_KEY, KEYCTL = {"x86_64": (248, 250), "aarch64": (217, 219)}[os.uname().machine]
# Outside an ordinary user cannot do this either, so that nothing is shown of the sandbox.
ONLY_ROOT = {
    *("be_root", "open_raw_socket", "make_system_writable", "make_device"),
    "change_kernel_settings",
}
ONLY_ORDINARY = {"run_setuid_program"}  # root is root already


@pytest.fixture
def targets(worker: Worker) -> Iterator[dict[str, Any]]:
    """What a host has that hostile code would like, all of it within the worker's reach."""
    with ExitStack() as stack:
        home = worker.folder("home")
        (home / "key").write_text("of-a-file-93c2")
        (home / "other-job").write_text("of-a-file-93c2")
        worker.own(home)
        tcp = stack.enter_context(closing(socket.create_server(("127.0.0.1", 0))))
        udp = stack.enter_context(closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)))
        udp.bind(("127.0.0.1", 0))
        threading.Thread(target=_answer, args=[udp], daemon=True).start()
        unix = stack.enter_context(closing(socket.socket(socket.AF_UNIX)))
        unix.bind(str(home / "socket"))
        (home / "socket").chmod(0o777)
        unix.listen()
        abstract = stack.enter_context(closing(socket.socket(socket.AF_UNIX)))
        abstract.bind(f"\0muniment-{os.getpid()}")
        abstract.listen()
        victim = stack.enter_context(
            subprocess.Popen(
                worker.command(str(PYTHON), "-c", "import time; 'victim'; time.sleep(600)")
            )
        )
        stack.callback(victim.kill)
        libc = ctypes.CDLL(None)
        memory = libc.shmget(IPC_KEY, 4096, IPC_CREAT | 0o666)
        stack.callback(libc.shmctl, memory, IPC_RMID, None)
        key_name = f"muniment-{os.getpid()}-{worker.kind}"
        key = libc.syscall(ADD_KEY, b"user", key_name.encode(), b"of-a-file-93c2", 14, -3)
        assert key > 0
        stack.callback(libc.syscall, KEYCTL, 3, key)  # revoked
        mounted = worker.folder("mounted")
        (mounted / "file").write_text("")
        worker.own(mounted)
        mounted.chmod(0o755)  # it is not its mode that keeps it as it is
        (mounted / "file").chmod(0o666)
        setuid = worker.place / "mounted" / "id"
        shutil.copy("/usr/bin/id", setuid)
        setuid.chmod(0o755 | stat.S_ISUID)
        worker.place.chmod(0o711)
        yield {
            "inside": False,
            "environment_secret": SECRETS["MUNIMENT_SECRET_KEY"],
            "file_secret": "of-a-file-93c2",
            "home": str(home),
            "key_file": str(home / "key"),
            "other_job": str(home / "other-job"),
            "written": str(home / "written"),
            "mounted_file": str(mounted / "file"),
            "tcp": tcp.getsockname()[1],
            "udp": udp.getsockname()[1],
            "addresses": _addresses(),
            "unix": str(home / "socket"),
            "abstract": f"muniment-{os.getpid()}",
            "victim": victim.pid,
            "key_name": key_name,
            "setuid": str(setuid),
        }


def test_every_attempt_to_get_out_fails(worker: Worker, targets: dict[str, Any]) -> None:
    inside = _try_inside(worker, targets)
    assert [name for name, said in inside.items() if said == "got"] == []
    assert len(inside) >= 20
    # Neither did it do harm without noticing.
    assert not Path(targets["written"]).exists()
    assert Path(targets["mounted_file"]).read_text() == ""


def test_outside_the_same_attempts_succeed(worker: Worker, targets: dict[str, Any]) -> None:
    outside = _try_outside(worker, targets)
    left_out = (ONLY_ROOT if worker.uid else ONLY_ORDINARY) | (
        set() if os.geteuid() == 0 else ONLY_ORDINARY
    )
    failed = {name: said for name, said in outside.items() if said != "got"}
    assert set(failed) <= left_out, failed


def test_two_jobs_at_once_do_not_share_a_user_with_the_worker_or_each_other(
    worker: Worker,
) -> None:
    with ExitStack() as stack:
        for name in ("one", "two"):
            job = stack.enter_context(
                worker.start(
                    {
                        "arguments": ["/bin/sh", "-c", "echo; sleep 600"],
                        "work": str(worker.folder(f"work-{name}")),
                        "announce": True,
                    }
                )
            )
            stack.callback(job.kill)
            assert job.stdout is not None
            assert job.stdout.readline() == "running\n"
        users = [_users_of(worker.place / f"work-{name}") for name in ("one", "two")]
    if worker.uid == 0:
        assert users[0].isdisjoint(users[1])
        assert all(len(one) == 1 and one <= set(DEFAULT_USERS) for one in users)
    else:
        assert users == [{worker.uid}, {worker.uid}]


def _users_of(work: Path) -> set[int]:
    """Return the users of what runs inside with a work folder, seen from the host."""
    users = set()
    for entry in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            mounted = (entry / "mountinfo").read_text()
            if entry.name.isdigit() and f"{work} /job " in mounted:
                users.add(int((entry / "status").read_text().partition("\nUid:")[2].split()[0]))
    return users


def _try_inside(worker: Worker, targets: dict[str, Any]) -> dict[str, str]:
    work = worker.folder("work")
    shutil.copy(HOSTILE, work)
    mounted = Path(targets["mounted_file"]).parent
    wanted = {
        **targets,
        "inside": True,
        "mounted_file": "/opt/mounted/file",
        "setuid": "/opt/mounted/id",
    }
    (work / "targets.json").write_text(json.dumps(wanted))
    worker.own(work)
    ended = worker.run(
        {
            "arguments": [str(PYTHON), "hostile.py", "targets.json"],
            "work": str(work),
            "mounts": {str(mounted): "/opt/mounted"},
            "inherit": targets["key_file"],
        },
        environment=SECRETS,
    )
    assert ended.succeeded, ended.last_lines
    said: dict[str, str] = json.loads(ended.last_lines)
    return said


def _try_outside(worker: Worker, targets: dict[str, Any]) -> dict[str, str]:
    work = worker.folder("work")
    shutil.copy(HOSTILE, work)
    (work / "targets.json").write_text(json.dumps(targets))
    worker.own(work)
    with Path(targets["key_file"]).open() as inherited:
        done = subprocess.run(
            worker.command(
                "sh",
                "-c",
                'cd "$1"; exec "$2" hostile.py targets.json',
                "x",
                str(work),
                str(PYTHON),
            ),
            env={"PATH": os.environ["PATH"], **SECRETS},
            pass_fds=[inherited.fileno()],
            capture_output=True,
            text=True,
            check=True,
        )
    said: dict[str, str] = json.loads(done.stdout)
    return said


def _answer(listening: socket.socket) -> None:
    with suppress(OSError):
        while True:
            _, asking = listening.recvfrom(16)
            listening.sendto(b"answer", asking)


def _addresses() -> list[str]:
    done = subprocess.run(["hostname", "-I"], capture_output=True, text=True, check=False)
    return done.stdout.split()
