"""The mirror: what a walk of a real MLflow writes, and what it does not."""

from __future__ import annotations

from datetime import UTC, datetime

from django.db import connection
from django.test.utils import CaptureQueriesContext

from audits.models import Job, LogEntry
from audits.selectors import decoded_statement
from registry.models import AliasChange, ModelAlias, ModelVersion, RegisteredModel, RegistrySource
from tests.integration.registry.forwarder import Forwarder
from tests.integration.registry.live import MODEL, LiveRegistry, behind_the_back
from tests.integration.web.world import EPOCH_MS, World, model_row, version_row, walk


def events(facts: list[LogEntry]) -> list[str]:
    return [fact.event for fact in facts]


def test_models_versions_and_aliases_are_mirrored_each_with_a_fact(live: LiveRegistry) -> None:
    live.walk()  # of an empty registry: what comes now is new
    live.new_model(description="Approves loans.", tags=[{"key": "team", "value": "credit"}])
    live.new_version(tags=[{"key": "stage", "value": "raw"}], description="First.")
    live.new_version()
    live.trainer.call(
        "POST",
        "registered-models/alias",
        {"name": MODEL, "alias": "shadow", "version": "2"},
    )
    facts = live.walk()
    assert events(facts) == [
        "model.appeared",
        "version.appeared",
        "version.appeared",
        "alias.set",
    ]
    model = RegisteredModel.objects.get()
    assert (model.name, model.description, model.tags) == (
        MODEL,
        "Approves loans.",
        {"team": "credit"},
    )
    first = live.version(1)
    assert (first.description, first.tags, first.source_uri) == (
        "First.",
        {"stage": "raw"},
        "s3://bucket/model",
    )
    assert [(row.alias, row.version.version) for row in ModelAlias.objects.all()] == [("shadow", 2)]
    assert [fact.stream_seq for fact in facts] == [0, 1, 2, 3]
    assert {fact.stream for fact in facts} == {model.uri}
    assert not any(fact.is_violation for fact in facts)
    assert Job.objects.filter(kind=Job.Kind.LINEAGE, status=Job.Status.QUEUED).count() == 2
    source = RegistrySource.objects.get()
    assert source.walked_at is not None
    assert source.failure == ""


def test_a_walk_is_two_lists_however_many_models_and_versions_there_are(
    live: LiveRegistry, forwarder: Forwarder
) -> None:
    live.new_model()
    live.new_version()
    live.walk()
    few = forwarder.take()
    for name in ("one", "two", "three"):
        live.new_model(name)
        for _ in range(3):
            live.new_version(name)
    live.walk()
    many = forwarder.take()
    assert few == many
    # Each list is asked for twice: MLflow leaves prompts out of the first.
    assert sorted(set(many)) == [
        "GET /api/2.0/mlflow/model-versions/search",
        "GET /api/2.0/mlflow/registered-models/search",
    ]
    assert len(many) == 4


def test_an_unchanged_walk_writes_nothing_with_as_many_queries_for_any_number_of_versions(
    live: LiveRegistry,
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert live.walk() == []
        return len(captured)

    live.new_model()
    live.new_version()
    live.walk()
    live.work()
    few = queries()
    for name in ("one", "two"):
        live.new_model(name)
        for _ in range(4):
            live.new_version(name)
    assert len(live.walk()) == 10
    live.work()
    assert queries() == few


def test_changed_tags_and_descriptions_are_facts_of_what_differs(live: LiveRegistry) -> None:
    live.new_model(description="Old.")
    live.new_version()
    live.walk()
    live.trainer.call("PATCH", "registered-models/update", {"name": MODEL, "description": "New."})
    live.trainer.call(
        "POST",
        "model-versions/set-tag",
        {"name": MODEL, "version": "1", "key": "reviewed", "value": "no"},
    )
    facts = live.walk()
    assert events(facts) == ["model.changed", "version.changed"]
    of_model, of_version = (decoded_statement(fact).predicate for fact in facts)
    assert (of_model["before"], of_model["after"]) == (
        {"description": "Old."},
        {"description": "New."},
    )
    assert (of_version["before"], of_version["after"]) == (
        {"tags": {}},
        {"tags": {"reviewed": "no"}},
    )
    assert live.version(1).tags == {"reviewed": "no"}
    assert not any(fact.is_violation for fact in facts)
    assert live.walk() == []


def test_an_alias_that_is_not_governed_moves_freely(live: LiveRegistry) -> None:
    live.new_model()
    live.new_version()
    live.new_version()
    live.walk()
    for number in ("1", "2"):
        live.trainer.call(
            "POST",
            "registered-models/alias",
            {"name": MODEL, "alias": "shadow", "version": number},
        )
        facts = live.walk()
        assert not facts[0].is_violation
    live.trainer.call("DELETE", "registered-models/alias", {"name": MODEL, "alias": "shadow"})
    assert events(live.walk()) == ["alias.removed"]
    assert [
        (change.before and change.before.version, change.after and change.after.version)
        for change in AliasChange.objects.order_by("pk")
    ] == [(None, 1), (1, 2), (2, None)]
    assert not AliasChange.objects.filter(is_violation=True).exists()
    assert not ModelAlias.objects.exists()


def test_a_version_deleted_behind_our_back_is_gone_and_a_violation(live: LiveRegistry) -> None:
    live.new_model()
    live.new_version()
    live.new_version()
    live.walk()
    behind_the_back("DELETE FROM model_versions WHERE name = %s AND version = 1", MODEL)
    facts = live.walk()
    assert events(facts) == ["version.gone"]
    assert facts[0].is_violation
    assert live.version(1).gone_at is not None
    assert live.version(2).gone_at is None
    assert live.walk() == []


def test_a_model_deleted_and_made_again_is_another_model(live: LiveRegistry) -> None:
    live.new_model()
    live.new_version()
    live.walk()
    old = RegisteredModel.objects.get()
    behind_the_back("TRUNCATE registered_models CASCADE")
    live.new_model()
    live.new_version()
    facts = live.walk()
    assert sorted(events(facts)) == [
        "model.appeared",
        "model.gone",
        "version.appeared",
        "version.gone",
    ]
    old.refresh_from_db()
    new = RegisteredModel.objects.get(gone_at=None)
    assert old.gone_at is not None
    assert new.name == old.name
    assert new.uri != old.uri
    assert [version.uri for version in ModelVersion.objects.filter(gone_at=None)] == [
        f"{new.uri}/versions/1"
    ]
    assert live.walk() == []


def test_a_renamed_model_keeps_its_identity_and_its_stream(live: LiveRegistry) -> None:
    live.new_model()
    live.new_version()
    live.walk()
    before = RegisteredModel.objects.get()
    behind_the_back("UPDATE registered_models SET name = 'mortgages' WHERE name = %s", MODEL)
    facts = live.walk()
    assert events(facts) == ["model.renamed"]
    assert facts[0].is_violation
    after = RegisteredModel.objects.get()
    assert (after.pk, after.uri, after.name) == (before.pk, before.uri, "mortgages")
    assert live.walk() == []


def test_two_models_that_swap_their_names_keep_their_histories(live: LiveRegistry) -> None:
    for name in ("one", "two"):
        live.new_model(name, description=f"I was {name}.")
    live.walk()
    for old, new in (("one", "between"), ("two", "one"), ("between", "two")):
        behind_the_back("UPDATE registered_models SET name = %s WHERE name = %s", new, old)
    assert events(live.walk()) == ["model.renamed", "model.renamed"]
    assert {model.name: model.description for model in RegisteredModel.objects.all()} == {
        "one": "I was two.",
        "two": "I was one.",
    }


def test_a_name_that_a_renamed_model_gave_up_may_be_taken_at_once(live: LiveRegistry) -> None:
    live.new_model("alpha")
    live.walk()
    behind_the_back("UPDATE registered_models SET name = 'omega' WHERE name = 'alpha'")
    live.new_model("alpha")
    assert sorted(events(live.walk())) == ["model.appeared", "model.renamed"]
    assert {model.name: model.first_seen_name for model in RegisteredModel.objects.all()} == {
        "omega": "alpha",
        "alpha": "alpha",
    }


def test_who_takes_a_name_waits_while_a_torn_walk_cannot_tell_that_it_is_free(
    committed_database: str,
) -> None:
    world = World(now=datetime.now(UTC))
    old = model_row("alpha", creation_timestamp_ms=1_000)
    new = model_row("alpha", creation_timestamp_ms=EPOCH_MS + 10**9)
    beta = model_row("beta")
    walk(world, [old, beta], [version_row(1, "alpha")])
    walk(world, [new], [version_row(1, "alpha")])  # of the old one, as MLflow listed it before
    living = RegisteredModel.objects.filter(gone_at=None)
    assert [model.creation_timestamp_ms for model in living] == [1_000]  # beta is gone all the same
    walk(world, [new], [])
    assert [model.creation_timestamp_ms for model in living.all()] == [EPOCH_MS + 10**9]


def test_a_version_whose_creation_time_was_written_over_hides_nothing(live: LiveRegistry) -> None:
    live.new_model()
    live.new_version()
    live.new_model("other")
    live.walk()
    behind_the_back("DELETE FROM registered_models WHERE name = 'other'")
    behind_the_back(
        "UPDATE model_versions SET creation_time = creation_time + 1, source = 's3://evil',"
        " current_stage = 'Production' WHERE name = %s",
        MODEL,
    )
    facts = live.walk()
    assert sorted((fact.event, fact.is_violation) for fact in facts) == [
        ("model.gone", True),
        ("version.changed", True),
    ]
    assert live.version(1).source_uri == "s3://evil"
    assert live.walk() == []
