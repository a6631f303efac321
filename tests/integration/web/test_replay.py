"""Replaying: a past promotion, and everyone who holds an alias, under any policy version."""

from __future__ import annotations

import csv
import io
import json
import shlex
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.test import Client

from accounts.services.people import actor_of
from audits.models import LogEntry
from registry.models import Decision, Policy, PolicyBinding
from registry.services.policies import publish_policy
from tests.integration.web.forms import text_of
from tests.integration.web.world import MODEL, World
from tests.policies import lenient_credit_decision
from tests.unit.docs.pages import DOCS, fenced, read

Enter = Callable[[str], Client]


def publish_next(world: World, *, without_bias: bool) -> Policy:
    """Publish a next version of the shipped policy: laxer, without its bias gates, or stricter."""
    text = lenient_credit_decision(version=2)
    if without_bias:
        head, _, gates = text.partition("  - id: bias-race")
        text = head + gates[gates.index("  # Approving everybody") :]
    else:
        text = text.replace("at_least: 0.55", "at_least: 0.95")
    return publish_policy(
        document=text.encode(), actor=actor_of(world.people["admin"]), now=world.tick()
    )


def replay(*arguments: str) -> tuple[dict[str, Any], int]:
    """Return what the command prints as JSON, and its exit status."""
    out = io.StringIO()
    status = 0
    try:
        call_command("policy", "replay", *arguments, "--json", stdout=out)
    except SystemExit as ended:
        status = int(ended.code or 0)
    return json.loads(out.getvalue()), status


def test_champions_are_judged_by_todays_policy_and_by_a_laxer_one(world: World) -> None:
    publish_next(world, without_bias=True)
    said, status = replay("--champions", "--policy", "credit-decision@1")
    assert status == 1
    (champion,) = said["replayed"]
    assert (champion["model"], champion["version"], champion["alias"]) == (MODEL, 1, "champion")
    assert champion["outcome"] == "refused"
    outcomes = {gate["id"]: gate["outcome"] for gate in champion["gates"]}
    assert outcomes["bias-race"] == "unsatisfied"
    laxer, status = replay("--champions", "--policy", "credit-decision")
    assert (laxer["policy"], status) == ("credit-decision@2", 0)
    (champion,) = laxer["replayed"]
    assert (champion["outcome"], champion["was"]) == ("unsigned", "deny")
    assert champion["was_policy"] == "credit-decision@1"


def test_a_past_promotion_comes_out_word_for_word_and_otherwise_under_another_policy(
    world: World,
) -> None:
    promotion = world.request(2)
    world.sign(promotion, "reviewer")
    world.sign(promotion, "reviewer2")
    publish_next(world, without_bias=False)
    said, status = replay("--promotion", str(promotion.pk))
    assert (said["same_as_recorded"], status) == (True, 0)
    assert (said["replayed"][0]["outcome"], said["replayed"][0]["was"]) == ("stands", "allow")
    stricter, status = replay("--promotion", str(promotion.pk), "--policy", "credit-decision@2")
    assert (stricter["replayed"][0]["outcome"], status) == ("refused", 1)
    assert any("0.95" in reason for reason in stricter["replayed"][0]["reasons"])


def test_a_record_that_was_tampered_with_does_not_replay(world: World) -> None:
    promotion = world.request(2)
    row = promotion.decisions.latest("entry_id")
    content = json.loads(json.dumps(row.content))
    content["gates"][0]["reason"] = "All is well."
    publish_next(world, without_bias=True)  # its entry is newer than the decision's
    # Decisions are append-only: what an intruder with the owner's role would leave behind.
    forged = Decision(
        pk=uuid4(),
        promotion=promotion,
        policy=row.policy,
        verdict=row.verdict,
        evidence_digest=row.evidence_digest,
        content=content,
        decided_at=row.decided_at,
        entry=LogEntry.objects.exclude(pk__in=Decision.objects.values("entry")).latest("pk"),
    )
    forged.save(force_insert=True)
    said, status = replay("--promotion", str(promotion.pk))
    assert (said["same_as_recorded"], status) == (False, 1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--promotion", "nothing"), "no promotion with that id"),
        (("--champions",), "Say by which policy"),
        (("--champions", "--policy", "credit-decision@99"), "No policy"),
    ],
)
def test_what_cannot_be_replayed_is_said(
    world: World, arguments: tuple[str, ...], words: str
) -> None:
    said, status = replay(*arguments)
    assert status == 1
    assert words in said["error"]


def test_replaying_writes_nothing(world: World, enter: Enter) -> None:
    promotion = world.request(2)
    counts = LogEntry.objects.count(), Decision.objects.count()
    client = enter("auditor")
    client.get("/policies/replay/?policy=credit-decision@1")
    client.get(f"/promotions/{promotion.pk}/replay")
    replay("--champions", "--policy", "credit-decision@1")
    assert (LogEntry.objects.count(), Decision.objects.count()) == counts


def test_the_page_names_whom_a_policy_refuses_and_why(world: World, enter: Enter) -> None:
    publish_next(world, without_bias=True)
    client = enter("auditor")
    assert "Choose a policy" in text_of(client.get("/policies/replay/"))
    said = text_of(client.get("/policies/replay/?policy=credit-decision@1"))
    assert "Would be refused" in said
    assert "Black" in said
    assert "Needs signatures" in text_of(client.get("/policies/replay/?policy=credit-decision"))
    nobody = text_of(client.get("/policies/replay/?policy=credit-decision&q=no-such-model"))
    assert "Nobody holds a governed alias" in nobody
    unknown = client.get("/policies/replay/?policy=other")
    assert (unknown.status_code, "No policy" in text_of(unknown)) == (404, True)
    answer = client.get("/policies/replay.csv?policy=credit-decision@1")
    rows = list(csv.DictReader(io.StringIO(answer.getvalue().decode())))
    assert [(row["model"], row["outcome"]) for row in rows] == [(MODEL, "refused")]


def test_the_page_of_a_promotion_decides_it_again(world: World, enter: Enter) -> None:
    promotion = world.request(2)
    publish_next(world, without_bias=False)
    client = enter("auditor")
    address = f"/promotions/{promotion.pk}/replay"
    assert address in client.get(f"/promotions/{promotion.pk}/").content.decode()
    assert "word for word" in text_of(client.get(address))
    other = text_of(client.get(f"{address}?policy=credit-decision@2"))
    assert "0.95" in other
    assert "count under no other policy" in other


def test_a_promotion_that_no_policy_judged_has_nothing_to_replay(
    world: World, enter: Enter
) -> None:
    PolicyBinding.objects.all().delete()
    promotion = world.request(2)
    answer = enter("auditor").get(f"/promotions/{promotion.pk}/replay")
    assert answer.status_code == 404
    assert "nothing to replay" in text_of(answer)


def test_a_version_says_who_can_clear_what_stands_in_its_way(world: World, enter: Enter) -> None:
    said = text_of(enter("engineer").get(f"/models/{MODEL}/versions/1/"))
    assert "Who can clear it: whoever trains." in said


def test_the_commands_of_the_page_are_right(world: World) -> None:
    promotion = world.request(2)
    commands = [
        line.removeprefix("manage.py policy ").replace("PROMOTION", str(promotion.pk))
        for block in fenced(read(DOCS / "replay.md"), "sh")
        for line in block.splitlines()
    ]
    assert len(commands) >= 3
    for command in commands:
        out = io.StringIO()
        with suppress(SystemExit):
            call_command("policy", *shlex.split(command), stdout=out)
        assert out.getvalue().startswith(("policy credit-decision@1", '{"policy"')), command
