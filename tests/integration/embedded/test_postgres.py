"""The embedded PostgreSQL: real roles, passwords asked for, state kept."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from config.embedded import EmbeddedStack, roles


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStack]:
    above = tmp_path_factory.mktemp("above") / "closed"
    above.mkdir(mode=0o700)
    with EmbeddedStack(above / "home", parts=("postgres",)) as running:
        yield running


def rows(url: str, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(statement).fetchall()


def with_password(url: str, password: str) -> str:
    parts = urlsplit(url)
    return url.replace(f":{parts.password}@", f":{password}@")


@pytest.mark.parametrize("role", ["postgres", *roles.LOGIN_ROLES])
@pytest.mark.parametrize("password", ["wrong", ""])
def test_wrong_password_is_refused_for_every_role(
    own: EmbeddedStack, role: str, password: str
) -> None:
    url = own.superuser_url().replace("//postgres:", f"//{role}:")
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(with_password(url, password))


def test_owner_cannot_log_in(own: EmbeddedStack) -> None:
    with psycopg.connect(own.superuser_url(), autocommit=True) as connection:
        connection.execute(f"ALTER ROLE {roles.OWNER} PASSWORD 'known'")
    url = own.superuser_url(roles.DATABASE).replace("//postgres:", f"//{roles.OWNER}:")
    with pytest.raises(psycopg.OperationalError, match="not permitted to log in"):
        psycopg.connect(with_password(url, "known"))


def test_every_way_in_asks_for_a_password(own: EmbeddedStack) -> None:
    methods = rows(own.superuser_url(), "SELECT DISTINCT auth_method FROM pg_hba_file_rules")
    assert methods == [("scram-sha-256",)]
    assert rows(own.superuser_url(), "SHOW unix_socket_directories") == [("",)]
    assert rows(own.superuser_url(), "SHOW listen_addresses") == [("127.0.0.1",)]


def test_passwords_are_kept_hashed_and_out_of_the_log(own: EmbeddedStack) -> None:
    hashed = rows(own.superuser_url(), "SELECT rolpassword FROM pg_authid WHERE rolcanlogin")
    assert all(str(value).startswith("SCRAM-SHA-256$") for (value,) in hashed)
    log = (own.home.logs / "postgres.log").read_text()
    assert "database system is ready" in log
    assert own.home.secret(f"postgres-{roles.RUNTIME}") not in log


@pytest.mark.parametrize("role", [roles.RUNTIME, roles.SEQUENCER])
@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE t (i int)",
        "CREATE TEMPORARY TABLE t (i int)",
        "CREATE SCHEMA s",
        "CREATE ROLE r",
        "CREATE DATABASE d",
        f"SET ROLE {roles.OWNER}",
        "ALTER SYSTEM SET fsync = off",
    ],
)
def test_serving_roles_can_create_nothing(own: EmbeddedStack, role: str, statement: str) -> None:
    urls = {
        roles.RUNTIME: own.addresses.database_url,
        roles.SEQUENCER: own.addresses.sequencer_database_url,
    }
    with (
        psycopg.connect(urls[role], autocommit=True) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(statement)


def test_migrator_creates_only_as_the_owner(own: EmbeddedStack) -> None:
    with psycopg.connect(own.addresses.migration_database_url) as connection:
        with (
            pytest.raises(psycopg.errors.InsufficientPrivilege),
            connection.transaction(),
        ):
            connection.execute("CREATE TABLE t (i int)")
        connection.execute(f"SET ROLE {roles.OWNER}")
        connection.execute("CREATE TABLE t (i int)")
        owner = connection.execute("SELECT tableowner FROM pg_tables WHERE tablename = 't'")
        assert owner.fetchone() == (roles.OWNER,)
        connection.rollback()


def test_mlflow_and_muniment_cannot_reach_each_others_database(own: EmbeddedStack) -> None:
    mlflow, runtime = own.mlflow_database_url(), own.addresses.database_url
    for url in (
        mlflow.replace("/mlflow", "/muniment").replace("//muniment:", "//mlflow:"),
        runtime.removesuffix(f"/{roles.DATABASE}") + "/mlflow",
    ):
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            psycopg.connect(url)


def test_folders_above_the_data_keep_their_mode(own: EmbeddedStack) -> None:
    home = own.home.path
    assert {stat.S_IMODE(path.stat().st_mode) for path in (home, home.parent)} == {0o700}


def test_server_does_not_run_as_root(own: EmbeddedStack) -> None:
    status = Path(f"/proc/{own.pids['postgres']}/status").read_text()
    uid = next(line for line in status.splitlines() if line.startswith("Uid:")).split()[1]
    assert int(uid) != 0 or os.geteuid() != 0
    assert int(uid) != 0


def test_state_outlives_a_restart_and_set_up_may_run_again(tmp_path: Path) -> None:
    with EmbeddedStack(tmp_path / "home", parts=("postgres",)) as first:
        with psycopg.connect(first.superuser_url(roles.DATABASE)) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 7 AS seven")
        url = first.addresses.database_url
    with EmbeddedStack(tmp_path / "home", parts=("postgres",)) as second:
        assert second.addresses.database_url == url
        assert rows(second.superuser_url(roles.DATABASE), "SELECT seven FROM kept") == [(7,)]


def test_interrupted_set_up_is_begun_again(tmp_path: Path) -> None:
    half = tmp_path / "home" / "postgres" / "unfinished"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    with EmbeddedStack(tmp_path / "home", parts=("postgres",)) as running:
        assert rows(running.addresses.database_url, "SELECT 1") == [(1,)]
    assert not half.exists()
