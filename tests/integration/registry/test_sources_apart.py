"""Several registry sources: each mirrored on its own, reached with its own credentials."""

from __future__ import annotations

import base64
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from audits.models import Alarm
from lineage.errors import MlflowUnavailable
from registry import tasks
from registry.errors import SourceUnusable
from registry.models import RegisteredModel, RegistrySource
from registry.services.mirror import walk_source
from tests.integration.registry.forwarder import Forwarder
from tests.integration.registry.live import MODEL, LiveRegistry


def add(name: str, uri: str, **fields: object) -> RegistrySource:
    return RegistrySource.objects.create(name=name, uri=uri, **fields)


def walk(name: str, *, later: timedelta = timedelta()) -> int:
    return len(walk_source(source_name=name, clock=lambda: timezone.now() + later))


def test_one_name_in_two_sources_is_two_models(live: LiveRegistry) -> None:
    live.new_model()
    live.new_version()
    add("other", live.url)
    assert walk("other") == 2
    live.walk()
    models = {model.source_id: model for model in RegisteredModel.objects.filter(name=MODEL)}
    assert set(models) == {"default", "other"}
    assert models["default"].uri.startswith("muniment://default/")
    assert models["other"].uri.startswith("muniment://other/")
    assert walk("other") == 0


def test_a_source_that_does_not_answer_holds_up_no_other_one(live: LiveRegistry) -> None:
    live.new_model()
    add("down", "http://127.0.0.1:9", connect_timeout_seconds=0.2)
    with pytest.raises(MlflowUnavailable):
        walk("down")
    live.walk()
    down = RegistrySource.objects.get(name="down")
    assert (down.walked_at, down.failing_since is None) == (None, False)
    assert RegistrySource.objects.get(name="default").walked_at is not None


def test_one_that_goes_unread_for_long_alarms_until_it_is_read(
    live: LiveRegistry, forwarder: Forwarder
) -> None:
    live.walk()
    source = RegistrySource.objects.get()
    forwarder.drop_before = "GET /api/2.0/mlflow/model-versions/search"
    for later, alarms in ((timedelta(), 0), (timedelta(minutes=29), 0), (timedelta(minutes=31), 1)):
        with pytest.raises(MlflowUnavailable):
            walk(source.name, later=later)
        assert Alarm.objects.filter(code="registry.unreachable", cleared_at=None).count() == alarms
    assert "has not been read since" in Alarm.objects.get().message
    forwarder.heal()
    live.walk()
    assert not Alarm.objects.filter(cleared_at=None).exists()
    source.refresh_from_db()
    assert (source.failure, source.failing_since) == ("", None)


@pytest.mark.parametrize(
    ("variables", "header"),
    [
        (
            {"username_variable": "REG_USER", "password_variable": "REG_PASSWORD"},
            "Basic " + base64.b64encode("ada:päss word".encode()).decode(),
        ),
        ({"token_variable": "REG_TOKEN"}, "Bearer s3cret"),
    ],
)
def test_credentials_come_from_the_environment_by_name(
    live: LiveRegistry,
    forwarder: Forwarder,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    header: str,
) -> None:
    live.new_model()
    monkeypatch.setenv("REG_USER", "ada")
    monkeypatch.setenv("REG_PASSWORD", "päss word")
    monkeypatch.setenv("REG_TOKEN", "s3cret")
    add("other", forwarder.url, **variables)
    assert walk("other") == 1
    assert set(forwarder.authorizations) == {header}
    row = str(RegistrySource.objects.filter(name="other").values().get())
    assert "s3cret" not in row
    assert "päss" not in row


def test_a_variable_or_bundle_that_is_not_there_asks_nobody_and_says_so(
    live: LiveRegistry, forwarder: Forwarder
) -> None:
    for name, fields in (
        ("no-token", {"token_variable": "NOT_GIVEN"}),
        ("no-bundle", {"ca_bundle": "/nowhere/ca.pem"}),
    ):
        add(name, forwarder.url, **fields)
        with pytest.raises(SourceUnusable):
            walk(name)
        assert str(next(iter(fields.values()))) in RegistrySource.objects.get(name=name).failure
    assert forwarder.take() == []


def test_the_beat_walks_every_source(live: LiveRegistry) -> None:
    live.new_model()
    add("other", live.url)
    # What the task sends for the others is taken by nobody here; each is its own task.
    tasks.walk_registry()
    tasks.walk_registry("other")
    assert RegistrySource.objects.filter(walked_at=None).count() == 0


def test_models_of_one_name_are_told_apart_by_their_source(live: LiveRegistry) -> None:
    """The default source's needs no more than its name; of two others neither is guessed."""
    live.new_model()
    live.new_version()
    for name in ("east", "west"):
        add(name, live.url, public_url=f"https://{name}.example")
        walk(name)
    reader = Client()
    reader.force_login(live.world.people["auditor"], "django.contrib.auth.backends.ModelBackend")
    page = f"/models/{MODEL}/versions/1/"
    answer = reader.get(page)
    assert answer.status_code == 409
    assert "east, west" in answer.content.decode()
    for source in ("east", "west"):
        shown = reader.get(f"{page}?source={source}").content.decode()
        assert f"https://{source}.example/#/models/{MODEL}/versions/1" in shown
        assert f'href="/models/{MODEL}/?source={source}"' in shown
        uri = RegisteredModel.objects.get(source=source).uri
        assert reader.get("/find", {"uri": uri})["Location"] == f"/models/{MODEL}/?source={source}"
    assert reader.get(f"{page}?source=north").status_code == 404
    live.walk()
    assert live.url in reader.get(page).content.decode()
    gate = f"/api/v1/models/{MODEL}/versions/1/gate"
    links = [
        reader.get(gate, {"alias": "champion", **query}).json()["links"]["version"]
        for query in ({}, {"source": "east"})
    ]
    assert links[0].endswith(page)
    assert links[1].endswith(f"{page}?source=east")
