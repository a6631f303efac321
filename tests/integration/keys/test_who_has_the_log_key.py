"""Only the sequencer's process is told of the log's keys, before, during and after a rotation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from config.embedded.environments import TOKEN_SETTINGS, instance_environment, role_environment
from config.embedded.key_rotation import begin_rotation
from config.embedded.keys import InstanceKeys, make_keys
from tests.instance import INSTANCE
from tests.unit.docs.pages import ROOT, read

ROLES = ("web", "worker", "sequencer", "beat", "migrate")


@dataclass(frozen=True)
class Told:
    """What each role of an instance with these keys is told."""

    keys: InstanceKeys

    def by(self, role: str) -> dict[str, str]:
        stack = INSTANCE.stack
        return role_environment(role, stack.home, self.keys, stack.addresses)


@pytest.fixture
def told(tmp_path: Path) -> Told:
    return Told(make_keys(tmp_path, now=datetime.now(UTC)))


def begun(keys: InstanceKeys) -> None:
    begin_rotation(keys.folder)


def finished(keys: InstanceKeys) -> None:
    begin_rotation(keys.folder)
    keys.log_keys.write_text("log-2.pem\n")


@pytest.mark.parametrize(
    ("rotate", "names"),
    [
        (lambda keys: None, ["log.pem"]),
        (begun, ["log.pem", "log-2.pem"]),
        (finished, ["log-2.pem"]),
    ],
)
def test_the_sequencer_alone_is_told_of_the_log_s_keys(
    told: Told, rotate: Callable[[InstanceKeys], None], names: list[str]
) -> None:
    rotate(told.keys)
    for role in ROLES:
        environment = told.by(role)
        given = environment.pop("MUNIMENT_LOG_KEYS", "")
        expected = [f"file2:{told.keys.folder / name}" for name in names]
        assert given == (",".join(expected) if role == "sequencer" else ""), role
        assert not [value for value in environment.values() if "log.pem" in value]
    stack = INSTANCE.stack
    for_all = instance_environment(stack.home, told.keys, stack.addresses)
    assert "MUNIMENT_LOG_KEYS" not in for_all


def test_who_has_no_key_is_not_told_how_to_reach_a_token(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in TOKEN_SETTINGS:
        monkeypatch.setenv(name, f"/{name}")
    having = [role for role in ROLES if set(TOKEN_SETTINGS) <= set(told.by(role))]
    assert having == ["web", "worker", "sequencer"]
    without = [role for role in ROLES if not set(TOKEN_SETTINGS) & set(told.by(role))]
    assert without == ["beat", "migrate"]


def test_in_compose_the_sequencer_alone_has_the_log_key() -> None:
    services = yaml.safe_load(read(ROOT / "docker-compose.yml"))["services"]
    told_of = [name for name, service in services.items() if _mentions(service, "LOG_KEYS")]
    has_file = [name for name, service in services.items() if _mentions(service, "log.pem")]
    assert told_of == has_file == ["sequencer"]


def _mentions(service: dict[str, object], text: str) -> bool:
    return text in yaml.safe_dump(service)
