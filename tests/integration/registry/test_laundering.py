"""One change does not hide another: returns, new rows, names, prompts, half restorations."""

from __future__ import annotations

from django.utils import timezone

from accounts.services.people import actor_of
from registry.models import RegistrySource, Violation
from registry.services.evaluation import evaluate_version
from registry.services.modes import set_mode
from tests.integration.registry.live import (
    MODEL,
    LiveRegistry,
    behind_the_back,
)
from tests.integration.registry.tampering import (
    PROMPT_TAG,
    change_stage,
    delete_version,
    hide_model,
    hide_version,
    registry_state,
    rename,
    revert_all,
)


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
