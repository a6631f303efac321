"""Registry sources: added, changed and removed by admins; credentials are named, never kept."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from django.conf import settings as configured
from django.utils import timezone

from accounts.services.people import actor_of
from audits.domain.actor import Actor
from audits.errors import RoleRequired
from audits.models import LogEntry
from registry.errors import InvalidRequest, SourceInUse, SourceUnusable, UnknownSource
from registry.models import ModeRule, RegistrySource
from registry.services.modes import set_mode
from registry.services.sources import (
    add_source,
    client_of,
    default_source,
    find_source,
    remove_source,
)
from tests.integration.web.world import World, build_people, fresh_log, model_row, walk

pytestmark = pytest.mark.usefixtures("committed_database")


@pytest.fixture
def people(committed_database: str, quick_passwords: None) -> World:
    """People and keys; no registry."""
    fresh_log()
    world = World(now=timezone.now())
    build_people(world)
    return world


@pytest.fixture
def admin(people: World) -> Actor:
    return actor_of(people.people["admin"])


def risk(**fields: Any) -> RegistrySource:
    return RegistrySource(**{"name": "risk", "uri": "https://mlflow.risk.example/x"} | fields)


def add(source: RegistrySource, actor: Actor) -> RegistrySource:
    return add_source(source=source, actor=actor, now=timezone.now())


def stated() -> list[dict[str, Any]]:
    """Return the predicates of every entry about a source, and all that the log holds of them."""
    entries = LogEntry.objects.filter(subject_name__startswith="source:").order_by("pk")
    return [_predicate(entry) for entry in entries]


def _predicate(entry: LogEntry) -> dict[str, Any]:
    payload = json.loads(bytes(entry.envelope))["payload"]
    predicate: dict[str, Any] = json.loads(base64.b64decode(payload))["predicate"]
    return predicate


def test_a_source_is_added_and_changed_with_a_fact_each(admin: Actor) -> None:
    add(risk(token_variable="RISK_TOKEN", hash_bytes_per_second=1_000_000), admin)
    add(risk(token_variable="RISK_TOKEN", hash_bytes_per_second=1_000_000), admin)
    add(risk(token_variable="RISK_TOKEN", on_violation="revert", ca_bundle="/etc/ca.pem"), admin)
    held = RegistrySource.objects.get(pk="risk")
    assert (held.on_violation, held.ca_bundle, held.hash_bytes_per_second) == (
        *("revert", "/etc/ca.pem"),
        None,
    )
    first, second = stated()
    assert (first["event"], first["before"]) == ("source.added", None)
    assert second["event"] == "source.changed"
    assert (second["before"]["hash_bytes_per_second"], second["after"]["on_violation"]) == (
        *(1_000_000, "revert"),
    )


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"name": "no spaces"}, "name: "),
    ({"name": ""}, "name: "),
    ({"uri": ""}, "uri: an http or https URL"),
    ({"uri": "ftp://mlflow.example"}, "uri: an http or https URL"),
    ({"uri": "https://user:secret@mlflow.example"}, "uri: no credentials in the URL"),
    ({"uri": "https://mlflow.example/?token=secret"}, "uri: an http or https URL without"),
    ({"uri": "https://mlflow.example/\x00"}, "uri: not an http or https URL"),
    ({"uri": f"https://mlflow.example/{'x' * 300}"}, "uri: at most 200 characters"),
    ({"public_url": "javascript:alert(1)"}, "public url: an http or https URL"),
    ({"password_variable": "hunter2"}, "never the credential itself"),
    ({"token_variable": "X" * 101}, "token variable: "),
    ({"webhook_secret_variable": "a secret"}, "webhook secret variable: give the name"),
    ({"ca_bundle": "ca.pem"}, "ca bundle: give the absolute path"),
    ({"connect_timeout_seconds": 0}, "connect timeout seconds: more than 0"),
    ({"connect_timeout_seconds": float("nan")}, "connect timeout seconds: more than 0"),
    ({"read_timeout_seconds": 601}, "read timeout seconds: more than 0 and at most 600"),
    ({"read_timeout_seconds": "soon"}, "read timeout seconds: "),
    ({"hash_bytes_per_second": 1}, "hash bytes per second: at least 1024"),
    ({"hash_bytes_per_second": 2**63}, "hash bytes per second: at least 1024"),
    ({"on_violation": "ignore"}, "on violation: "),
]


def test_what_makes_no_sense_is_refused_and_named(admin: Actor) -> None:
    for fields, words in REFUSED:
        with pytest.raises(InvalidRequest) as refused:
            add(risk(**fields), admin)
        assert words in str(refused.value), fields
        assert "secret@" not in str(refused.value)
    assert not RegistrySource.objects.exclude(name=configured.MUNIMENT_SOURCE).exists()
    assert stated() == []


def test_only_admins_touch_sources(people: World, admin: Actor) -> None:
    add(risk(), admin)
    reviewer = actor_of(people.people["reviewer"])
    with pytest.raises(RoleRequired):
        add(risk(on_violation="revert"), reviewer)
    with pytest.raises(RoleRequired):
        remove_source(source=risk(), actor=reviewer, now=timezone.now())
    assert RegistrySource.objects.get(pk="risk").on_violation == "alarm"
    assert len(stated()) == 1


def test_credentials_are_read_when_needed_and_kept_nowhere(
    admin: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = add(risk(username_variable="RISK_USER", password_variable="RISK_PASSWORD"), admin)
    monkeypatch.setenv("RISK_USER", "muniment")
    with pytest.raises(SourceUnusable, match="RISK_PASSWORD"):
        client_of(source)
    monkeypatch.setenv("RISK_PASSWORD", "correct-horse")
    assert client_of(source)
    held = json.dumps([list(RegistrySource.objects.values()), stated()], default=str)
    assert "RISK_PASSWORD" in held
    assert "correct-horse" not in held


def test_the_address_of_the_default_source_is_the_environments(admin: Actor) -> None:
    source = default_source()
    source.on_violation = "revert"
    add(source, admin)
    assert default_source().on_violation == "revert"
    with pytest.raises(InvalidRequest, match="MLFLOW_TRACKING_URI"):
        add(risk(name=configured.MUNIMENT_SOURCE), admin)
    assert default_source().uri == configured.MLFLOW_TRACKING_URI


def test_a_source_without_models_is_forgotten_with_a_fact_and_its_rules(admin: Actor) -> None:
    source = add(risk(), admin)
    set_mode(source=source, pattern="*", mode="warn", actor=admin, now=timezone.now())
    remove_source(source=source, actor=admin, now=timezone.now())
    assert not RegistrySource.objects.filter(pk="risk").exists()
    assert not ModeRule.objects.exists()
    last = stated()[-1]
    assert (last["event"], last["after"]) == ("source.removed", None)
    assert last["before"]["uri"] == "https://mlflow.risk.example/x"
    with pytest.raises(UnknownSource, match="registry list"):
        find_source("risk")


def test_a_source_that_facts_name_stays(people: World, admin: Actor, settings: Any) -> None:
    settings.MUNIMENT_SOURCE = "another"
    walk(people, [model_row()], [])
    walk(people, [], [])  # gone from MLflow, and still in the log
    held = RegistrySource.objects.get()
    with pytest.raises(SourceInUse, match="what the log says of them"):
        remove_source(source=held, actor=admin, now=timezone.now())
    with pytest.raises(SourceInUse, match="comes back"):
        remove_source(source=default_source(), actor=admin, now=timezone.now())
    assert RegistrySource.objects.count() == 2
