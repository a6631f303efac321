"""`docs/onboarding.md`, from top to bottom, beside a live MLflow that has models already."""

from __future__ import annotations

import shlex
from io import StringIO

from django.core.management import call_command

from registry.models import ModeRule, PolicyBinding, RegistrySource, Violation
from registry.services.modes import watch_of
from tests.integration.registry.live import (
    LiveRegistry,
    behind_the_back,
    set_alias_behind_the_back,
)
from tests.unit.docs.pages import DOCS, command_lines, read, section

PAGE = read(DOCS / "onboarding.md")


def follow(heading: str) -> str:
    """Run the commands below a heading as they stand there, by our admin; return what they say."""
    said = StringIO()
    commands = [
        line
        for line in command_lines(section(PAGE, heading))
        if line.startswith("python manage.py ")
    ]
    assert commands, heading
    for command in commands:
        _, _, name, *rest = shlex.split(command.replace("--as ada", "--as admin"))
        call_command(name, *rest, stdout=said)
    return said.getvalue()


def modes() -> list[str]:
    watch = watch_of("default")
    return [watch.mode(name).value for name in ("credit-cards", "credit-sandbox", "pricing")]


def test_the_page_leads_from_a_registry_that_exists_to_one_that_is_enforced(
    live: LiveRegistry,
) -> None:
    behind_the_back("DELETE FROM webhooks")
    for name in ("credit-cards", "credit-sandbox", "pricing"):
        live.new_model(name)
        live.new_version(name)
        live.new_version(name)
        set_alias_behind_the_back("champion", 1, name)

    said = follow("## 1. Adopt what is there")
    assert "changes: {'default': 12}" in said
    assert "registry store of Muniment: never heard" in said
    assert modes() == ["observe"] * 3
    source = RegistrySource.objects.get()
    assert (source.hash_bytes_per_second, source.on_violation) == (20_000_000, "alarm")
    set_alias_behind_the_back("champion", 2, "credit-cards")
    live.walk()
    assert not Violation.objects.exists()

    said = follow("## 2. Be told at once")
    assert "webhook: made" in said
    [webhook] = live.client.list_webhooks()
    assert len(webhook.events) == 14

    said = follow("## 3. Read the plan")
    assert "no policy: every promotion is denied: 3" in said
    assert "alias moved without a grant lately: 1" in said
    assert "credit-cards (observe)" in said

    said = follow("## 4. Bind policies")
    assert "would be bound (dry run: nothing was) to 2 of the 2 models" in said
    bound = PolicyBinding.objects.values_list("registered_model__name", flat=True)
    assert set(bound) == {"credit-cards", "credit-sandbox"}

    follow("## 5. Warn")
    assert modes() == ["warn", "observe", "observe"]
    set_alias_behind_the_back("champion", 1, "credit-cards")
    set_alias_behind_the_back("champion", 2, "credit-sandbox")
    live.walk()
    assert Violation.objects.get().registered_model.name == "credit-cards"

    said = follow("## 6. Enforce")
    assert "not prevented" in said
    assert modes() == ["enforce", "observe", "enforce"]
    assert RegistrySource.objects.get().on_violation == "revert"

    said = follow("## Another registry")
    assert "token variable: RISK_MLFLOW_TOKEN" in said
    assert "removed: risk" in said
    assert RegistrySource.objects.count() == 1
    assert ModeRule.objects.count() == 2
    behind_the_back("DELETE FROM webhooks")
