"""A registry that was there before Muniment: adopted without crying wolf, hashed in its turn."""

from __future__ import annotations

import time
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone
from redis import Redis

from audits.models import Alarm, Job, LogEntry
from audits.selectors import decoded_statement
from audits.services.keys import enroll_keys
from registry.domain.identity import version_uri
from registry.domain.mirror import ModelRow, VersionRow, Walk, mapping_hash, row_mapping
from registry.models import (
    AliasChange,
    ModelVersion,
    RegisteredModel,
    RegistrySource,
    Violation,
)
from registry.services import mirror
from registry.services.backlog import MAX_QUEUED, backlog_of, order_backlog
from registry.services.mirror import apply_walk
from registry.services.pace import pace_of
from tests.integration.registry.live import MODEL, LiveRegistry, behind_the_back
from tests.integration.registry.live import set_alias_behind_the_back as set_alias
from tests.integration.web.world import model_row, version_row


@pytest.fixture
def source(committed_database: str) -> RegistrySource:
    enroll_keys(now=timezone.now())
    return RegistrySource.objects.create(name="default", uri="http://mlflow.example")


def walk(source: RegistrySource, models: list[ModelRow], versions: list[VersionRow]) -> None:
    now = timezone.now()
    seen = Walk(models=tuple(models), versions=tuple(versions))
    apply_walk(source=source, walk=seen, started_at=now, now=now)


def test_what_would_be_a_violation_today_is_none_when_it_was_there_before(
    live: LiveRegistry,
) -> None:
    live.new_model()
    for _ in (1, 2):
        live.new_version()
    set_alias("champion", 2)
    behind_the_back("UPDATE model_versions SET current_stage = 'Production' WHERE name = %s", MODEL)
    behind_the_back(
        "INSERT INTO model_version_tags (workspace, name, version, key, value)"
        " VALUES ('default', %s, 1, 'muniment.approved', 'yes')",
        MODEL,
    )
    live.new_model("greeting", tags=[{"key": "mlflow.prompt.is_prompt", "value": "true"}])
    facts = live.walk()
    assert [(fact.event, fact.is_violation) for fact in facts] == [("model.adopted", False)] * 2
    assert not Violation.objects.exists()
    assert not Alarm.objects.exists()
    (stated,) = [one for one in map(_predicate, facts) if one["after"]["versions"]]
    assert stated["detail"] == {"preexisting": True}
    assert stated["after"]["aliases"] == {"champion": 2}
    assert [row["stage"] for row in stated["after"]["versions"]] == ["Production"] * 2
    change = AliasChange.objects.get()
    assert (change.before, change.after, change.is_violation) == (None, live.version(2), False)
    # From now on it counts.
    set_alias("champion", 1)
    assert [fact.is_violation for fact in live.walk()] == [True]


def test_a_model_that_appears_later_is_not_adopted(live: LiveRegistry) -> None:
    live.walk()
    live.new_model()
    live.new_version()
    set_alias("champion", 1)
    facts = live.walk()
    assert [(fact.event, fact.is_violation) for fact in facts] == [
        ("model.appeared", False),
        ("version.appeared", False),
        ("alias.set", True),
    ]


def test_many_versions_of_a_model_are_several_statements_of_its_stream(
    source: RegistrySource,
) -> None:
    versions = [version_row(number, description="word " * 200) for number in range(1, 101)]
    walk(source, [model_row(aliases={"champion": 100})], versions)
    entries = list(LogEntry.objects.filter(event="model.adopted").order_by("pk"))
    assert len(entries) > 1
    assert [entry.stream_seq for entry in entries] == list(range(len(entries)))
    assert max(len(bytes(entry.envelope)) for entry in entries) < 65_536
    stated = [decoded_statement(entry).predicate["after"] for entry in entries]
    numbers = [row["version"] for after in stated for row in after["versions"]]
    assert numbers == list(range(1, 101))
    assert ["model" in after for after in stated] == [True] + [False] * (len(entries) - 1)
    assert ModelVersion.objects.count() == 100


def test_a_first_walk_that_is_cut_off_is_gone_on_with(
    source: RegistrySource, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = [model_row(f"model-{number}", aliases={"champion": 1}) for number in range(5)]
    versions = [version_row(1, f"model-{number}") for number in range(5)]
    monkeypatch.setattr(mirror, "MODELS_A_PAGE", 2)
    write, pages = mirror._write_page, iter((True, False))

    def dies_at_the_second(*given: Any, **named: Any) -> None:
        if not next(pages):
            raise ConnectionError("the database went away")
        write(*given, **named)

    monkeypatch.setattr(mirror, "_write_page", dies_at_the_second)
    with pytest.raises(ConnectionError):
        walk(source, models, versions)
    assert RegisteredModel.objects.count() == 2
    monkeypatch.setattr(mirror, "_write_page", write)
    walk(source, models, versions)
    assert LogEntry.objects.filter(event="model.adopted").count() == 5
    assert not Violation.objects.exists()
    assert AliasChange.objects.count() == 5


def test_champions_are_hashed_first_and_a_few_at_a_time(source: RegistrySource) -> None:
    models = [
        model_row(f"model-{number:02}", aliases={"Champion": 1} if number % 10 == 0 else {})
        for number in range(40)
    ]
    versions = [version_row(1, f"model-{number:02}") for number in range(40)]
    walk(source, models, versions)
    first = list(backlog_of(source)[:4].values_list("registered_model__name", flat=True))
    assert sorted(first) == ["model-00", "model-10", "model-20", "model-30"]
    now = timezone.now()
    assert order_backlog(source=source, now=now) == MAX_QUEUED
    ordered = list(Job.objects.order_by("pk").values_list("version_uri", flat=True))
    assert len(ordered) == MAX_QUEUED
    assert all(any(f"{name}@" in uri for uri in ordered) for name in first)
    # Nobody is ordered twice, and nothing more while enough wait.
    assert order_backlog(source=source, now=now) == 0
    Job.objects.update(status=Job.Status.DONE)
    assert order_backlog(source=source, now=now) == MAX_QUEUED
    Job.objects.update(status=Job.Status.DONE)
    assert order_backlog(source=source, now=now) == 0
    assert backlog_of(source).count() == 0


def test_all_workers_together_read_no_faster_than_the_source_allows(
    source: RegistrySource, redis: Any
) -> None:
    source.hash_bytes_per_second = 2**30
    readers = [pace_of(source), pace_of(source)]
    began = time.time()
    for reader in readers * 8:
        assert reader is not None
        reader(2**26)
    booked = float(_redis().get("registry:pace:default") or 0)
    # Sixteen times 64 MiB at 1 GiB a second: the account is a second ahead of where it began.
    assert booked >= began + 1.0
    source.hash_bytes_per_second = None
    assert pace_of(source) is None


def test_adopted_text_is_stored_to_the_letter_whatever_stands_in_it(source: RegistrySource) -> None:
    texts = (
        "\\N",
        "\\.",
        "a\tb",
        "a\nb\r\nc",
        'say "no"',
        "C:\\new\\table",
        "",
        " ",
        "naïve 🜁",
        "{1}",
    )
    rows = [
        version_row(
            number,
            run_id=text[:32],
            source=text,
            description=text,
            stage=text[:40],
            tags={text or "empty": text},
        )
        for number, text in enumerate(texts, start=1)
    ]
    walk(source, [model_row(aliases={"champion": 3})], rows)
    for row in rows:
        stored = ModelVersion.objects.get(version=row.version)
        assert (
            stored.run_id,
            stored.source_uri,
            stored.stage,
            stored.description,
            stored.tags,
        ) == (
            row.run_id,
            row.source,
            row.stage,
            row.description,
            row.tags,
        )
        assert stored.row == row_mapping(row)
        assert stored.row_hash == mapping_hash(stored.row)
        assert stored.uri == version_uri("default", stored.registered_model.identity, row.version)
        assert stored.gone_at is None
    assert RegisteredModel.objects.get().aliases.get().version.version == 3


def _redis() -> Redis:
    return Redis.from_url(settings.REDIS_URL)


def _predicate(fact: LogEntry) -> Any:
    return decoded_statement(fact).predicate
