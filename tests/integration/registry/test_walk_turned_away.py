"""Walking an MLflow that answers 429: it is waited for, and nothing is lost meanwhile."""

from __future__ import annotations

import time

import pytest

from lineage.errors import MlflowUnavailable
from registry.models import ModelVersion, RegisteredModel, RegistrySource
from tests.integration.registry.forwarder import RETRY_AFTER_SECONDS, Forwarder
from tests.integration.registry.live import LiveRegistry, set_alias_behind_the_back

FOR_EVER = 10**9


def test_a_walk_that_is_turned_away_for_a_while_waits_as_long_as_it_is_asked_to(
    live: LiveRegistry, forwarder: Forwarder
) -> None:
    live.new_model()
    live.new_version()
    forwarder.turned_away = 2
    begun = time.monotonic()
    assert [fact.event for fact in live.walk()] == ["model.adopted"]
    # Waits are shortened at random by up to 30 %; both without Retry-After come to 0.75 s at most.
    assert time.monotonic() - begun >= 2 * RETRY_AFTER_SECONDS * 0.7
    assert forwarder.turned_away == 0
    assert ModelVersion.objects.count() == 1
    source = RegistrySource.objects.get()
    assert (source.failure, source.failing_since) == ("", None)
    assert source.walked_at is not None


def test_a_walk_that_is_turned_away_for_ever_is_remembered_and_loses_nothing(
    live: LiveRegistry, forwarder: Forwarder
) -> None:
    live.new_model()
    live.new_version()
    live.walk()
    walked_at = RegistrySource.objects.get().walked_at
    live.new_version()
    live.new_model("other")
    set_alias_behind_the_back("champion", 2)
    forwarder.turned_away = FOR_EVER
    with pytest.raises(MlflowUnavailable) as caught:
        live.walk()
    assert caught.value.status == 429
    source = RegistrySource.objects.get()
    assert "429" in source.failure
    assert source.failing_since is not None
    assert source.walked_at == walked_at
    assert RegisteredModel.objects.filter(gone_at=None).count() == 1
    assert ModelVersion.objects.filter(gone_at=None).count() == 1
    forwarder.heal()
    seen = [(fact.event, fact.is_violation) for fact in live.walk()]
    assert sorted(seen) == [
        ("alias.set", True),
        ("model.appeared", False),
        ("version.appeared", False),
    ]
    source.refresh_from_db()
    assert (source.failure, source.failing_since) == ("", None)
    assert live.walk() == []
