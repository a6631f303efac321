"""Each violation made for real, past MLflow: found, logged, alarmed and, if it can be, undone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import psycopg
import pytest
from django.utils import timezone

from accounts.services.people import actor_of
from audits.models import Alarm, LogEntry
from audits.selectors import decoded_statement
from lineage.errors import MlflowUnavailable
from registry import tasks
from registry.models import Grant, RegistrySource, Violation
from registry.services.evaluation import evaluate_version
from registry.services.modes import set_mode
from registry.services.reverting import MAX_ATTEMPTS, revertible_of
from tests.instance import INSTANCE
from tests.integration.registry.forwarder import Forwarder
from tests.integration.registry.live import (
    MODEL,
    LiveRegistry,
    behind_the_back,
    set_alias_behind_the_back,
)

PROMPT_TAG = "mlflow.prompt.is_prompt"


def move_alias() -> None:
    set_alias_behind_the_back("champion", 2)


def remove_alias() -> None:
    behind_the_back("DELETE FROM registered_model_aliases WHERE name = %s", MODEL)


def set_odd_alias() -> None:
    behind_the_back(
        "INSERT INTO registered_model_aliases (workspace, name, alias, version)"
        " VALUES ('default', %s, 'CHAMPION', 2)",
        MODEL,
    )


def change_stage() -> None:
    behind_the_back(
        "UPDATE model_versions SET current_stage = 'Production' WHERE name = %s AND version = 2",
        MODEL,
    )


def rename() -> None:
    behind_the_back("UPDATE registered_models SET name = 'mortgages' WHERE name = %s", MODEL)


def tag_version() -> None:
    behind_the_back(
        "INSERT INTO model_version_tags (workspace, name, version, key, value)"
        " VALUES ('default', %s, 1, 'muniment.approved', 'yes')",
        MODEL,
    )


def retag_version() -> None:
    behind_the_back(
        "UPDATE model_version_tags SET value = 'low' WHERE name = %s AND key = 'muniment.tier'",
        MODEL,
    )


def hide_model() -> None:
    behind_the_back(
        "INSERT INTO registered_model_tags (workspace, name, key, value)"
        f" VALUES ('default', %s, '{PROMPT_TAG}', 'true')",
        MODEL,
    )


def hide_version() -> None:
    behind_the_back(
        "INSERT INTO model_version_tags (workspace, name, version, key, value)"
        f" VALUES ('default', %s, 2, '{PROMPT_TAG}', 'true')",
        MODEL,
    )


def delete_version() -> None:
    behind_the_back("DELETE FROM model_versions WHERE name = %s AND version = 2", MODEL)


def delete_model() -> None:
    behind_the_back("DELETE FROM model_version_tags WHERE name = %s", MODEL)
    remove_alias()
    behind_the_back("DELETE FROM model_versions WHERE name = %s", MODEL)
    behind_the_back("DELETE FROM registered_models WHERE name = %s", MODEL)


def swap_source() -> None:
    behind_the_back(
        "UPDATE model_versions SET source = 's3://evil' WHERE name = %s AND version = 1", MODEL
    )


def registry_state() -> list[tuple[Any, ...]]:
    """Return what MLflow's own tables hold of the registry, times aside."""
    found: list[tuple[Any, ...]] = []
    with psycopg.connect(INSTANCE.stack.mlflow_database_url()) as connection:
        for statement in (
            "SELECT name FROM registered_models ORDER BY 1",
            "SELECT name, version, current_stage, source FROM model_versions ORDER BY 1, 2",
            "SELECT name, alias, version FROM registered_model_aliases ORDER BY 1, 2",
            "SELECT name, key, value FROM registered_model_tags ORDER BY 1, 2",
            "SELECT name, version, key, value FROM model_version_tags ORDER BY 1, 2, 3",
        ):
            found += connection.execute(statement).fetchall()
    return found


@pytest.fixture
def watched(live: LiveRegistry) -> LiveRegistry:
    """A registry with a champion and a governed tag, adopted, whose violations are reverted."""
    live.new_model()
    for _ in (1, 2):
        live.new_version()
    set_alias_behind_the_back("champion", 1)
    behind_the_back(
        "INSERT INTO model_version_tags (workspace, name, version, key, value)"
        " VALUES ('default', %s, 1, 'muniment.tier', 'high')",
        MODEL,
    )
    live.walk()
    RegistrySource.objects.update(on_violation="revert")
    return live


def revert_all() -> int:
    found = list(revertible_of(RegistrySource.objects.get()))
    for violation in found:
        tasks.revert_violation_in_mlflow(str(violation.pk))
    return len(found)


@pytest.mark.parametrize(
    ("violate", "event"),
    [
        (move_alias, "alias.moved"),
        (remove_alias, "alias.removed"),
        (set_odd_alias, "alias.set"),
        (change_stage, "version.changed"),
        (rename, "model.renamed"),
        (tag_version, "version.changed"),
        (retag_version, "version.changed"),
        (hide_model, "model.changed"),
        (hide_version, "version.changed"),
    ],
)
def test_what_mlflow_can_undo_is_undone(
    watched: LiveRegistry, violate: Callable[[], None], event: str
) -> None:
    before = registry_state()
    violate()
    assert registry_state() != before
    facts = watched.walk()
    assert [(fact.event, fact.is_violation) for fact in facts] == [(event, True)]
    assert Alarm.objects.filter(code="registry.violations", cleared_at=None).exists()
    violation = Violation.objects.get()
    assert violation.can_be_undone
    assert revert_all() == 1
    assert registry_state() == before
    done = watched.walk()
    assert [fact.is_violation for fact in done] == [False, False]
    assert done[-1].event == "violation.undone"
    detail = decoded_statement(done[-1]).predicate["detail"]
    assert detail == {
        "violation": facts[0].sha256,
        "change": event,
        "by_muniment": True,
    }
    violation.refresh_from_db()
    assert (violation.status, violation.attempts, violation.failure) == ("undone", 1, "")
    assert not Alarm.objects.filter(cleared_at=None).exists()
    # Through the store, by a grant for exactly that; none of them is left that could be used.
    statuses = set(Grant.objects.values_list("status", flat=True))
    assert statuses <= {"confirmed", "written"}
    assert watched.walk() == []


@pytest.mark.parametrize(
    ("violate", "event"),
    [
        (delete_version, "version.gone"),
        (delete_model, "model.gone"),
        (swap_source, "version.changed"),
    ],
)
def test_what_nothing_can_undo_alarms_and_denies(
    watched: LiveRegistry, violate: Callable[[], None], event: str
) -> None:
    number = 2 if event == "version.gone" else 1
    version = watched.version(number)
    violate()
    facts = watched.walk()
    (found,) = [fact for fact in facts if fact.event == event]
    assert found.is_violation
    assert decoded_statement(found).predicate["detail"]["standing"] is True
    assert Alarm.objects.filter(code="registry.violations", cleared_at=None).exists()
    assert not any(one.event == event for one in revertible_of(RegistrySource.objects.get()))
    view = evaluate_version(version=version, alias="champion", as_of=timezone.now()).view
    assert (found.sha256, event) in {(one.digest, one.event) for one in view.violations}


def test_two_wrong_moves_in_a_row_are_undone_to_where_the_first_began(
    watched: LiveRegistry,
) -> None:
    before = registry_state()
    move_alias()
    watched.walk()
    remove_alias()
    watched.walk()
    assert revert_all() == 1
    assert registry_state() == before
    watched.walk()
    assert sorted(Violation.objects.values_list("status", flat=True)) == ["superseded", "undone"]


def test_an_alias_that_moved_on_is_left_to_the_next_walk(watched: LiveRegistry) -> None:
    move_alias()
    watched.walk()
    remove_alias()
    assert revert_all() == 1
    assert watched.champion() is None
    assert Violation.objects.get().attempts == 0


@pytest.mark.parametrize("mode", ["warn", "observe"])
def test_only_what_is_enforced_is_undone(watched: LiveRegistry, mode: str) -> None:
    move_alias()
    watched.walk()
    set_mode(
        source=RegistrySource.objects.get(),
        pattern="*",
        mode=mode,
        actor=actor_of(watched.world.people["admin"]),
        now=timezone.now(),
    )
    revert_all()
    assert watched.champion() == 2


def test_a_source_that_only_alarms_is_not_touched(watched: LiveRegistry) -> None:
    RegistrySource.objects.update(on_violation="alarm")
    move_alias()
    watched.walk()
    revert_all()
    assert watched.champion() == 2
    assert Violation.objects.get().status == "open"


def test_one_that_mlflow_refuses_is_tried_a_few_times_and_says_why(
    watched: LiveRegistry,
) -> None:
    rename()
    watched.new_model()  # somebody took the name
    watched.walk()
    for _ in range(MAX_ATTEMPTS + 2):
        revert_all()
    violation = Violation.objects.get(event="model.renamed")
    assert violation.attempts == MAX_ATTEMPTS
    assert "already exists" in violation.failure
    assert violation.status == "open"


def test_an_outage_uses_up_no_attempt(watched: LiveRegistry, forwarder: Forwarder) -> None:
    before = registry_state()
    change_stage()
    watched.walk()
    forwarder.drop_before = "POST /api/2.0/mlflow/model-versions/transition-stage"
    for _ in range(MAX_ATTEMPTS + 1):
        with pytest.raises(MlflowUnavailable):
            revert_all()
    assert len(forwarder.grants) == MAX_ATTEMPTS + 1
    assert Violation.objects.get().attempts == 0
    forwarder.heal()
    assert revert_all() == 1
    assert registry_state() == before
    assert Violation.objects.get().attempts == 1


def test_what_muniment_put_back_is_its_own_deed_when_the_answer_was_lost(
    watched: LiveRegistry, forwarder: Forwarder
) -> None:
    before = registry_state()
    change_stage()
    watched.walk()
    forwarder.drop_after = "POST /api/2.0/mlflow/model-versions/transition-stage"
    with pytest.raises(MlflowUnavailable):
        revert_all()
    assert registry_state() == before
    done = watched.walk()[-1]
    assert decoded_statement(done).predicate["detail"]["by_muniment"] is True
    assert Violation.objects.get().status == "undone"


def test_a_restore_grant_is_for_one_change_once(
    watched: LiveRegistry, forwarder: Forwarder
) -> None:
    move_alias()
    watched.walk()
    revert_all()
    (token,) = forwarder.grants
    move_alias()
    # Used up, and for another version or alias none at all.
    for alias, number in (("champion", "1"), ("champion", "2"), ("Champion", "1")):
        answer = httpx.post(
            f"{watched.url}/api/2.0/mlflow/registered-models/alias",
            json={"name": MODEL, "alias": alias, "version": number},
            headers={"Muniment-Grant": token},
            trust_env=False,
        )
        assert answer.status_code == 403, answer.text
    assert watched.champion() == 2
    assert LogEntry.objects.filter(is_violation=True).count() == 1


def test_a_model_does_not_escape_by_a_name_that_nobody_watches(watched: LiveRegistry) -> None:
    source = RegistrySource.objects.get()
    for pattern, mode in (("*", "observe"), (MODEL, "enforce")):
        set_mode(
            source=source,
            pattern=pattern,
            mode=mode,
            actor=actor_of(watched.world.people["admin"]),
            now=timezone.now(),
        )
    before = registry_state()
    rename()
    (fact,) = watched.walk()
    assert (fact.event, fact.is_violation) == ("model.renamed", True)
    assert revert_all() == 1
    assert registry_state() == before


def standing_events() -> set[str]:
    return {violation.entry.event for violation in Violation.objects.filter(can_be_undone=False)}


def test_one_field_put_back_does_not_cover_another_that_was_changed(
    watched: LiveRegistry,
) -> None:
    change_stage()
    watched.walk()
    behind_the_back(
        "UPDATE model_versions SET current_stage = 'None', source = 's3://evil'"
        " WHERE name = %s AND version = 2",
        MODEL,
    )
    (fact,) = watched.walk()
    assert fact.is_violation
    assert standing_events() == {"version.changed"}


def test_hidden_and_pointed_elsewhere_at_once_is_shown_again_and_stands(
    watched: LiveRegistry,
) -> None:
    hide_version()
    behind_the_back(
        "UPDATE model_versions SET source = 's3://evil' WHERE name = %s AND version = 2", MODEL
    )
    watched.walk()
    assert standing_events() == {"version.changed"}
    assert revert_all() == 1
    assert (MODEL, 2, PROMPT_TAG, "true") not in registry_state()
    watched.walk()
    # What can be put back is there again: nothing more is tried, and the rest stands.
    assert revert_all() == 0
    assert Violation.objects.get(status="open").attempts == 1


def test_a_version_deleted_and_made_again_with_other_files_stays_denied(
    watched: LiveRegistry,
) -> None:
    delete_version()
    watched.walk()
    behind_the_back(
        "INSERT INTO model_versions (workspace, name, version, creation_time, current_stage,"
        " source, status) SELECT workspace, name, 2, %s, 'None', 's3://evil', 'READY'"
        " FROM model_versions WHERE name = %s AND version = 1",
        watched.version(2).creation_timestamp_ms,
        MODEL,
    )
    facts = watched.walk()
    assert [(fact.event, fact.is_violation) for fact in facts] == [("version.appeared", True)]
    assert standing_events() == {"version.gone", "version.appeared"}
    assert not Violation.objects.filter(status="undone").exists()
    decision = evaluate_version(
        version=watched.version(2), alias="champion", as_of=timezone.now()
    ).view
    assert {one.event for one in decision.violations} == {"version.gone", "version.appeared"}


def test_what_is_smuggled_into_a_new_version_is_a_violation(watched: LiveRegistry) -> None:
    watched.new_version()
    behind_the_back(
        "INSERT INTO model_version_tags (workspace, name, version, key, value)"
        " VALUES ('default', %s, 3, 'muniment.approved', 'yes')",
        MODEL,
    )
    (fact,) = watched.walk()
    assert (fact.event, fact.is_violation) == ("version.appeared", True)
    assert revert_all() == 1
    assert (MODEL, 3, "muniment.approved", "yes") not in registry_state()
    watched.walk()
    assert Violation.objects.get().status == "undone"


def test_a_model_hidden_as_a_prompt_is_not_deleted_as_one(watched: LiveRegistry) -> None:
    hide_model()
    watched.walk()
    delete_version()
    facts = watched.walk()
    assert ("version.gone", True) in [(fact.event, fact.is_violation) for fact in facts]
    assert "version.gone" in standing_events()


def test_a_real_prompt_keeps_an_alias_of_any_name_and_may_go(watched: LiveRegistry) -> None:
    prompt = [{"key": PROMPT_TAG, "value": "true"}]
    watched.new_model("greeting", tags=prompt)
    watched.trainer.version("greeting", source="prompt-template", tags=prompt)
    watched.walk()
    alias = {"name": "greeting", "alias": "champion", "version": "1"}
    watched.trainer.call("POST", "registered-models/alias", alias)
    facts = watched.walk()
    watched.trainer.call("DELETE", "registered-models/delete", {"name": "greeting"})
    facts += watched.walk()
    assert {"alias.set", "model.gone"} <= {fact.event for fact in facts}
    assert not any(fact.is_violation for fact in facts)


def test_nothing_is_done_unseen_under_a_name_that_nobody_watches(watched: LiveRegistry) -> None:
    source = RegistrySource.objects.get()
    for pattern, mode in (("*", "observe"), (MODEL, "enforce")):
        set_mode(
            source=source,
            pattern=pattern,
            mode=mode,
            actor=actor_of(watched.world.people["admin"]),
            now=timezone.now(),
        )
    rename()
    behind_the_back("UPDATE registered_model_aliases SET version = 2 WHERE alias = 'champion'")
    behind_the_back("UPDATE model_versions SET source = 's3://evil' WHERE version = 2")
    facts = watched.walk()
    assert {fact.event: fact.is_violation for fact in facts} == {
        "model.renamed": True,
        "version.changed": True,
        "alias.moved": True,
    }
    assert Violation.objects.count() == 3
    revert_all()
    watched.walk()  # which learns that the name is back, under which the alias is
    revert_all()
    assert watched.champion() == 1
