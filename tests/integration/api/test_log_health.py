"""The log's health over REST: what the page says, for monitors."""

from __future__ import annotations

import json
from datetime import timedelta

from django.utils import timezone

from audits.models import LogCheckpoint
from audits.services.alarms import LOG_NOT_SEQUENCED, raise_alarm
from audits.services.log_verification import verify_log
from audits.services.signing import keyring
from tests.integration.api.answers import require_problem
from tests.integration.api.conftest import Ask
from tests.integration.web.intruder import write_entry
from tests.integration.web.world import World

HEALTH = "/api/v1/log/health"


def test_health_is_told_to_whoever_may_read(world: World, ask: Ask) -> None:
    now = timezone.now()
    verify_log(now=now, clock=lambda: now)
    world.sequence()
    for who in ("engineer", "auditor"):
        answer = ask(HEALTH, who=who)
        assert answer.status_code == 200
        said = json.loads(answer.content)
        checkpoint = LogCheckpoint.objects.order_by("-tree_size")[0]
        assert said["checkpoint"]["tree_size"] == checkpoint.tree_size
        assert said["checkpoint"]["root_hash"] == bytes(checkpoint.root_hash).hex()
        assert said["vkeys"] == list(keyring().log.vkeys)
        assert said["verification"]["holds"] is True
        assert said["verification"]["findings"]
        assert (said["alarms"], said["refused"]) == ([], {"count": 0, "newest": []})
    require_problem(ask(HEALTH, who=None), 401)
    require_problem(ask(HEALTH, method="post"), 405)


def test_what_is_wrong_is_said_in_codes_and_in_words(world: World, ask: Ask) -> None:
    said = json.loads(ask(HEALTH).content)
    assert (said["state"], said["verification"]) == ("attention", None)
    world.sequence()
    forged = write_entry()
    world.sequence()
    raised = timezone.now() - timedelta(minutes=2)
    raise_alarm(LOG_NOT_SEQUENCED, "Nothing was sequenced.", now=raised)
    said = json.loads(ask(HEALTH).content)
    assert said["state"] == "wrong"
    assert said["refused"]["count"] == 1
    assert said["refused"]["newest"][0]["sha256"] == forged.sha256
    assert said["refused"]["newest"][0]["code"] == "envelope.invalid"
    assert {item["code"] for item in said["alarms"]} == {
        "log.not_sequenced",
        "log.entries_refused",
    }
    assert any("never verified" in concern for concern in said["concerns"])
