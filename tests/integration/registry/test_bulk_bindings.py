"""A policy for many models at once: by pattern, once, all or none, a fact for each."""

from __future__ import annotations

import json
from collections.abc import Sequence
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.services.people import actor_of
from audits.errors import RoleRequired
from audits.models import Job, LogEntry
from audits.services.log import lock_streams
from registry import tasks
from registry.errors import (
    BindingChanged,
    InvalidRequest,
    PolicyNotBindable,
    UnknownPolicy,
    UnknownVersion,
)
from registry.models import Policy, PolicyBinding, RegisteredModel, RegistrySource
from registry.services import backlog
from registry.services.bulk_bindings import (
    Rebinding,
    bind_matching,
    digest_of_plan,
    plan_binding,
)
from registry.services.lookup import find_policy
from registry.services.mirror import one_walk_at_a_time
from registry.services.policies import publish_policy
from tests.integration.registry.test_locks import Beside
from tests.integration.web.world import (
    MODEL,
    World,
    lay_lineage,
    model_row,
    row_of_the_world,
    rows_of_the_world,
    version_row,
    walk,
)
from tests.policies import lenient_credit_decision

FRAUD = ("fraud-cards", "fraud-transfers", "Fraud-[old]")


def add_models(world: World, names: Sequence[str]) -> None:
    """Have MLflow show these models beside the world's, each with a champion."""
    models = [model_row(name, aliases={"champion": 1}) for name in names]
    versions = [version_row(1, name) for name in names]
    walk(world, [row_of_the_world(), *models], [*rows_of_the_world(), *versions])


def second_version(world: World) -> Policy:
    return publish_policy(
        document=lenient_credit_decision(version=2).encode(),
        actor=actor_of(world.people["admin"]),
        now=world.tick(),
    )


def wanted(world: World, pattern: str, **changed: Any) -> dict[str, Any]:
    assert world.policy is not None
    source = RegistrySource.objects.get(name="default")
    policy = Policy.objects.get(pk=world.policy.pk)
    fields = {"source": source, "pattern": pattern, "policy": policy, "risk_tier": "high"}
    return fields | changed


def bind(world: World, pattern: str, who: str = "admin", **changed: Any) -> tuple[Rebinding, ...]:
    asked = wanted(world, pattern, **changed)
    # As a proposal that is confirmed does it, which holds the source before its transaction.
    with one_walk_at_a_time(asked["source"]), transaction.atomic(durable=True):
        return bind_matching(**asked, actor=actor_of(world.people[who]), now=world.tick())


def facts() -> int:
    return LogEntry.objects.filter(event="policy.bound").count()


def bound() -> dict[str, tuple[str, int]]:
    return {
        row.registered_model.name: (row.risk_tier, row.policy.version)
        for row in PolicyBinding.objects.select_related("registered_model", "policy")
    }


def test_a_pattern_is_bound_once_with_a_fact_for_each_model(world: World) -> None:
    add_models(world, [*FRAUD, "pricing"])
    before = facts()
    done = bind(world, "FRAUD*")
    assert [(one.registered_model.name, one.policy, one.changes) for one in done] == [
        (name, "", True) for name in sorted(FRAUD)
    ]
    assert bound() == {MODEL: ("high", 1)} | dict.fromkeys(FRAUD, ("high", 1))
    assert facts() == before + 3
    model = RegisteredModel.objects.get(name="fraud-cards")
    entry = LogEntry.objects.filter(stream=model.uri, event="policy.bound").get()
    assert entry.actor_id == str(world.people["admin"].pk)
    assert PolicyBinding.objects.get(registered_model=model).bound_at == world.now
    # Again: nothing. A model that comes later has none: it is no standing rule.
    assert not any(one.changes for one in bind(world, "fraud*"))
    add_models(world, [*FRAUD, "fraud-new"])
    assert "fraud-new" not in bound()
    assert facts() == before + 3
    newer = second_version(world)
    done = bind(world, "*", policy=newer)
    assert {one.policy for one in done} == {"", "credit-decision@1"}
    assert set(bound().values()) == {("high", 2)}


def test_a_name_matches_itself_whatever_letters_it_has(world: World) -> None:
    add_models(world, FRAUD)
    assert [one.registered_model.name for one in bind(world, "Fraud-[old]")] == ["Fraud-[old]"]


def test_a_pattern_leaves_prompts_out(world: World) -> None:
    prompt = model_row("fraud-prompt", tags={"mlflow.prompt.is_prompt": "true"})
    walk(world, [row_of_the_world(), prompt, model_row("fraud-cards")], rows_of_the_world())
    assert [one.registered_model.name for one in bind(world, "fraud-*")] == ["fraud-cards"]
    assert [one.registered_model.name for one in bind(world, "fraud-prompt")] == ["fraud-prompt"]


def test_what_cannot_be_bound_is_refused_and_nothing_is(world: World) -> None:
    add_models(world, FRAUD)
    before, held = facts(), bound()
    for pattern, changed, error in (
        ("nothing-*", {}, UnknownVersion),
        ("", {}, InvalidRequest),
        ("fraud-\x00", {}, InvalidRequest),
        ("fraud-*", {"risk_tier": "low"}, PolicyNotBindable),
        ("fraud-*", {"shown": "another plan"}, BindingChanged),
    ):
        with pytest.raises(error):
            bind(world, pattern, **changed)
    for who in ("engineer", "reviewer", "auditor"):
        with pytest.raises(RoleRequired):
            bind(world, "fraud-*", who)
    for reference in ("none", "credit-decision@9", "credit-decision@x", "@1", "\0@1"):
        with pytest.raises(UnknownPolicy):
            find_policy(reference)
    assert (facts(), bound()) == (before, held)


def test_what_is_applied_is_what_was_shown(world: World) -> None:
    add_models(world, FRAUD)
    shown = digest_of_plan(plan_binding(**wanted(world, "fraud-*")))
    add_models(world, [*FRAUD, "fraud-new"])
    with pytest.raises(BindingChanged, match="Nothing was bound"):
        bind(world, "fraud-*", shown=shown)
    assert "fraud-cards" not in bound()
    shown = digest_of_plan(plan_binding(**wanted(world, "fraud-*")))
    assert len(bind(world, "fraud-*", shown=shown)) == 4


def test_all_or_none(world: World) -> None:
    """The database refuses one row of the many: no binding and no fact is left of the others."""
    add_models(world, FRAUD)
    before = facts()
    nobody = wanted(world, "fraud-*")
    nobody["policy"] = Policy(
        digest=f"sha256:{'0' * 64}",
        name="credit-decision",
        version=1,
        document=nobody["policy"].document,
    )
    with pytest.raises(Exception, match="violates foreign key"):
        bind(world, "fraud-*", policy=nobody["policy"])
    assert facts() == before
    assert set(bound()) == {MODEL}


def test_open_promotions_are_decided_again(world: World) -> None:
    promotion = world.request(2)
    decisions = promotion.decisions.count()
    bind(world, "*", policy=second_version(world))
    assert promotion.decisions.count() == decisions + 1


def test_the_audits_of_champions_are_taken_up_a_few_at_a_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    RegistrySource.objects.update(walked_at=None)
    add_models(world, [*FRAUD, "unbound"])
    for name in (*FRAUD[:2], "unbound"):
        lay_lineage(world, world.version(1, name))
    Job.objects.all().delete()
    bind(world, "fraud-*")
    audits = Job.objects.filter(kind=Job.Kind.PREDICTIONS_AUDIT)
    assert not audits.exists()
    monkeypatch.setattr(backlog, "MAX_QUEUED", 1)
    monkeypatch.setattr(backlog, "_REFILL_BELOW", 1)
    first, second = (world.version(1, name).uri for name in FRAUD[:2])
    tasks.take_up_open_work()
    tasks.take_up_open_work()  # one is queued, and that is enough
    assert [job.version_uri for job in audits] == [first]
    audits.update(status=Job.Status.FAILED)
    tasks.take_up_open_work()
    tasks.take_up_open_work()
    # What failed is not tried for ever; without a lineage record, or a policy, there is no audit.
    assert [job.version_uri for job in audits.order_by("created_at")] == [first, second]


def test_many_models_cost_as_many_queries_as_three(world: World) -> None:
    def queries(names: list[str], pattern: str) -> int:
        RegistrySource.objects.update(walked_at=None)  # adopted: nothing else is cheaper to make
        add_models(world, names)
        with CaptureQueriesContext(connection) as captured:
            assert len(bind(world, pattern)) == len(names)
        return len(captured)

    few = queries(["a-1", "a-2", "a-3"], "a-*")
    assert queries([f"b-{number}" for number in range(40)], "b-*") == few
    assert few < 30


def test_a_bulk_binding_waits_for_a_walk_and_for_whoever_holds_a_model(world: World) -> None:
    add_models(world, FRAUD)
    source = RegistrySource.objects.get()
    beside = Beside(lambda: bind(world, "fraud-*"))
    with one_walk_at_a_time(source):
        beside.start(waiting=1)
        assert set(bound()) == {MODEL}
    beside.join()
    assert beside.raised is None
    assert len(bound()) == 4
    newer = second_version(world)
    beside = Beside(lambda: bind(world, "fraud-*", policy=newer))
    with transaction.atomic():
        lock_streams({world.model("fraud-cards").uri})
        beside.start(waiting=1)
    beside.join()
    assert beside.raised is None
    assert bound()["fraud-cards"] == ("high", 2)


def test_the_command_shows_first_and_then_binds(world: World) -> None:
    add_models(world, FRAUD)
    command = ("registry", "bind", "fraud-*", "--policy", "credit-decision@1")
    options = ("--risk-tier", "high", "--as", "admin")
    out = StringIO()
    call_command(*command, *options, "--dry-run", stdout=out)
    assert "would be bound (dry run: nothing was) to 3 of the 3 models" in out.getvalue()
    assert "fraud-cards: none before" in out.getvalue()
    assert set(bound()) == {MODEL}
    out = StringIO()
    call_command(*command, *options, "--json", stdout=out)
    said = json.loads(out.getvalue())
    assert (said["done"], said["changed"], len(said["models"])) == (True, 3, 3)
    with pytest.raises(CommandError, match="may be bound to the risk tiers"):
        call_command(*command, "--risk-tier", "low", "--as", "admin")
