"""The state folder of one instance: its layout, lock, secrets and ports."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from config.embedded.errors import HomeInUse, HomeUnusable

# Below the range that Linux and macOS hand out for outgoing connections, so that a port which is
# remembered between two runs is seldom taken by one.
_FIRST_PORT, _LAST_PORT = 20_000, 31_999
_PORT_TRIES = 200
_LEFTOVERS_SECONDS = 30.0

_FOLDERS = (
    "keys",
    "logs",
    "mlflow",
    "mlflow/artifacts",
    "postgres",
    "redis",
    "run",
    "secrets",
    "static",
)


class Home:
    """One instance's state folder (`MUNIMENT_HOME`), mode 700, held by one process at a time.

    Used as a context manager: entering makes the layout and takes the lock.

    Args:
        path: the folder; made when missing. Parents that exist keep their mode.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().resolve()
        self._lock: int | None = None
        self._reservations: dict[str, socket.socket] = {}
        self._claimed: dict[str, int] = {}

    def __enter__(self) -> Self:
        self.path.mkdir(parents=True, exist_ok=True)
        _make_private_folder(self.path)
        self._take_lock()
        for folder in _FOLDERS:
            (self.path / folder).mkdir(exist_ok=True)
            _make_private_folder(self.path / folder)
        return self

    def __exit__(self, *_: object) -> None:
        for name in list(self._reservations):
            self.release_port(name)
        if self._lock is not None:
            os.close(self._lock)  # the lock goes with the descriptor, also after a kill -9
            self._lock = None

    @property
    def keys(self) -> Path:
        """Private keys and the public keyring."""
        return self.path / "keys"

    @property
    def logs(self) -> Path:
        """One log file a service."""
        return self.path / "logs"

    @property
    def run(self) -> Path:
        """What may be thrown away between two runs."""
        return self.path / "run"

    @property
    def static(self) -> Path:
        """Stays empty: whatever was collected in the checkout is not served."""
        return self.path / "static"

    def secret(self, name: str, make: Callable[[], str] = lambda: secrets.token_urlsafe(32)) -> str:
        """Return the secret kept in `secrets/<name>` (mode 600), made on first use."""
        path = self.secret_file(name, make)
        return path.read_text(encoding="utf-8")

    def secret_file(
        self, name: str, make: Callable[[], str] = lambda: secrets.token_urlsafe(32)
    ) -> Path:
        """Return the file of that secret, made on first use."""
        path = self.path / "secrets" / name
        create_private_file(path, lambda: make().encode())
        return path

    def claim_port(self, name: str) -> int:
        """Return a free port of 127.0.0.1 for a service: the remembered one if it is still free.

        The port stays reserved (bound, not listening) until `release_port`, so that nothing else
        takes it between the choice and the service's start.

        Raises:
            HomeUnusable: no free port was found.
        """
        if name in self._claimed:
            return self._claimed[name]
        ports_file = self.run / "ports.json"
        remembered = _read_ports(ports_file)
        wanted = [remembered[name]] if name in remembered else []
        spread = _LAST_PORT - _FIRST_PORT + 1
        wanted += [_FIRST_PORT + secrets.randbelow(spread) for _ in range(_PORT_TRIES)]
        for port in wanted:
            reservation = _bind(port)
            if reservation is None:
                continue
            self._reservations[name] = reservation
            self._claimed[name] = port
            write_private_file(
                ports_file, json.dumps({**remembered, name: port}, sort_keys=True).encode()
            )
            return port
        raise HomeUnusable(f"no free port found for {name} on 127.0.0.1")

    def release_port(self, name: str) -> None:
        """Free a reserved port for the service that is about to listen on it."""
        reservation = self._reservations.pop(name, None)
        if reservation is not None:
            reservation.close()

    @property
    def lock_descriptors(self) -> tuple[int, ...]:
        """The descriptor that holds the lock, to be handed to who must hold it on."""
        return () if self._lock is None else (self._lock,)

    def _take_lock(self) -> None:
        descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + _LEFTOVERS_SECONDS
        while not _try_lock(descriptor):
            holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
            # Where the holder is dead, what it left behind is being stopped at this moment.
            if _is_running(holder) or time.monotonic() > deadline:
                os.close(descriptor)
                raise HomeInUse(
                    f"{self.path} is in use by another running instance (process "
                    f"{holder or 'unknown'}). Stop that one first, or set MUNIMENT_HOME to "
                    "another folder to run a second beside it."
                )
            time.sleep(0.1)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._lock = descriptor


def create_private_file(path: Path, make: Callable[[], bytes]) -> bool:
    """Write a mode-600 file unless it is there already; return whether it was written.

    A file that exists is never replaced, and no other process ever sees a half-written one.
    """
    if path.exists():
        return False
    temporary = _write_temporary(path, make())
    try:
        os.link(temporary, path)  # fails where rename would replace
    except FileExistsError:
        return False
    finally:
        temporary.unlink()
    return True


def write_private_file(path: Path, content: bytes) -> None:
    """Write a mode-600 file in one step, replacing what was there."""
    _write_temporary(path, content).replace(path)


def _write_temporary(path: Path, content: bytes) -> Path:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return temporary


def _make_private_folder(path: Path) -> None:
    if path.is_symlink() or not path.is_dir():
        raise HomeUnusable(f"{path} is not a folder")
    if path.stat().st_uid != os.geteuid():
        raise HomeUnusable(f"{path} belongs to another user: the state folder must be your own")
    path.chmod(0o700)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_running(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True


def _read_ports(path: Path) -> dict[str, int]:
    if not path.is_file():
        return {}
    try:
        ports = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return {}  # only a convenience is lost: other ports are chosen
    return {name: port for name, port in ports.items() if isinstance(port, int)}


def _bind(port: int) -> socket.socket | None:
    # Exclusive first. With SO_REUSEADDR a listener still refuses us, but connections of our own
    # last run that linger in TIME_WAIT do not, and the address stays what people bookmarked.
    for reuse in (False, True):
        reservation = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if reuse:
            reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            reservation.bind(("127.0.0.1", port))
        except OSError:
            reservation.close()
        else:
            return reservation
    return None
