"""Who held which alias when, read from the facts in the log."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.db.models import Q, QuerySet

from audits.domain.log import Event
from audits.models import LogEntry
from audits.selectors import decoded_statement
from registry.domain.alias_history import AskedTime, Holding, Period, Step, holding_at, periods_of
from registry.errors import UnknownVersion
from registry.models import AliasChange, RegisteredModel
from registry.services.aliases import governed_aliases, is_governed_alias

# Models whose histories are worked out together.
BATCH = 200
_HOLDING = {Event.MODEL_GONE: Holding.GONE, Event.MODEL_APPEARED: Holding.NOBODY}


@dataclass(frozen=True, slots=True)
class Origin:
    """What began a period.

    Attributes:
        cause: `promotion`, `rollback` (a grant signed beforehand), `adopted` (there when Muniment
            began to watch), `violation`, `restored` (what a violation had changed is back), `found`
            (in MLflow, where nothing guards it), `gone` or `appeared` (the model itself).
        sha256: the entry in the log that says it.
    """

    cause: str
    sha256: str
    promotion_id: str = ""
    rollback_id: str = ""
    violation_id: str = ""


@dataclass(frozen=True, slots=True)
class ToldPeriod:
    """A period with what began it; None where nothing in the log did."""

    period: Period
    origin: Origin | None


@dataclass(frozen=True, slots=True)
class AliasHistory:
    """The time line of one alias of one model, oldest first and without gaps."""

    model: RegisteredModel
    alias: str
    periods: tuple[ToldPeriod, ...]

    def at(self, asked: AskedTime) -> AliasHistory:
        """Return the part of it that a moment or a day falls into."""
        kept = set(holding_at([told.period for told in self.periods], asked))
        return AliasHistory(
            self.model, self.alias, tuple(told for told in self.periods if told.period in kept)
        )


@dataclass(slots=True)
class _Line:
    """What is known of one model: steps of each alias, steps of the model, origins by entry."""

    aliases: dict[str, list[Step]] = field(default_factory=lambda: defaultdict(list))
    own: list[Step] = field(default_factory=list)
    origins: dict[tuple[str, int], Origin] = field(default_factory=dict)


def models_ever_named(name: str) -> list[RegisteredModel]:
    """Return every model that has this name or was first seen with it; living ones first.

    A name is not an identity: it may be used in several sources, and again after a deletion.

    Raises:
        UnknownVersion: no model ever had that name here.
    """
    found = (
        RegisteredModel.objects.select_related("source")
        .filter(Q(name=name) | Q(first_seen_name=name))
        .order_by("source_id", "-creation_timestamp_ms", "pk")
        if "\x00" not in name
        else ()
    )
    models = sorted(found, key=lambda model: model.gone_at is not None)
    if not models:
        raise UnknownVersion(f"Muniment knows no registered model named {name[:256]}.")
    return models


def models_existing(asked: AskedTime, *, text: str = "") -> QuerySet[RegisteredModel]:
    """Return the models that MLflow dates from before the end of what is asked, by name."""
    latest_ms = int(asked.last_moment.timestamp() * 1000)
    models = RegisteredModel.objects.select_related("source").filter(
        creation_timestamp_ms__lte=latest_ms
    )
    if text:
        models = models.filter(name__icontains=text)
    return models.order_by("name", "source_id", "pk")


def histories_of(models: Sequence[RegisteredModel], *, alias: str = "") -> list[AliasHistory]:
    """Return the time lines of the models' governed aliases: three queries, however many.

    An alias stands once for each spelling that MLflow holds: `Champion` beside `champion`.

    Args:
        alias: only this one, in any letter case; it need not be governed.
    """
    lines = _lines(models)
    return [
        AliasHistory(model, name, _told(lines[model.pk], name, model.first_seen_at))
        for model in models
        for name in _names(lines[model.pk], alias)
    ]


def histories_in_batches(
    models: QuerySet[RegisteredModel], *, alias: str = ""
) -> Iterator[AliasHistory]:
    """Give the time lines of any number of models, a batch in memory at a time."""
    ids = list(models.values_list("pk", flat=True))
    for start in range(0, len(ids), BATCH):
        batch = models.filter(pk__in=ids[start : start + BATCH])
        yield from histories_of(list(batch), alias=alias)


def aliases_ever_held(models: Iterable[RegisteredModel]) -> list[str]:
    """Return every alias that the models ever had, governed ones first, in lower case."""
    held = AliasChange.objects.filter(registered_model__in=models).values_list("alias", flat=True)
    others = {name.lower() for name in held.order_by().distinct()} - set(governed_aliases())
    return [*governed_aliases(), *sorted(others)]


def created_at(model: RegisteredModel) -> datetime | None:
    """Return when MLflow says that a model was created; None where its number is no time."""
    try:
        return datetime.fromtimestamp(model.creation_timestamp_ms / 1000, tz=UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _names(line: _Line, alias: str) -> list[str]:
    wanted = (alias.lower(),) if alias else governed_aliases()
    spelled = {name for name in line.aliases if name.lower() in wanted}
    never = [name for name in wanted if name not in {one.lower() for one in spelled}]
    return sorted({*spelled, *never}, key=lambda name: (name.lower(), name))


def _told(line: _Line, alias: str, watched_from: datetime) -> tuple[ToldPeriod, ...]:
    steps = [*line.aliases.get(alias, ()), *line.own]
    return tuple(
        ToldPeriod(period, _origin(line, alias, period.place))
        for period in periods_of(steps, watched_from=watched_from)
    )


def _origin(line: _Line, alias: str, place: int | None) -> Origin | None:
    if place is None:
        return None
    return line.origins.get((alias, place)) or line.origins.get(("", place))


def _lines(models: Sequence[RegisteredModel]) -> dict[int, _Line]:
    lines = {model.pk: _Line() for model in models}
    by_uri = {model.uri: model.pk for model in models}
    changes = list(
        AliasChange.objects.filter(registered_model__in=lines)
        .select_related("after", "entry__violation")
        .defer("entry__envelope")
        .order_by("pk")
    )
    details = _details(changes)
    for change in changes:
        line = lines[change.registered_model_id]
        holding = Holding.HELD if change.after else Holding.NOBODY
        number = change.after.version if change.after else None
        line.aliases[change.alias].append(Step(change.entry_id, change.at, holding, number))
        line.origins[change.alias, change.entry_id] = Origin(
            cause=_cause(change, details.get(change.entry_id, {})),
            sha256=change.entry.sha256,
            promotion_id=str(change.promotion_id or ""),
            rollback_id=str(change.rollback_id or ""),
            violation_id=_violation_of(change),
        )
    # About the model, not about a version of it: few, however much is said of the versions.
    own = LogEntry.objects.filter(subject_name__in=by_uri, event__in=list(_HOLDING)).defer(
        "envelope"
    )
    for entry in own:
        line, event = lines[by_uri[entry.subject_name]], Event(entry.event)
        line.own.append(Step(entry.pk, entry.at, _HOLDING[event]))
        cause = "gone" if event is Event.MODEL_GONE else "appeared"
        line.origins["", entry.pk] = Origin(cause, entry.sha256)
    return lines


def _details(changes: Iterable[AliasChange]) -> dict[int, Mapping[str, Any]]:
    """Return what the log says besides, of the changes that their rows do not explain."""
    unexplained = [
        change.entry_id
        for change in changes
        if not (change.promotion_id or change.rollback_id or change.is_violation)
        and change.entry.event != Event.MODEL_ADOPTED
        and is_governed_alias(change.alias)
    ]
    entries = LogEntry.objects.filter(pk__in=unexplained).only("envelope")
    return {entry.pk: decoded_statement(entry).predicate.get("detail") or {} for entry in entries}


def _cause(change: AliasChange, detail: Mapping[str, Any]) -> str:
    if change.promotion_id:
        return "promotion"
    if change.rollback_id:
        return "rollback"
    if change.is_violation:
        return "violation"
    if change.entry.event == Event.MODEL_ADOPTED or detail.get("preexisting") is True:
        return "adopted"
    return "restored" if detail.get("restores") else "found"


def _violation_of(change: AliasChange) -> str:
    violation = getattr(change.entry, "violation", None)
    return str(violation.pk) if violation is not None else ""
