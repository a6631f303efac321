"""Adopting what a source held before Muniment watched it: one statement a model, in bulk."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter
from typing import Any

from django.db import connection
from psycopg.types.json import Jsonb

from audits.domain.actor import MIRROR
from audits.domain.log import Event
from audits.services.log import NewStatement, append_statements, predicate_type
from muniment.attest.digest import Digest
from registry.domain.identity import ModelIdentity, version_of
from registry.domain.mirror import Change, ChangeKind, row_bytes
from registry.models import AliasChange, ModelAlias, ModelVersion, RegisteredModel, RegistrySource
from registry.services.facts import MAX_ROW_BYTES, stated_row

# Versions in one statement; signed and encoded it stays well below a log entry's 65,535 bytes.
MAX_VERSION_BYTES = 24_000


@dataclass
class _Found:
    """All that a walk found of one model; without a change of its own it is known already."""

    model: Change | None = None
    versions: list[Change] = field(default_factory=list)
    aliases: dict[str, int] = field(default_factory=dict)


def adopt_models(
    *, source: RegistrySource, changes: Iterable[Change], now: datetime
) -> list[RegisteredModel]:
    """Write models that the mirror did not know, with a fact that says they were there before.

    Nothing of it is a violation: who moved what before Muniment watched, it cannot know. Lineage
    is not ordered here: `backlog` takes the versions up, champions first.

    Args:
        changes: of models that appear, with their versions and aliases, from a plan; of known
            models those versions and aliases that the first walk could make nothing of.
    """
    found = _by_model(changes)
    models = [
        _new_model(source, identity, one.model, now=now)
        if one.model
        else _known_model(source, identity, one)
        for identity, one in found.items()
    ]
    RegisteredModel.objects.bulk_create([known for known in models if known._state.adding])
    _copy_versions(
        _as_version(known, change, now=now)
        for known, one in zip(models, found.values(), strict=True)
        for change in one.versions
    )
    statements: list[NewStatement] = []
    first: list[int] = []
    for known, one in zip(models, found.values(), strict=True):
        first.append(len(statements))
        statements += _statements(known, one)
    entries = append_statements(statements, actor=MIRROR, now=now)
    numbers = {number for one in found.values() for number in one.aliases.values()}
    named = {
        (version.registered_model_id, version.version): version
        for version in ModelVersion.objects.filter(registered_model__in=models, version__in=numbers)
    }
    held = [
        (known, alias, named[known.pk, number], entries[index])
        for known, one, index in zip(models, found.values(), first, strict=True)
        for alias, number in sorted(one.aliases.items())
    ]
    ModelAlias.objects.bulk_create(
        ModelAlias(registered_model=known, alias=alias, version=version, since=now)
        for known, alias, version, _ in held
    )
    AliasChange.objects.bulk_create(
        AliasChange(
            registered_model=known,
            alias=alias,
            after=version,
            is_violation=False,
            at=now,
            entry=entry,
        )
        for known, alias, version, entry in held
    )
    return models


def _new_model(
    source: RegistrySource, identity: ModelIdentity, change: Change, *, now: datetime
) -> RegisteredModel:
    return RegisteredModel(
        source=source,
        creation_timestamp_ms=identity.creation_timestamp_ms,
        first_seen_name=identity.first_seen_name,
        first_seen_at=now,
        name=change.model_name,
        row=dict(change.row or {}),
        row_hash=change.row_hash or "",
    )


def _known_model(source: RegistrySource, identity: ModelIdentity, one: _Found) -> RegisteredModel:
    known = RegisteredModel.objects.get(
        source=source,
        creation_timestamp_ms=identity.creation_timestamp_ms,
        first_seen_name=identity.first_seen_name,
    )
    # An alias that a promotion has set since this walk began is not set by it.
    for alias in known.aliases.values_list("alias", flat=True):
        one.aliases.pop(alias, None)
    return known


def _as_version(known: RegisteredModel, change: Change, *, now: datetime) -> ModelVersion:
    number = change.version or 0
    version = ModelVersion(
        registered_model_id=known.pk,
        version=number,
        uri=version_of(known.uri, number),
        first_seen_at=now,
    )
    version.show_row(change.row or {}, change.row_hash or "")
    return version


def _copy_versions(versions: Iterable[ModelVersion]) -> None:
    """Insert versions by COPY, at a third of what INSERT costs; they do not learn their keys."""
    fields = [field for field in ModelVersion._meta.concrete_fields if not field.primary_key]
    read = attrgetter(*(field.attname for field in fields))
    columns = ", ".join(f'"{field.column}"' for field in fields)
    command = f'COPY "{ModelVersion._meta.db_table}" ({columns}) FROM STDIN'
    with connection.cursor() as cursor, cursor.copy(command) as copy:
        for version in versions:
            copy.write_row(
                [Jsonb(value) if isinstance(value, dict) else value for value in read(version)]
            )


def _by_model(changes: Iterable[Change]) -> dict[ModelIdentity, _Found]:
    found: defaultdict[ModelIdentity, _Found] = defaultdict(_Found)
    for change in changes:
        if change.kind is ChangeKind.MODEL_APPEARED:
            found[change.identity].model = change
        elif change.kind is ChangeKind.VERSION_APPEARED:
            found[change.identity].versions.append(change)
        else:
            number = (change.after or {})["version"]
            found[change.identity].aliases[change.alias or ""] = number
    return found


def _statements(known: RegisteredModel, one: _Found) -> Iterator[NewStatement]:
    for part, rows in enumerate(_in_parts([change.row or {} for change in one.versions])):
        after: dict[str, Any] = {"versions": rows}
        if part == 0:
            after["aliases"] = dict(one.aliases)
            if one.model:
                after["model"] = stated_row(one.model.row)
        yield NewStatement(
            event=Event.MODEL_ADOPTED,
            predicate_type=predicate_type("registry-event"),
            subject_name=known.uri,
            subject_digest=Digest("sha256", known.row_hash),
            predicate={
                "before": None,
                "after": after,
                "detail": {"preexisting": True},
                "violation": False,
            },
            stream=known.uri,
        )


def _in_parts(rows: Sequence[Mapping[str, Any]]) -> Iterator[list[dict[str, Any] | None]]:
    """Yield the rows in parts that each fit one statement; one part at least."""
    part: list[dict[str, Any] | None] = []
    size = 0
    for row in rows:
        length = row_bytes(row)
        if part and size + length > MAX_VERSION_BYTES:
            yield part
            part, size = [], 0
        part.append(dict(row) if length <= MAX_ROW_BYTES else stated_row(row))
        size += min(length, MAX_VERSION_BYTES)
    yield part
