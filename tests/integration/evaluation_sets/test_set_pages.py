"""Evaluation sets on pages: listed, bound, and an audit ordered with a button."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.test import Client
from django.utils import timezone

from accounts.services.people import actor_of
from audits.models import Job, LogEntry
from config.embedded.environments import role_environment
from registry.models import EvaluationSet, EvaluationSetBinding
from registry.services.evaluation_sets import register_evaluation_set
from tests.instance import INSTANCE
from tests.integration.evaluation_sets.applicants import COLUMNS, HELD_OUT, as_csv
from tests.integration.web.forms import forms_of, post, send, text_of
from tests.integration.web.world import MODEL, ROOT, World

SETS, ITS_MODEL = "/evaluation-sets/", f"/models/{MODEL}/"
VERSION = f"/models/{MODEL}/versions/2/"
BIND, AUDIT = f"/models/{MODEL}/evaluation-set", f"{VERSION}set-audit"


@pytest.fixture
def registered(world: World, tmp_path: Path, settings: Any) -> EvaluationSet:
    settings.EVALUATION_SETS = tmp_path / "sets"
    file = tmp_path / "held-out.csv"
    file.write_bytes(as_csv(HELD_OUT))
    return register_evaluation_set(
        path=file,
        name="held-out",
        columns=COLUMNS,
        actor=actor_of(world.people["admin"]),
        now=timezone.now(),
    )


@pytest.fixture
def enter(world: World) -> Callable[[str], Client]:
    def sign_in(username: str) -> Client:
        client = Client(enforce_csrf_checks=True)
        client.force_login(world.people[username], "django.contrib.auth.backends.ModelBackend")
        client.get("/policies/")
        return client

    return sign_in


def test_a_set_is_listed_bound_and_used_for_an_audit_by_a_button(
    world: World, registered: EvaluationSet, enter: Callable[[str], Client]
) -> None:
    admin, engineer = enter("admin"), enter("engineer")
    assert "bound to no model" in text_of(admin.get(SETS))
    assert "None is bound" in text_of(engineer.get(ITS_MODEL))
    assert BIND not in forms_of(engineer.get(ITS_MODEL))
    assert AUDIT not in forms_of(engineer.get(VERSION))
    send(admin, ITS_MODEL, BIND, evaluation_set=str(registered.pk))
    answer = admin.get(ITS_MODEL)
    assert f"{MODEL} is audited with held-out version 1" in text_of(answer)
    assert "600 rows" in text_of(admin.get(ITS_MODEL))
    # v2 waits for nobody, and v1 is champion: it alone is audited at once.
    assert [job.version_uri for job in Job.objects.filter(kind="set_audit")] == [
        world.version(1).uri
    ]
    send(engineer, VERSION, AUDIT)
    assert "Under way: waiting for a worker" in text_of(engineer.get(VERSION))
    assert AUDIT not in forms_of(engineer.get(VERSION))
    again = post(engineer, AUDIT)
    assert again.status_code == 409
    assert "is being audited already" in text_of(again)
    assert Job.objects.filter(kind="set_audit").count() == 2


def test_who_is_no_admin_binds_nothing(
    world: World, registered: EvaluationSet, enter: Callable[[str], Client]
) -> None:
    for username in ("engineer", "reviewer", "auditor"):
        client = enter(username)
        assert post(client, BIND, evaluation_set=str(registered.pk)).status_code == 403
    assert not EvaluationSetBinding.objects.exists()
    assert post(enter("auditor"), AUDIT).status_code == 403
    assert not Job.objects.filter(kind="set_audit").exists()


def test_pages_say_what_is_missing_and_show_no_row_of_a_set(
    world: World, enter: Callable[[str], Client], registered: EvaluationSet
) -> None:
    engineer = enter("engineer")
    refused = post(engineer, AUDIT)
    assert refused.status_code == 409
    assert "evaluation_set bind" in text_of(refused)
    digest = registered.digest.removeprefix("sha256:")
    for path in (SETS, f"{SETS}{digest}", f"{SETS}held-out"):
        answer = engineer.get(path)
        assert answer.status_code == (200 if path == SETS else 404)
        assert str(HELD_OUT[7]["income"]) not in answer.content.decode()
    entry = LogEntry.objects.get(event="evaluation_set.registered")
    assert str(HELD_OUT[7]["income"]).encode() not in bytes(entry.envelope)


def test_only_the_worker_that_recomputes_is_told_where_the_sets_lie() -> None:
    stack, name = INSTANCE.stack, "MUNIMENT_EVALUATION_SETS"
    told = {
        role
        for role in ("web", "worker", "recompute", "sequencer", "beat", "migrate")
        if name in role_environment(role, stack.home, stack.keys, stack.addresses)
    }
    assert told == {"recompute"}
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    mounting = {
        service
        for service, described in services.items()
        if any("evaluation-sets:" in str(one) for one in described.get("volumes", ()))
        and "celery" in str(described["command"])
    }
    assert mounting == {"recompute"}
    assert {
        service
        for service, described in services.items()
        if name in (described.get("environment") or {})
    } == {"recompute"}
