"""Each violation made for real, past MLflow: found, logged, alarmed and, if it can be, undone."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest
from django.utils import timezone

from accounts.services.people import actor_of
from audits.models import Alarm, LogEntry
from audits.selectors import decoded_statement
from lineage.errors import MlflowUnavailable
from registry.models import Grant, RegistrySource, Violation
from registry.services.evaluation import evaluate_version
from registry.services.modes import set_mode
from registry.services.reverting import MAX_ATTEMPTS, revertible_of
from tests.integration.registry.forwarder import Forwarder
from tests.integration.registry.live import (
    MODEL,
    LiveRegistry,
)
from tests.integration.registry.tampering import (
    change_stage,
    delete_model,
    delete_version,
    hide_model,
    hide_version,
    move_alias,
    registry_state,
    remove_alias,
    rename,
    retag_version,
    revert_all,
    set_odd_alias,
    swap_source,
    tag_version,
)


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
