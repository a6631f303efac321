"""Modes by pattern: set and taken away by admins, each with a fact; a dry run shows the models."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.services.people import actor_of
from audits.domain.actor import Actor
from audits.errors import RoleRequired
from audits.models import LogEntry
from registry.errors import InvalidRequest
from registry.models import ModeRule, RegistrySource
from registry.services.modes import Mode, covered_by, remove_mode, set_mode, watch_of
from tests.integration.registry.live import LiveRegistry
from tests.integration.web.world import World, model_row, walk

NAMES = ("credit", "fraud-cards", "fraud-transfers")


@pytest.fixture
def source(world: World, settings: Any) -> RegistrySource:
    """Three models of which the registry store guards one."""
    settings.GOVERNED_MODELS = ["credit"]
    walk(world, [model_row(name) for name in NAMES], [])
    return RegistrySource.objects.get()


@pytest.fixture
def admin(world: World) -> Actor:
    return actor_of(world.people["admin"])


def registry(*command: str) -> dict[str, Any]:
    out = StringIO()
    call_command("registry", *command, "--json", stdout=out)
    said: dict[str, Any] = json.loads(out.getvalue())
    return said


def facts() -> int:
    return LogEntry.objects.filter(event="mode.set").count()


def test_a_rule_is_set_changed_and_taken_away_with_a_fact_each(
    source: RegistrySource, admin: Actor
) -> None:
    def say(mode: str | None, pattern: str = " Fraud-* ") -> None:
        if mode is None:
            remove_mode(source=source, pattern=pattern, actor=admin, now=timezone.now())
        else:
            set_mode(source=source, pattern=pattern, mode=mode, actor=admin, now=timezone.now())

    def modes() -> list[str]:
        watch = watch_of(source.name)
        return [watch.mode(name).value for name in NAMES]

    assert modes() == ["enforce", "observe", "observe"]
    say("warn")
    say("warn")
    assert (modes(), facts()) == (["enforce", "warn", "warn"], 1)
    say("enforce", "fraud-cards")
    say("observe")
    assert (modes(), facts()) == (["enforce", "enforce", "observe"], 3)
    say(None)
    say(None)
    say(None, "*")
    assert (modes(), facts()) == (["enforce", "enforce", "observe"], 4)
    assert str(ModeRule.objects.get().set_by_id) == admin.id


def test_what_is_no_rule_is_refused(world: World, source: RegistrySource, admin: Actor) -> None:
    for pattern, mode in (("", "warn"), ("x" * 257, "warn"), ("a\x00", "warn"), ("*", "off")):
        with pytest.raises(InvalidRequest):
            set_mode(source=source, pattern=pattern, mode=mode, actor=admin, now=timezone.now())
    engineer = actor_of(world.people["engineer"])
    with pytest.raises(RoleRequired):
        set_mode(source=source, pattern="*", mode="observe", actor=engineer, now=timezone.now())
    with pytest.raises(RoleRequired):
        remove_mode(source=source, pattern="*", actor=engineer, now=timezone.now())
    assert not ModeRule.objects.exists()
    assert facts() == 0


def test_a_dry_run_shows_what_a_rule_would_come_to(source: RegistrySource, admin: Actor) -> None:
    set_mode(source=source, pattern="fraud-cards", mode="warn", actor=admin, now=timezone.now())
    covered = covered_by(source=source, pattern="FRAUD*", mode=Mode.ENFORCE)
    assert [(one.name, one.before.value, one.after.value) for one in covered] == [
        ("fraud-cards", "warn", "warn"),  # the more literal rule decides
        ("fraud-transfers", "observe", "enforce"),
    ]
    said = registry("mode", "FRAUD*", "enforce", "--dry-run", "--as", "admin")
    assert (said["done"], [model["after"] for model in said["models"]]) == (
        *(False, ["warn", "enforce"]),
    )
    assert "not prevented" in said["note"]
    assert ModeRule.objects.count() == 1
    said = registry("mode", "FRAUD*", "enforce", "--as", "admin")
    assert said["done"]
    out = StringIO()
    call_command("registry", "mode", "FRAUD*", "--remove", "--as", "admin", stdout=out)
    assert "fraud-transfers: enforce → observe" in out.getvalue()
    assert ModeRule.objects.get().pattern == "fraud-cards"


def test_walking_and_listing_say_how_each_source_is(
    live: LiveRegistry,
) -> None:
    """A source that does not answer holds up no other."""
    live.new_model()
    live.new_version()
    RegistrySource.objects.create(
        name="risk",
        uri="http://127.0.0.1:9",
        connect_timeout_seconds=0.5,
    )
    with pytest.raises(CommandError, match=r"Not walked: risk: .* Walked: default\."):
        call_command("registry", "walk")
    assert registry("walk", "--source", "default") == {
        "sources": ["default"],
        "changes": {"default": 0},
    }
    first, second = registry("list")["sources"]
    assert (first["name"], first["models"], first["versions"]) == ("default", 1, 1)
    assert first["mirror_age_seconds"] < 60
    assert (second["walked_at"], second["mirror_age"]) == (None, None)
    assert "does not answer" in second["failure"]
    out = StringIO()
    call_command("registry", "list", stdout=out)
    assert "registry store of Muniment: never heard" in out.getvalue()
    assert "mirror: never read" in out.getvalue()
