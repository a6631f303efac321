"""Places that admins allow for data and code: facts in the log, and nothing by default."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.services.people import actor_of
from audits.domain.actor import Actor
from audits.errors import RoleRequired
from audits.models import LogEntry
from lineage.errors import PlaceInvalid, PlaceUnknown
from lineage.models import AllowedPlace
from lineage.services.places import access_of, allow_place, allowed_remotes, remove_place
from muniment.datasets import DatasetRefused, parse_location
from registry.errors import SourceInUse
from registry.models import RegistrySource
from registry.services.sources import add_source, remove_source
from tests.integration.web.world import World, build_people, fresh_log

pytestmark = pytest.mark.usefixtures("committed_database")


@pytest.fixture
def people(committed_database: str, quick_passwords: None) -> World:
    fresh_log()
    world = World(now=timezone.now())
    build_people(world)
    return world


@pytest.fixture
def admin(people: World) -> Actor:
    return actor_of(people.people["admin"])


def allow(actor: Actor, prefix: str, **fields: Any) -> AllowedPlace:
    fields = {"source_name": "mlflow", "kind": "data", **fields}
    place = AllowedPlace(prefix=prefix, **fields)
    return allow_place(place=place, actor=actor, now=timezone.now())


def stated() -> list[dict[str, Any]]:
    entries = LogEntry.objects.filter(event__startswith="place.").order_by("pk")
    payloads = [json.loads(bytes(entry.envelope))["payload"] for entry in entries]
    return [json.loads(base64.b64decode(payload))["predicate"] for payload in payloads]


def run(*arguments: str) -> dict[str, Any]:
    out = io.StringIO()
    call_command("places", *arguments, "--json", stdout=out)
    said: dict[str, Any] = json.loads(out.getvalue())
    return said


def test_nothing_is_allowed_by_default_and_sources_are_apart(admin: Actor) -> None:
    assert access_of("mlflow").places == allowed_remotes("mlflow") == ()
    with pytest.raises(DatasetRefused, match="places add"):
        access_of("mlflow").place_of(parse_location("/etc/passwd"))
    allow(admin, "/srv/data/")
    allow(admin, "https://git.bank.example/risk/", kind="code")
    assert [place.prefix for place in access_of("mlflow").places] == ["file:///srv/data"]
    assert allowed_remotes("mlflow") == ("https://git.bank.example/risk",)
    assert access_of("another").places == allowed_remotes("another") == ()


def test_each_change_is_a_fact_and_the_same_again_is_none(admin: Actor) -> None:
    for is_immutable in (False, False, True):
        allow(
            admin,
            "s3://loans/2026/",
            is_immutable=is_immutable,
            credentials={"key": "RISK_KEY", "secret": "RISK_SECRET"},
            options={"endpoint_url": "https://s3.bank.example"},
        )
    remove_place(
        source_name="mlflow", kind="data", prefix="s3a://loans/2026", actor=admin,
        now=timezone.now(),
    )  # fmt: skip
    added, changed, removed = stated()
    assert (added["event"], added["before"]) == ("place.allowed", None)
    assert added["after"]["credentials"] == {"key": "RISK_KEY", "secret": "RISK_SECRET"}
    assert (changed["before"]["is_immutable"], changed["after"]["is_immutable"]) == (False, True)
    assert (removed["event"], removed["after"]) == ("place.removed", None)
    assert not AllowedPlace.objects.exists()
    with pytest.raises(PlaceUnknown, match="places list"):
        remove_place(
            source_name="mlflow", kind="data", prefix="s3://loans/2026", actor=admin,
            now=timezone.now(),
        )  # fmt: skip


def test_only_admins_allow_and_take_back(people: World, admin: Actor) -> None:
    allow(admin, "/srv/data")
    for role in ("reviewer", "engineer"):
        actor = actor_of(people.people[role])
        with pytest.raises(RoleRequired):
            allow(actor, "/")
        with pytest.raises(RoleRequired):
            remove_place(
                source_name="mlflow", kind="data", prefix="/srv/data", actor=actor,
                now=timezone.now(),
            )  # fmt: skip
    assert AllowedPlace.objects.get().prefix == "file:///srv/data"
    assert len(stated()) == 1


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("srv/data", {}, "it begins with one of"),
    ("memory://data", {}, "it begins with one of"),
    ("/srv/../etc", {}, "none that are '.' or '..'"),
    ("https://me:secret@data.example/x", {}, "no user's name and no password"),
    ("https://data.example/x?token=secret", {}, "no query"),
    ("/srv/" + "x" * 1_000, {}, "at most 1000 characters"),
    ("s3://loans", {"options": {"anon": "no"}}, "takes the options endpoint_url, region_name"),
    ("s3://loans", {"options": {"secret": "hunter2"}}, "not 'secret'"),
    ("s3://loans", {"options": {"endpoint_url": "https://me:secret@s3"}}, "without credentials"),
    ("s3://loans", {"options": {"endpoint_url": "file:///etc"}}, "http or https URL"),
    ("s3://loans", {"credentials": {"key": "KEY", "secret": "hunter2"}}, "never the credential"),
    ("s3://loans", {"credentials": {"token": "TOKEN"}}, "key and secret together"),
    ("/srv/data", {"credentials": {"token": "TOKEN"}}, "takes no credentials"),
    ("http://data.example", {"credentials": {"token": "TOKEN"}}, "takes no credentials"),
    ("/srv/data", {"kind": "models"}, "one of data, code"),
    ("s3://loans", {"kind": "code"}, "Not a place of code"),
    ("https://me:secret@git.example/x", {"kind": "code"}, "names a user or password"),
    ("https://git.example/a/../b", {"kind": "code"}, "something odd in its path"),
    ("ext::sh -c id", {"kind": "code"}, "Not a place of code"),
    ("https://git.example/", {"kind": "code", "is_immutable": True}, "takes no options"),
]  # fmt: skip


def test_what_is_no_place_is_refused_and_named(admin: Actor) -> None:
    for prefix, fields, words in REFUSED:
        with pytest.raises(PlaceInvalid) as refused:
            allow(admin, prefix, **fields)
        assert words in str(refused.value), (prefix, str(refused.value))
        assert "hunter2" not in str(refused.value).replace("'secret'", "")
        assert "secret@" not in str(refused.value)
    assert not AllowedPlace.objects.exists()
    assert stated() == []


def test_the_command_adds_lists_and_removes(people: World) -> None:
    out = io.StringIO()
    call_command("places", "list", stdout=out)
    assert "No place is allowed" in out.getvalue()
    assert "manage.py places add" in out.getvalue()
    added = run(
        "add", "s3://loans/2026", "--as", "admin", "--immutable",
        "--option", "endpoint_url=https://s3.bank.example",
        "--credential", "key=RISK_KEY", "--credential", "secret=RISK_SECRET",
    )  # fmt: skip
    assert added["is_immutable"] is True
    run("add", "https://git.bank.example/risk/", "--kind", "code", "--as", "admin")
    [data] = [place for place in run("list")["places"] if place["kind"] == "data"]
    assert data["credentials"] == {"key": "RISK_KEY", "secret": "RISK_SECRET"}
    out = io.StringIO()
    call_command("places", "list", stdout=out)
    assert "nothing is overwritten there" in out.getvalue()
    run("remove", "s3://loans/2026", "--as", "admin")
    assert [place["kind"] for place in run("list")["places"]] == ["code"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("add", "/srv", "--as", "nobody"), "nobody called nobody"),
        (("add", "/srv", "--as", "reviewer"), "you need the role admin"),
        (("add", "/srv", "--as", "admin", "--source", "none"), "no registry source"),
        (("add", "s3://x", "--as", "admin", "--option", "x"), "an equals sign"),
        (("remove", "/srv", "--as", "admin"), "is no place that is allowed"),
    ],
)
def test_the_command_says_what_is_wrong(
    people: World, arguments: tuple[str, ...], words: str
) -> None:
    with pytest.raises(CommandError, match=words):
        call_command("places", *arguments)


def test_a_source_with_places_is_not_forgotten(admin: Actor) -> None:
    """Else another registry of its name would open what was allowed for this one."""
    source = RegistrySource(name="risk", uri="https://mlflow.risk.example")
    add_source(source=source, actor=admin, now=timezone.now())
    for kind, prefix in (("data", "/srv/data"), ("code", "/srv/git")):
        allow(admin, prefix, source_name="risk", kind=kind)
        with pytest.raises(SourceInUse, match="places list"):
            remove_source(source=source, actor=admin, now=timezone.now())
        remove_place(source_name="risk", kind=kind, prefix=prefix, actor=admin, now=timezone.now())
    remove_source(source=source, actor=admin, now=timezone.now())
