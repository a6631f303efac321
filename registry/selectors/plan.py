"""The plan: every living model, how it is watched, and what enforcing would break today."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.fields.json import KT
from django.db.models.functions import Lower

from audits.domain.log import Event
from lineage.models import LineageRecord
from registry.domain.modes import Mode
from registry.domain.plan import LATELY, Holder, Problem, problems_of
from registry.domain.violations import ViolationStatus
from registry.domain.words import Leg
from registry.models import (
    AliasChange,
    ModelAlias,
    ModelVersion,
    RegisteredModel,
    RegistrySource,
    Violation,
)
from registry.services.aliases import governed_aliases
from registry.services.bulk_bindings import PROMPT_MARK, matches
from registry.services.modes import Watch, watches

_MOVES = (Event.ALIAS_SET, Event.ALIAS_MOVED, Event.ALIAS_REMOVED)


@dataclass(frozen=True, slots=True)
class PlanFilter:
    """What the plan is narrowed to; the URL holds it.

    Attributes:
        pattern: a glob over names, as rules and bindings have it; empty: every model.
    """

    pattern: str = ""
    problem: str = ""
    mode: str = ""
    source: str = ""

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> PlanFilter:
        """Read a filter from the URL; what makes no sense is ignored."""
        problem, mode = query.get("problem", ""), query.get("mode", "")
        return cls(
            pattern=query.get("pattern", "").replace("\x00", "").strip()[:256],
            problem=problem if problem in {*Problem, "any", "none"} else "",
            mode=mode if mode in set(Mode) else "",
            source=query.get("source", "").replace("\x00", "")[:50],
        )

    @property
    def narrows(self) -> bool:
        """Tell whether anything is left out by it."""
        return self != PlanFilter()

    def passes(self, row: PlanRow) -> bool:
        """Say whether a row is among what it lets through, its problem included."""
        if self.problem == "none":
            return not row.problems
        return (
            bool(row.problems)
            if self.problem == "any"
            else (not self.problem or self.problem in row.problems)
        )

    def covers(self, row: PlanRow) -> bool:
        """Say whether a row is among what it lets through, whatever its problems."""
        return (not self.pattern or matches(row.name, self.pattern)) and self.mode in (
            "",
            row.mode,
        )


@dataclass(frozen=True, slots=True)
class Move:
    """A move of a governed alias that no grant explains. Who made it MLflow does not record."""

    alias: str
    before: int | None
    after: int | None
    at: datetime


@dataclass(frozen=True, slots=True)
class PlanRow:
    """One model of the plan.

    Attributes:
        is_prompt: MLflow's prompts stand in the registry too; nothing of them is promoted, so that
            enforcing breaks nothing.
        is_prevented: the mode is `enforce`, and the registry store was heard refusing.
        versions, recorded, without_commit: living versions; those of them with a lineage record;
            those whose run has no commit.
        watched_since: moves before that nobody saw, and MLflow keeps no history of them.
    """

    name: str
    source: str
    source_query: str
    is_prompt: bool
    mode: Mode
    is_prevented: bool
    policy: str
    risk_tier: str
    holders: tuple[Holder, ...]
    moves: tuple[Move, ...]
    versions: int
    recorded: int
    without_commit: int
    watched_since: datetime
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a filter lets through, and the figures of everything that its pattern covers.

    Attributes:
        counts: how many of the covered models have each problem, `any` and `none` of them.
        unguarded: sources of which something is enforced whose registry store was not heard lately.
    """

    rows: tuple[PlanRow, ...]
    covered: int
    counts: Mapping[str, int]
    modes: Mapping[str, int]
    versions: int
    recorded: int
    without_commit: int
    unguarded: tuple[str, ...]


def load_plan(wanted: PlanFilter, *, now: datetime) -> Plan:
    """Work the plan out: seven queries, however many models."""
    models = RegisteredModel.objects.filter(gone_at__isnull=True)
    if wanted.source:
        models = models.filter(source=wanted.source)
    covered = [row for row in _rows(models, now) if wanted.covers(row)]
    counts: Counter[str] = Counter(problem for row in covered for problem in row.problems)
    counts["any"] = sum(bool(row.problems) for row in covered)
    counts["none"] = len(covered) - counts["any"]
    unguarded = {row.source for row in covered if row.mode is Mode.ENFORCE and not row.is_prevented}
    return Plan(
        rows=tuple(row for row in covered if wanted.passes(row)),
        covered=len(covered),
        counts=counts,
        modes=Counter(row.mode.value for row in covered),
        versions=sum(row.versions for row in covered),
        recorded=sum(row.recorded for row in covered),
        without_commit=sum(row.without_commit for row in covered),
        unguarded=tuple(sorted(unguarded)),
    )


def _rows(models: QuerySet[RegisteredModel], now: datetime) -> list[PlanRow]:
    guarded = {source.pk: source.is_guarded(now) for source in RegistrySource.objects.all()}
    watch = watches()
    holders, moves, versions = _holders(models), _moves(models, now), _versions(models)
    rows = []
    for pk, source, name, since, prompt, policy, number, tier in models.order_by(
        "name", "source", "pk"
    ).values_list(
        *("pk", "source", "name", "first_seen_at", PROMPT_MARK),
        *("binding__policy__name", "binding__policy__version", "binding__risk_tier"),
    ):
        mode = watch.get(source, Watch(())).mode(name)
        total, recorded, without_commit = versions[pk]
        is_prompt = prompt == "true"
        rows.append(
            PlanRow(
                name=name,
                source=source,
                source_query=RegisteredModel(source_id=source).source_query,
                is_prompt=is_prompt,
                mode=mode,
                is_prevented=mode is Mode.ENFORCE and guarded[source],
                policy=f"{policy} v{number}" if policy else "",
                risk_tier=tier or "",
                holders=tuple(holders[pk]),
                moves=tuple(moves[pk]),
                versions=total,
                recorded=recorded,
                without_commit=without_commit,
                watched_since=since,
                problems=()
                if is_prompt
                else problems_of(
                    has_policy=bool(policy),
                    holders=holders[pk],
                    unexplained_moves=len(moves[pk]),
                ),
            )
        )
    return rows


def _holders(models: QuerySet[RegisteredModel]) -> Mapping[int, list[Holder]]:
    held = (
        ModelAlias.objects.annotate(lower=Lower("alias"))
        .filter(registered_model__in=models, lower__in=governed_aliases())
        .order_by("alias")
    )
    grades = {
        uri: {leg.value: grade or "missing" for leg, grade in zip(Leg, found, strict=True)}
        for uri, *found in LineageRecord.objects.filter(version_uri__in=held.values("version__uri"))
        .order_by("version_uri", "-entry_id")
        .distinct("version_uri")
        .values_list("version_uri", *(KT(f"legs__{leg.value}__grade") for leg in Leg))
    }
    found: defaultdict[int, list[Holder]] = defaultdict(list)
    for pk, alias, version, uri in held.values_list(
        "registered_model", "alias", "version__version", "version__uri"
    ):
        found[pk].append(Holder(alias, version, grades.get(uri)))
    return found


def _moves(models: QuerySet[RegisteredModel], now: datetime) -> Mapping[int, list[Move]]:
    """Return the moves of governed aliases lately that no grant explains, newest first.

    What was found when Muniment began to watch is no move, nor is one that brought back what a
    violation had changed.
    """
    restored = Violation.objects.filter(
        registered_model=OuterRef("registered_model"),
        alias=OuterRef("alias"),
        status=ViolationStatus.UNDONE,
        settled_at=OuterRef("at"),
    )
    changes = (
        AliasChange.objects.annotate(lower=Lower("alias"))
        .filter(
            registered_model__in=models,
            lower__in=governed_aliases(),
            promotion__isnull=True,
            at__gte=now - LATELY,
            entry__event__in=[event.value for event in _MOVES],
        )
        .filter(~Exists(restored))
        .order_by("-pk")
    )
    found: defaultdict[int, list[Move]] = defaultdict(list)
    for pk, alias, before, after, at in changes.values_list(
        "registered_model", "alias", "before__version", "after__version", "at"
    ):
        found[pk].append(Move(alias, before, after, at))
    return found


def _versions(models: QuerySet[RegisteredModel]) -> Mapping[int, tuple[int, int, int]]:
    """Return of each model how many versions live, are recorded, and are without a commit."""
    code = dict(
        LineageRecord.objects.order_by("version_uri", "-entry_id")
        .distinct("version_uri")
        .values_list("version_uri", KT("legs__code__grade"))
    )
    found: defaultdict[int, tuple[int, int, int]] = defaultdict(lambda: (0, 0, 0))
    living = ModelVersion.objects.filter(registered_model__in=models, gone_at__isnull=True)
    for pk, uri in living.values_list("registered_model", "uri"):
        total, recorded, without_commit = found[pk]
        grade = code.get(uri)
        found[pk] = (
            total + 1,
            recorded + (grade is not None),
            without_commit + (grade == "missing"),
        )
    return found
