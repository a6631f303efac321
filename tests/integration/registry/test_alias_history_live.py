"""Who was champion when, at a real MLflow that others change behind Muniment's back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from django.test import Client
from django.utils import timezone

from registry.domain.moments import rfc3339
from registry.models import RegisteredModel, Violation
from tests.integration.registry.live import (
    MODEL,
    LiveRegistry,
    behind_the_back,
    empty_mlflow,
    set_alias_behind_the_back,
)


def add_alias(alias: str, version: int) -> None:
    """Add an alias past MLflow, which never gives two that differ in letter case alone."""
    behind_the_back(
        "INSERT INTO registered_model_aliases (workspace, name, alias, version)"
        " VALUES ('default', %s, %s, %s)",
        *(MODEL, alias, version),
    )


def test_every_answer_is_what_was_true_then(live: LiveRegistry) -> None:
    reader = Client()
    reader.force_login(live.world.people["auditor"], "django.contrib.auth.backends.ModelBackend")

    def asked(at: datetime | str) -> dict[str, list[tuple[Any, ...]]]:
        text = at if isinstance(at, str) else rfc3339(at)
        answer = reader.get(f"/api/v1/models/{MODEL}/aliases", {"at": text})
        assert answer.status_code == 200, answer.content
        return {
            f"{told['alias']} of {told['model_uri']}": [
                (one["holding"], one["version"], one["cause"]) for one in told["periods"]
            ]
            for told in answer.json()["results"]
        }

    truths: list[tuple[datetime, dict[str, list[tuple[Any, ...]]]]] = []

    def remember(**aliases: tuple[Any, ...]) -> None:
        """Note what is true from now on, until the next walk."""
        uri = RegisteredModel.objects.latest("pk").uri
        truths.append(
            (timezone.now(), {f"{alias} of {uri}": [held] for alias, held in aliases.items()})
        )

    live.new_model()
    for _ in (1, 2):
        live.new_version()
    set_alias_behind_the_back("champion", 1)
    before = timezone.now()
    live.walk()
    first = RegisteredModel.objects.get()
    remember(champion=("held", 1, "adopted"))
    set_alias_behind_the_back("champion", 2)
    live.walk()
    remember(champion=("held", 2, "violation"))
    add_alias("Champion", 1)
    live.walk()
    remember(champion=("held", 2, "violation"), Champion=("held", 1, "violation"))
    set_alias_behind_the_back("champion", 1)
    live.walk()
    gone = Violation.objects.filter(alias="Champion").latest("found_at")
    assert gone.status == "undone"
    remember(champion=("held", 1, "restored"), Champion=("nobody", None, "restored"))
    empty_mlflow()
    live.walk()
    remember(champion=("gone", None, "gone"), Champion=("gone", None, "gone"))
    last_of_first = truths[-1]
    live.new_model()
    live.new_version()
    set_alias_behind_the_back("champion", 1)
    live.walk()
    second = RegisteredModel.objects.latest("pk")
    assert second.uri != first.uri
    remember(champion=("held", 1, "violation"))

    unwatched = {
        f"{alias} of {first.uri}": ("unknown", None, None) for alias in ("champion", "Champion")
    }
    answered = asked(before)
    assert {name: told for name, [told] in answered.items() if first.uri in name} == unwatched
    for moment, truth in truths:
        answered = asked(moment)
        assert {name: answered[name] for name in truth} == truth, moment
    now = asked(truths[-1][0])
    assert {name: now[name] for name in last_of_first[1]} == last_of_first[1]
    # The whole day names them all, in order, and begins with what nobody can know.
    days = {f"{moment.astimezone(UTC):%Y-%m-%d}" for moment, _ in truths}
    of_days = dict.fromkeys(
        told for day in sorted(days) for told in asked(day)[f"champion of {first.uri}"]
    )
    assert [version for kind, version, _ in of_days if kind == "held"][:3] == [1, 2, 1]
    assert next(iter(of_days))[0] == "unknown"
    page = reader.get(f"/models/{MODEL}/aliases/", {"at": rfc3339(before - timedelta(days=99))})
    assert "Muniment did not watch yet" in page.content.decode()
    assert "which is later" in page.content.decode()
