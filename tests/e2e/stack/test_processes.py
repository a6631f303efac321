"""What each running process was told, and what happens when one of them is away."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from config.embedded import ALL_PARTS, EmbeddedStack

ROOT = Path(__file__).resolve().parents[3]


def family_of(leader: int) -> list[int]:
    """Return the process and everything it started, directly or not."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue  # it has just ended
            parents[int(entry.name)] = int(fields[1])
    family = [leader]
    for pid in family:
        family += [child for child, parent in parents.items() if parent == pid]
    return family


def told(stack: EmbeddedStack, part: str) -> bytes:
    """Return the environment of a part's every process, in one."""
    pids = family_of(stack.pids[part])
    return b"\0".join(Path(f"/proc/{pid}/environ").read_bytes() for pid in pids)


def secrets_of(stack: EmbeddedStack) -> dict[str, str]:
    home, keys = stack.home, stack.keys
    return {
        "runtime password": home.secret("postgres-muniment_runtime"),
        "sequencer password": home.secret("postgres-muniment_sequencer"),
        "migrator password": home.secret("postgres-muniment_migrator"),
        "superuser password": home.secret("postgres-postgres"),
        "mlflow password": home.secret("postgres-mlflow"),
        "redis password": home.secret("redis"),
        "web secret": home.secret("django"),
        "webhook secret": home.secret("mlflow-webhook"),
        "gatekeeper secret": home.secret("gatekeeper"),
        "log key": str(keys.log),
        "statement key": str(keys.statement),
        "grant key": str(keys.grant),
        "pdf key": str(keys.pdf),
    }


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ("postgres", set()),
        ("redis", set()),
        ("mlflow", {"mlflow password", "gatekeeper secret"}),
        (
            "web",
            {
                *("runtime password", "redis password", "web secret"),
                *("webhook secret", "gatekeeper secret", "statement key"),
            },
        ),
        (
            "worker",
            {
                *("runtime password", "redis password", "web secret"),
                *("statement key", "grant key", "pdf key"),
            },
        ),
        ("recompute", {"runtime password", "redis password", "statement key"}),
        (
            "sequencer",
            {
                *("runtime password", "sequencer password", "redis password", "web secret"),
                "log key",
            },
        ),
        ("beat", {"runtime password", "redis password", "web secret"}),
    ],
)
def test_each_process_is_told_only_its_own_secrets(
    stack: EmbeddedStack, part: str, expected: set[str]
) -> None:
    environment = told(stack, part)
    known = {name for name, secret in secrets_of(stack).items() if secret.encode() in environment}
    assert known == expected


def test_every_part_is_covered(stack: EmbeddedStack) -> None:
    assert set(stack.pids) == set(ALL_PARTS)


def test_manage_finds_the_running_instance_by_its_home(stack: EmbeddedStack) -> None:
    instance = stack.home.path / "env.json"
    assert stat.S_IMODE(instance.stat().st_mode) == 0o600
    told_to_all = json.loads(instance.read_text())
    withheld = {"MIGRATION_DATABASE_URL", "SEQUENCER_DATABASE_URL", "MUNIMENT_LOG_KEYS"}
    assert not withheld & set(told_to_all)
    shown = subprocess.run(
        [sys.executable, "manage.py", "showmigrations", "--plan"],
        env={"MUNIMENT_HOME": str(stack.home.path), "PATH": "/usr/bin:/bin"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "[X]  audits.0001_privileges" in shown.stdout
    assert "[ ]" not in shown.stdout


def test_health_says_which_part_is_away_and_recovers(stack: EmbeddedStack) -> None:
    health = f"{stack.addresses.web_url}/healthz?format=json"
    database, redis = "Database(alias='default')", "Cache(alias='default')"
    stack.stop("redis")
    try:
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(health)
        with refused.value as answer:
            assert answer.code == 500
            parts = json.load(answer)
            assert parts[database] == "OK"
            assert parts[redis] != "OK"
    finally:
        stack.start("redis")
    with urllib.request.urlopen(health) as answer:
        assert json.load(answer) == {database: "OK", redis: "OK"}
    stack.require_all_running()
