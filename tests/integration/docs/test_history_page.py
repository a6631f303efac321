"""docs/history.md says what the pages and the interface do."""

from __future__ import annotations

import json
import re

from django.test import Client

from accounts.services.tokens import READ, issue_token
from audits.domain.actor import SETUP
from registry.domain.alias_history import Holding
from registry.domain.violations import ViolationStatus
from registry.selectors.violations import STATES
from registry.web.alias_words import CAUSES
from tests.integration.docs.test_pages_against_the_product import members
from tests.integration.web.world import World, row_of_the_world, rows_of_the_world, walk
from tests.unit.docs.pages import DOCS, fenced, read, section, table_rows

PAGE = read(DOCS / "history.md")
REST = section(PAGE, "## As CSV, and over REST")


def test_the_command_on_the_page_is_answered_as_it_shows(world: World) -> None:
    walk(world, [row_of_the_world(champion=2)], rows_of_the_world())
    token = issue_token(
        user=world.people["auditor"],
        name="test",
        scopes=[READ],
        ttl_seconds=86_400,
        actor=SETUP,
        now=world.tick(),
    )
    asked = Client(headers={"authorization": f"Bearer {token}"})
    [address] = re.findall(r'"\$MUNIMENT_URL(/\S+)"', REST)
    path, _, query = address.partition("?")
    assert query.startswith("at=2026-")
    shown = json.loads(fenced(PAGE, "json")[0])
    answered = asked.get(path, {"at": f"{world.now:%Y-%m-%dT%H:%M:%SZ}"}).json()
    assert list(members(shown)) == list(members(answered))
    whole = asked.get(path).json()
    names = {member.rsplit(".", 1)[-1] for member in members(whole)}
    assert {"watched_since", "log_entry"} < names
    for table in ({"state", "source", "model", "page"}, {"at", "alias"}):
        assert all(f"`{name}`" in REST for name in table)
    # Every address of the table answers.
    rows = [row[0].strip("`") for row in table_rows(REST) if row[0].startswith("`/api/")]
    assert len(rows) == 3
    for row in rows:
        assert asked.get(row.replace("{name}", "boston-mortgage")).status_code == 200, row


def test_every_word_of_an_answer_is_explained() -> None:
    assert [word for word in (*CAUSES, *Holding) if f"`{word}`" not in REST] == []
    states = {row[0].strip("`") for row in table_rows(PAGE) if row[0].strip("`") in STATES}
    assert states == set(ViolationStatus)
