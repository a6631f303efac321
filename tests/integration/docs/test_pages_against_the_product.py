"""What the pages promise, tried on the real product."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client

from accounts.models import User
from accounts.services.tokens import READ, issue_token
from audits.domain.actor import SETUP
from audits.models import Disclosure, LogEntry
from registry.models import PolicyBinding
from tests.integration.web.world import MODEL, World, model_row, version_row, walk
from tests.unit.docs.pages import DOCS, fenced, read


def members(document: object, path: str = "") -> Iterator[str]:
    """Yield the path of every member of a JSON document; those of a list's items are one."""
    if isinstance(document, dict):
        for name, value in document.items():
            yield f"{path}.{name}"
            yield from members(value, f"{path}.{name}")
    elif isinstance(document, list):
        for item in document:
            yield from members(item, f"{path}[]")


def ask_gate(world: World, number: int) -> dict[str, Any]:
    token = issue_token(
        user=world.people["engineer"],
        name="test",
        scopes=[READ],
        ttl_seconds=86_400,
        actor=SETUP,
        now=world.tick(),
    )
    answer = Client().get(
        f"/api/v1/models/{MODEL}/versions/{number}/gate?alias=champion",
        headers={"authorization": f"Bearer {token}"},
    )
    assert answer.status_code == 200, answer.content
    answered: dict[str, Any] = answer.json()
    return answered


def test_the_answer_in_gate_md_has_the_members_of_a_real_one(world: World) -> None:
    page = read(DOCS / "gate.md")
    shown = json.loads(fenced(page, "json")[0])
    # Version 1 is champion no more, so that somebody may ask for it.
    walk(world, [model_row()], [version_row(number) for number in (1, 2, 3)])
    promotion = world.request(1)
    answered = ask_gate(world, 1)
    assert set(members(shown)) == set(members(answered))
    names = {path.rsplit(".", 1)[-1] for path in members(answered)}
    assert not [name for name in names if not re.search(rf"[`.]{name}[`.\[]", page)]
    assert shown["decision"] == answered["decision"] == "deny"
    assert shown["schema_version"] == answered["schema_version"]
    assert answered["promotion"]["id"] == str(promotion.pk)
    assert shown["promotion"]["status"] == answered["promotion"]["status"]
    assert shown["links"]["promotion"].endswith(f"/{shown['promotion']['id']}/")
    # What is null without a policy is null as a whole.
    PolicyBinding.objects.all().delete()
    unbound = ask_gate(world, 1)
    assert unbound.keys() == shown.keys()
    assert unbound["checks"][0].keys() == shown["checks"][0].keys()
    assert unbound["policy"] is unbound["approvals"] is None


def test_the_erasure_in_log_md_erases_a_person_and_leaves_the_log(world: World) -> None:
    promotion = world.request(2)
    world.sign(promotion, "reviewer", reason="Read, and found good.")
    person = world.people["reviewer"]
    assert Disclosure.objects.filter(person_id=person.pk).count() == 2
    before = list(LogEntry.objects.order_by("pk").values_list("sha256", flat=True))
    [statements] = fenced(read(DOCS / "log.md"), "sql")
    with connection.cursor() as cursor:  # the runtime role's
        cursor.execute(statements.replace(":'person'", f"'{person.pk}'"))
    assert not Disclosure.objects.filter(person_id=person.pk).exists()
    erased = User.objects.get(pk=person.pk)
    assert (erased.printed_name, erased.is_active, erased.has_usable_password()) == (
        "erased",
        False,
        False,
    )
    assert before == list(LogEntry.objects.order_by("pk").values_list("sha256", flat=True))


def test_a_password_of_fewer_than_twelve_characters_is_refused_as_running_md_says(
    committed_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "at least 12 characters" in " ".join(read(DOCS / "running.md").split())
    for password in ("", "elevenchars"):
        monkeypatch.setattr(sys, "stdin", io.StringIO(f"{password}\n"))
        with pytest.raises(CommandError, match="at least 12 characters"):
            call_command("add_person", "ada", printed_name="Ada Adler", role=["admin"])
    assert not User.objects.exists()


def test_health_is_answered_without_signing_in(committed_database: str) -> None:
    answer = Client().get("/healthz?format=json")
    assert answer.status_code == 200
    [shown] = fenced(read(DOCS / "running.md"), "json")
    assert answer.json() == json.loads(shown)
    asked = Client().get("/healthz", headers={"accept": "application/json"})
    assert asked.json() == json.loads(shown)
    assert Client().get("/healthz")["content-type"].startswith("text/html")
