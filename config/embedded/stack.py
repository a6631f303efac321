"""All embedded parts together: what is started, in which order, with which addresses."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from config.embedded import roles
from config.embedded.environments import (
    Addresses,
    common_environment,
    governed_environment,
    instance_environment,
    role_environment,
)
from config.embedded.errors import EmbeddedError, PartMissing
from config.embedded.home import Home, write_private_file
from config.embedded.keys import InstanceKeys, make_keys
from config.embedded.mlflow import Mlflow
from config.embedded.packages import share_package_cache
from config.embedded.postgres import Postgres
from config.embedded.processes import BASE_DIR, beat_service, web_service, worker_services
from config.embedded.progress import Progress
from config.embedded.redis import Redis
from config.embedded.supervisor import Service, Supervisor

ALL_PARTS: Final[tuple[str, ...]] = (
    "postgres",
    "redis",
    "mlflow",
    "web",
    "worker",
    "recompute",
    "sequencer",
    "beat",
)
_DJANGO_PARTS: Final[tuple[str, ...]] = ("web", "worker", "recompute", "sequencer", "beat")
# A part is not started where all of its addresses are brought along.
_OVERRIDES: Final[Mapping[str, tuple[str, ...]]] = {
    "postgres": ("DATABASE_URL", "MIGRATION_DATABASE_URL", "SEQUENCER_DATABASE_URL"),
    "redis": ("REDIS_URL",),
    "mlflow": ("MLFLOW_TRACKING_URI",),
}
OVERRIDE_NAMES: Final = tuple(name for names in _OVERRIDES.values() for name in names)


class EmbeddedStack:
    """The embedded parts of one state folder; a context manager that starts and stops them.

    Args:
        path: the state folder (`MUNIMENT_HOME`); made when missing, gone on from when not.
        parts: which to start on entering, out of `ALL_PARTS`.
        overrides: addresses of parts of your own (`OVERRIDE_NAMES`); others are ignored.
        progress: where to say what happens; silent unless given.

    Raises:
        EmbeddedError: on entering, when a part cannot be started; nothing is left running.
    """

    def __init__(
        self,
        path: Path,
        *,
        parts: Collection[str] = ALL_PARTS,
        overrides: Mapping[str, str] | None = None,
        progress: Progress | None = None,
    ) -> None:
        unknown = set(parts) - set(ALL_PARTS)
        if unknown:
            raise ValueError(f"unknown parts: {', '.join(sorted(unknown))}")
        given = overrides or {}
        self._overrides = {name: given[name] for name in OVERRIDE_NAMES if given.get(name)}
        _require_whole_overrides(self._overrides)
        self._parts = [part for part in ALL_PARTS if part in parts]
        self._progress = progress or Progress(None)
        self.home = Home(path)
        self._postgres = Postgres(self.home)
        self._redis = Redis(self.home)
        self._mlflow = Mlflow(self.home)
        self._keys: InstanceKeys | None = None
        self._exit = contextlib.ExitStack()
        self._supervisor = Supervisor(logs=self.home.logs, progress=self._progress, home=self.home)

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as exit_stack:
            exit_stack.enter_context(self.home)
            exit_stack.enter_context(self._supervisor)
            self._keys = make_keys(self.home.keys, now=datetime.now(UTC))
            self._start_parts()
            self._exit = exit_stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._exit.__exit__(kind, error, trace)

    @property
    def keys(self) -> InstanceKeys:
        """Where this instance's keys are."""
        if self._keys is None:
            raise EmbeddedError("the stack has not been started")
        return self._keys

    @property
    def addresses(self) -> Addresses:
        """Where each part is."""
        given, postgres = self._overrides, self._postgres
        has_own_database = "DATABASE_URL" in given
        return Addresses(
            database_url=given["DATABASE_URL"] if has_own_database else postgres.url(roles.RUNTIME),
            migration_database_url=(
                given["MIGRATION_DATABASE_URL"]
                if has_own_database
                else postgres.url(roles.MIGRATOR)
            ),
            sequencer_database_url=(
                given["SEQUENCER_DATABASE_URL"]
                if has_own_database
                else postgres.url(roles.SEQUENCER)
            ),
            redis_url=given.get("REDIS_URL") or self._redis.url(),
            mlflow_url=given.get("MLFLOW_TRACKING_URI") or self._mlflow.url(),
            web_url=f"http://localhost:{self.home.claim_port('web')}",
        )

    @property
    def pids(self) -> dict[str, int]:
        """The process id of each service that was started."""
        return self._supervisor.pids

    def superuser_url(self, database: str = "postgres") -> str:
        """Return the embedded PostgreSQL superuser's URL, for set-up and tests."""
        return self._postgres.superuser_url(database)

    def mlflow_database_url(self) -> str:
        """Return the mlflow role's URL in the embedded PostgreSQL."""
        return self._postgres.url(roles.MLFLOW, roles.MLFLOW)

    def environment(self, role: str) -> dict[str, str]:
        """Return the whole environment of a Django process, as `role_environment`."""
        return role_environment(role, self.home, self.keys, self.addresses)

    def start(self, name: str) -> None:
        """Start one service, which was stopped or not part of the stack yet, and await it."""
        self._supervisor.start(self._service(name))
        if name == "postgres":
            self._postgres.make_roles_and_databases()

    def stop(self, name: str) -> None:
        """Stop one service; the others are left as they are."""
        self._supervisor.stop(name)

    def wait(self) -> None:
        """Block until a service ends by itself, which raises ServiceFailed."""
        self._supervisor.wait()

    def require_all_running(self) -> None:
        """Raise ServiceFailed if a service has ended by itself."""
        self._supervisor.require_all_running()

    def run_manage(self, *arguments: str, role: str) -> str:
        """Run `manage.py` with the environment of a role; return its standard output.

        Raises:
            EmbeddedError: it failed; the message has the end of what it wrote.
        """
        done = subprocess.run(
            [sys.executable, str(BASE_DIR / "manage.py"), *arguments],
            env=self.environment(role),
            cwd=BASE_DIR,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            written = (done.stdout + done.stderr)[-4000:]
            raise EmbeddedError(f"manage.py {' '.join(arguments)} failed:\n{written}")
        return done.stdout

    def migrate(self) -> None:
        """Bring the database to the code's state, as the owner."""
        self._progress.say("migrating the database")
        # Checks import every page, which takes longer than migrating; the linters run them.
        self.run_manage(
            *("migrate", "--database", "owner", "--no-input", "--skip-checks"), role="migrate"
        )
        self._progress.say("database migrated")

    def _start_parts(self) -> None:
        own = [part for part in self._parts if part not in self._brought_along]
        if "mlflow" in own and "postgres" in self._brought_along and "postgres" in self._parts:
            own.insert(0, "postgres")  # MLflow's own database still needs a server
        if "postgres" in own:
            self.start("postgres")
        # The slow starter gets going while the database is migrated.
        launched: list[str] = [part for part in ("redis", "mlflow") if part in own]
        for part in launched:
            self._supervisor.launch(self._service(part))
        django_parts = [part for part in _DJANGO_PARTS if part in own]
        if "redis" in launched:
            self._supervisor.await_ready("redis")
        if django_parts:
            self.migrate()
            self._write_instance_file()
        if "recompute" in own:
            share_package_cache(self.home)
        for part in django_parts:
            self._supervisor.launch(self._service(part))
        for part in [*launched, *django_parts]:
            self._supervisor.await_ready(part)

    @property
    def _brought_along(self) -> set[str]:
        return {
            part
            for part, names in _OVERRIDES.items()
            if all(name in self._overrides for name in names)
        }

    def _service(self, name: str) -> Service:
        plain = common_environment()
        if name == "postgres":
            return self._postgres.service(plain)
        if name == "redis":
            return self._redis.service(plain)
        if name == "mlflow":
            return self._mlflow.service(
                plain,
                database_url=self.mlflow_database_url(),
                governed=governed_environment(self.home, self.keys, self.addresses.web_url),
            )
        if name == "web":
            return web_service(self.home, self.environment("web"))
        if name == "beat":
            return beat_service(self.home, self.environment("beat"))
        services = worker_services(
            broker_url=self.addresses.redis_url,
            worker=self.environment("worker"),
            recompute=self.environment("recompute"),
            sequencer=self.environment("sequencer"),
        )
        return next(service for service in services if service.name == name)

    def _write_instance_file(self) -> None:
        values = instance_environment(self.home, self.keys, self.addresses)
        content = json.dumps(values, indent=1, sort_keys=True) + "\n"
        write_private_file(self.home.path / "env.json", content.encode())


def _require_whole_overrides(overrides: Mapping[str, str]) -> None:
    for names in _OVERRIDES.values():
        missing = [name for name in names if name not in overrides]
        if missing and len(missing) < len(names):
            given = ", ".join(name for name in names if name in overrides)
            raise PartMissing(
                f"{given} is set but {', '.join(missing)} is not. A database of your own needs "
                "all three roles, which `python -m config.embedded roles` makes; or unset it to "
                "get an embedded one."
            )
