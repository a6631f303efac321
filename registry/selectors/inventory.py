"""The inventory: every registered model in one line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery

from audits.models import Evidence, LogEntry
from audits.selectors import origin_of
from registry.domain.promotion import OPEN_STATUSES
from registry.models import ModelAlias, ModelVersion, Promotion, RegisteredModel

PAGE_SIZE = 25
CSV_BATCH = 500
STATES = ("living", "unbound", "open", "crowned", "violated", "gone")


@dataclass(frozen=True, slots=True)
class InventoryFilter:
    """What the list is narrowed to; the URL holds it."""

    text: str = ""
    state: str = "living"
    risk_tier: str = ""

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> InventoryFilter:
        """Read a filter from the URL; what makes no sense is ignored."""
        state = query.get("state", "")
        return cls(
            text=query.get("q", "").replace("\x00", "").strip()[:256],
            state=state if state in STATES else "living",
            risk_tier=query.get("tier", "").replace("\x00", "").strip()[:40],
        )

    @property
    def narrows(self) -> bool:
        """Tell whether anything is left out by it."""
        return bool(self.text or self.risk_tier or self.state != "living")


@dataclass(frozen=True, slots=True)
class OpenPromotion:
    """The newest promotion of a model that can still go somewhere."""

    id: str
    version: int
    status: str


@dataclass(frozen=True, slots=True)
class InventoryRow:
    """One registered model as the inventory shows it."""

    name: str
    source: str
    source_query: str
    risk_tier: str
    policy: str
    policy_digest: str
    champion: int | None
    champion_since: datetime | None
    newest_version: int | None
    open_promotion: OpenPromotion | None
    evidence_conclusion: str
    evidence_origin: str
    evidence_at: datetime | None
    evidence_id: str
    violations: int
    gone_at: datetime | None


def champion_alias() -> str:
    """Return the alias that the inventory calls champion: the first governed one."""
    return str(settings.GOVERNED_ALIASES[0])


def inventory_models(wanted: InventoryFilter) -> QuerySet[RegisteredModel]:
    """Return the models that a filter lets through, by name."""
    models = RegisteredModel.objects.filter(gone_at__isnull=wanted.state != "gone")
    if wanted.text:
        models = models.filter(name__icontains=wanted.text)
    if wanted.risk_tier:
        models = models.filter(binding__risk_tier=wanted.risk_tier)
    narrowed = _state_condition(wanted.state)
    if narrowed is not None:
        models = models.filter(narrowed)
    return models.order_by("name", "pk")


def _state_condition(state: str) -> Exists | None:
    of_model = {"registered_model": OuterRef("pk")}
    match state:
        case "unbound":
            bound = RegisteredModel.objects.filter(pk=OuterRef("pk"), binding__isnull=True)
            return Exists(bound)
        case "open":
            return Exists(
                Promotion.objects.filter(
                    version__registered_model=OuterRef("pk"), status__in=OPEN_STATUSES
                )
            )
        case "crowned":
            return Exists(ModelAlias.objects.filter(alias__iexact=champion_alias(), **of_model))
        case "violated":
            # Moves from before violations had a table of their own count too.
            moved = Q(alias_changes__is_violation=True)
            violated = RegisteredModel.objects.filter(
                moved | Q(violations__isnull=False), pk=OuterRef("pk")
            )
            return Exists(violated)
    return None


def inventory_counts() -> dict[str, int]:
    """Count the models of every state, for links that filter by it."""
    return {state: inventory_models(InventoryFilter(state=state)).count() for state in STATES}


def risk_tiers() -> list[str]:
    """Return the risk tiers in use."""
    tiers = RegisteredModel.objects.filter(gone_at__isnull=True, binding__isnull=False)
    return list(
        tiers.order_by("binding__risk_tier").values_list("binding__risk_tier", flat=True).distinct()
    )


def inventory_rows(models: QuerySet[RegisteredModel]) -> list[InventoryRow]:
    """Build the rows of one page: six queries, however many models."""
    newest = ModelVersion.objects.filter(
        registered_model=OuterRef("pk"), gone_at__isnull=True
    ).order_by("-version")
    found = list(
        models.select_related("binding__policy").annotate(
            newest_version=Subquery(newest.values("version")[:1]),
            newest_uri=Subquery(newest.values("uri")[:1]),
        )
    )
    ids = [model.pk for model in found]
    champions = {
        alias.registered_model_id: alias
        for alias in ModelAlias.objects.select_related("version").filter(
            registered_model__in=ids, alias__iexact=champion_alias()
        )
    }
    uris = {
        model.pk: champions[model.pk].version.uri if model.pk in champions else model.newest_uri
        for model in found
    }
    evidence = _newest_evidence([uri for uri in uris.values() if uri])
    promotions = _open_promotions(ids)
    violations = _violations([model.uri for model in found])
    return [
        _row(
            model,
            champions.get(model.pk),
            promotions.get(model.pk),
            evidence.get(uris[model.pk] or ""),
            violations.get(model.uri, 0),
        )
        for model in found
    ]


def inventory_lines(wanted: InventoryFilter) -> Iterator[InventoryRow]:
    """Give every row of the filtered inventory, read in batches."""
    models = inventory_models(wanted)
    ids = list(models.values_list("pk", flat=True))
    for start in range(0, len(ids), CSV_BATCH):
        yield from inventory_rows(models.filter(pk__in=ids[start : start + CSV_BATCH]))


def _newest_evidence(uris: Sequence[str]) -> dict[str, Evidence]:
    """Return the newest evidence of each version; a failing kind wins over a passing one."""
    rows = (
        Evidence.objects.filter(version_uri__in=uris)
        .defer("measurements", "criteria", "reasons")
        .order_by("version_uri", "kind", "-entry_id")
        .distinct("version_uri", "kind")
    )
    severity = ("error", "fail", "insufficient", "pass")
    newest: dict[str, Evidence] = {}
    for row in rows:
        held = newest.get(row.version_uri)
        if held is None or severity.index(row.conclusion) < severity.index(held.conclusion):
            newest[row.version_uri] = row
    return newest


def _open_promotions(ids: Sequence[int]) -> dict[int, OpenPromotion]:
    rows = (
        Promotion.objects.filter(version__registered_model__in=ids, status__in=OPEN_STATUSES)
        .select_related("version")
        .order_by("requested_at")
    )
    return {
        row.version.registered_model_id: OpenPromotion(str(row.pk), row.version.version, row.status)
        for row in rows
    }


def _violations(streams: Sequence[str]) -> dict[str, int]:
    counted = (
        LogEntry.objects.filter(stream__in=streams, is_violation=True)
        .order_by()
        .values_list("stream")
        .annotate(found=Count("pk"))
    )
    return {str(stream): found for stream, found in counted}


def _row(
    model: RegisteredModel,
    champion: ModelAlias | None,
    promotion: OpenPromotion | None,
    evidence: Evidence | None,
    violations: int,
) -> InventoryRow:
    binding = getattr(model, "binding", None)
    return InventoryRow(
        name=model.name,
        source=model.source_id,
        source_query=model.source_query,
        risk_tier=binding.risk_tier if binding else "",
        policy=f"{binding.policy.name} v{binding.policy.version}" if binding else "",
        policy_digest=binding.policy_id if binding else "",
        champion=champion.version.version if champion else None,
        champion_since=champion.since if champion else None,
        newest_version=getattr(model, "newest_version", None),
        open_promotion=promotion,
        evidence_conclusion=evidence.conclusion if evidence else "",
        evidence_origin=origin_of(evidence) if evidence else "",
        evidence_at=evidence.produced_at if evidence else None,
        evidence_id=str(evidence.pk) if evidence else "",
        violations=violations,
        gone_at=model.gone_at,
    )
