"""One registered model: its versions, its aliases and their history."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet

from audits.models import Evidence
from audits.selectors import origin_of
from lineage.models import LineageRecord
from registry.domain.promotion import PromotionStatus
from registry.models import AliasChange, ModelAlias, ModelVersion, Promotion, RegisteredModel

HISTORY_LENGTH = 50


@dataclass(frozen=True, slots=True)
class VersionRow:
    """One version as its model's page shows it."""

    version: int
    uri: str
    aliases: tuple[str, ...]
    created_at: datetime
    first_seen_at: datetime
    gone_at: datetime | None
    grades: tuple[tuple[str, str], ...]
    evidence: tuple[tuple[str, str, str, str], ...]
    promotion_id: str
    promotion_status: str


def versions_of(model: RegisteredModel) -> QuerySet[ModelVersion]:
    """Return a model's versions, newest first."""
    return ModelVersion.objects.filter(registered_model=model).order_by("-version")


def version_rows(versions: list[ModelVersion], created: dict[int, datetime]) -> list[VersionRow]:
    """Build the rows of one page of versions: four queries, however many versions."""
    uris = [version.uri for version in versions]
    aliases: dict[int, list[str]] = defaultdict(list)
    for alias in ModelAlias.objects.filter(version__in=versions).order_by("alias"):
        aliases[alias.version_id].append(alias.alias)
    records = {
        record.version_uri: record
        for record in LineageRecord.objects.filter(version_uri__in=uris)
        .order_by("version_uri", "-entry_id")
        .distinct("version_uri")
        .only("version_uri", "legs", "entry_id")
    }
    evidence: dict[str, list[tuple[str, str, str, str]]] = defaultdict(list)
    for item in (
        Evidence.objects.filter(version_uri__in=uris)
        .order_by("version_uri", "kind", "-entry_id")
        .distinct("version_uri", "kind")
        .only("version_uri", "kind", "conclusion", "origin", "inputs", "entry_id")
    ):
        evidence[item.version_uri].append(
            (item.kind, item.conclusion, origin_of(item), str(item.pk))
        )
    promotions = {
        promotion.version_id: promotion
        for promotion in Promotion.objects.filter(version__in=versions).order_by("requested_at")
    }
    rows = []
    for version in versions:
        record, promotion = records.get(version.uri), promotions.get(version.pk)
        legs = record.legs.items() if record else ()
        rows.append(
            VersionRow(
                version=version.version,
                uri=version.uri,
                aliases=tuple(aliases[version.pk]),
                created_at=created[version.pk],
                first_seen_at=version.first_seen_at,
                gone_at=version.gone_at,
                grades=tuple((name, str(leg.get("grade", "missing"))) for name, leg in legs),
                evidence=tuple(evidence[version.uri]),
                promotion_id=str(promotion.pk) if promotion else "",
                promotion_status=_status(promotion, aliases[version.pk]) if promotion else "",
            )
        )
    return rows


def _status(promotion: Promotion, held: list[str]) -> str:
    """Return a promotion's status, `replaced` where what it gave was given on since."""
    holds = promotion.alias.lower() in (alias.lower() for alias in held)
    has_lost = promotion.status == PromotionStatus.EXECUTED and not holds
    return "replaced" if has_lost else promotion.status


@dataclass(frozen=True, slots=True)
class AliasMove:
    """One move of an alias, with what explains it."""

    alias: str
    before: int | None
    after: int | None
    at: datetime
    promotion_id: str
    rollback_id: str
    is_violation: bool
    sha256: str


def alias_history(model: RegisteredModel) -> list[AliasMove]:
    """Return the newest moves of a model's aliases: who was champion when."""
    changes = (
        AliasChange.objects.filter(registered_model=model)
        .select_related("before", "after", "entry")
        .defer("entry__envelope")
        .order_by("-pk")[:HISTORY_LENGTH]
    )
    return [
        AliasMove(
            alias=change.alias,
            before=change.before.version if change.before else None,
            after=change.after.version if change.after else None,
            at=change.at,
            promotion_id=str(change.promotion_id) if change.promotion_id else "",
            rollback_id=str(change.rollback_id) if change.rollback_id else "",
            is_violation=change.is_violation,
            sha256=change.entry.sha256,
        )
        for change in changes
    ]
