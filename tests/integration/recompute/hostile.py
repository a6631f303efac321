"""Tries to get out: run inside the sandbox, and outside to show that each attempt works there.

    hostile.py TARGETS.json

Prints one JSON object: the name of each attempt → ``got`` where it succeeded, else what stopped it.
The standard library alone.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWUSER, CLONE_NEWNS, MS_REMOUNT, MS_BIND = 0x10000000, 0x20000, 32, 4096
PTRACE_ATTACH, PTRACE_DETACH = 16, 17
IPC_KEY = 0x4D756E69
KEYCTL = {"x86_64": 250, "aarch64": 219}[os.uname().machine]
ATTEMPTS: dict[str, Callable[[Any], bool]] = {}


def attempt(function: Callable[[Any], bool]) -> Callable[[Any], bool]:
    ATTEMPTS[function.__name__] = function
    return function


def checked(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def holds_secret(path: Path, secret: str) -> bool:
    with suppress(OSError):
        return secret.encode() in path.read_bytes()
    return False


def processes() -> list[Path]:
    return [path for path in Path("/proc").iterdir() if path.name.isdigit()]


@attempt
def read_environments(wanted: Any) -> bool:
    """Of the worker, of the parent, of the first process, of any other."""
    return any(
        holds_secret(path / name, wanted["environment_secret"])
        for path in processes()
        for name in ("environ", "cmdline")
    )


@attempt
def read_key_file(wanted: Any) -> bool:
    return holds_secret(Path(wanted["key_file"]), wanted["file_secret"])


@attempt
def read_key_file_through_another_process(wanted: Any) -> bool:
    return any(
        holds_secret(path / way / wanted["key_file"].lstrip("/"), wanted["file_secret"])
        for path in processes()
        for way in ("root", "cwd/../../../../../..")
    )


@attempt
def read_inherited_files(wanted: Any) -> bool:
    for number in range(3, 256):
        with suppress(OSError):
            os.lseek(number, 0, os.SEEK_SET)
            if wanted["file_secret"].encode() in os.read(number, 4096):
                return True
        with suppress(OSError):  # a folder of the host that was left open leads everywhere
            path = wanted["key_file"].lstrip("/")
            opened = os.open("../" * 20 + path, os.O_RDONLY, dir_fd=number)
            if wanted["file_secret"].encode() in os.read(opened, 4096):
                return True
    return False


@attempt
def read_other_job(wanted: Any) -> bool:
    return holds_secret(Path(wanted["other_job"]), wanted["file_secret"])


@attempt
def follow_link_in_work(wanted: Any) -> bool:
    link = Path(f"link-{os.getpid()}")
    link.symlink_to(wanted["key_file"])
    return holds_secret(link, wanted["file_secret"])


@attempt
def list_host_folder(wanted: Any) -> bool:
    return Path(wanted["home"], "key") in Path(wanted["home"]).iterdir()


@attempt
def write_host_file(wanted: Any) -> bool:
    with Path(wanted["written"]).open("a") as file:
        file.write("x")
    return True


@attempt
def write_interpreter(wanted: Any) -> bool:
    """Whoever runs it next would run it for us."""
    with Path(wanted["mounted_file"]).open("a") as file:
        file.write("x")
    return True


@attempt
def connect_tcp(wanted: Any) -> bool:
    """PostgreSQL, Redis, the web server: whatever listens."""
    for host in ("127.0.0.1", "localhost", *wanted["addresses"]):
        with suppress(OSError), socket.create_connection((host, wanted["tcp"]), timeout=1):
            return True
    return False


@attempt
def send_udp(wanted: Any) -> bool:
    """A question to a name server is one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.settimeout(1)
        sender.connect(("127.0.0.1", wanted["udp"]))
        sender.send(b"?")
        return sender.recv(16) == b"answer"


@attempt
def connect_unix_socket(wanted: Any) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(wanted["unix"])
        return True


@attempt
def connect_abstract_socket(wanted: Any) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect("\0" + wanted["abstract"])
        return True


@attempt
def signal_host_process(wanted: Any) -> bool:
    os.kill(wanted["victim"], 0)
    return holds_secret(Path(f"/proc/{wanted['victim']}/cmdline"), "victim")


@attempt
def trace_host_process(wanted: Any) -> bool:
    checked(libc.ptrace(PTRACE_ATTACH, wanted["victim"], None, None))
    os.waitpid(wanted["victim"], 0)
    libc.ptrace(PTRACE_DETACH, wanted["victim"], None, None)
    os.kill(wanted["victim"], signal.SIGCONT)
    return True


@attempt
def open_shared_memory(wanted: Any) -> bool:
    return checked(libc.shmget(IPC_KEY, 0, 0)) >= 0


@attempt
def read_keyring(wanted: Any) -> bool:
    """The one that the worker's session has, and those of its user."""
    for ring in (-3, -4, -5):
        key = libc.syscall(KEYCTL, 10, ring, b"user", wanted["key_name"].encode(), 0)
        content = ctypes.create_string_buffer(100)
        if key > 0 and libc.syscall(KEYCTL, 11, key, content, 100) > 0:
            return wanted["file_secret"].encode() in content.raw
    return False


@attempt
def make_user_namespace(wanted: Any) -> bool:
    """In one of its own a program is root, and reaches more of the kernel."""
    made = os.fork()
    if made == 0:
        os._exit(0 if libc.unshare(CLONE_NEWUSER) == 0 else 1)
    return os.waitpid(made, 0)[1] == 0


@attempt
def run_setuid_program(wanted: Any) -> bool:
    """A copy of `id` that is root's and would run as root."""
    done = subprocess.run([wanted["setuid"], "-u"], capture_output=True, text=True, check=False)
    return done.stdout.strip() == "0"


@attempt
def be_root(wanted: Any) -> bool:
    os.setuid(0)
    return holds_secret(Path("/etc/shadow"), "root:")


@attempt
def open_raw_socket(wanted: Any) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP):
        return True


@attempt
def make_system_writable(wanted: Any) -> bool:
    """Outside it is this folder, mounted where nobody else sees it."""
    made = os.fork()
    if made == 0:
        done = libc.unshare(CLONE_NEWNS) or libc.mount(b".", b".", None, MS_BIND, None)
        place = b"/usr" if wanted["inside"] else bytes(Path.cwd())
        if wanted["inside"] or done == 0:
            done = libc.mount(None, place, None, MS_REMOUNT | MS_BIND, None)
        os._exit(0 if done == 0 else 1)
    return os.waitpid(made, 0)[1] == 0


@attempt
def make_device(wanted: Any) -> bool:
    name = Path(f"device-{os.getpid()}")
    os.mknod(name, 0o600 | 0o020000, os.makedev(1, 1))
    name.unlink()
    return True


@attempt
def change_kernel_settings(wanted: Any) -> bool:
    os.close(os.open("/proc/sys/kernel/core_pattern", os.O_WRONLY))
    return True


def main() -> None:
    wanted = json.loads(Path(sys.argv[1]).read_text())
    said = {}
    for name, function in ATTEMPTS.items():
        try:
            said[name] = "got" if function(wanted) else "nothing"
        except (OSError, PermissionError) as error:
            said[name] = error.strerror or str(error)
    print(json.dumps(said))


main()
