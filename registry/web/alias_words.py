"""Who held an alias, in sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from registry.domain.alias_history import AskedTime, Holding, Period
from registry.selectors.alias_periods import AliasHistory, created_at

# In one sentence; nobody reads on after so many.
MOST_NAMED = 50
# How a period came about; a promotion and a violation are links instead.
CAUSES: Mapping[str, str] = {
    "promotion": "A promotion",
    "rollback": "A rollback grant, used at MLflow",
    "violation": "Nothing allowed it",
    "restored": "Back to what it was before a violation",
    "adopted": "There already when Muniment began to watch",
    "found": "Found in MLflow, where it is not governed or only observed",
    "gone": "The model went from MLflow",
    "appeared": "The model appeared in MLflow",
}


def holder_words(period: Period) -> str:
    """Say who holds in a period."""
    match period.holding:
        case Holding.HELD:
            return f"version {period.version}"
        case Holding.NOBODY:
            return "nobody"
        case Holding.GONE:
            return "nobody, the model being gone from MLflow"
    return "not known, as Muniment did not watch yet"


def time_words(asked: AskedTime) -> str:
    """Say what time was asked for."""
    if asked.ends_at is not None:
        return f"{asked.begins_at:%Y-%m-%d} (UTC)"
    return _stamp(asked.begins_at)


def answer_words(answer: AliasHistory, asked: AskedTime) -> str:
    """Answer who held an alias at a moment, or one after the other on a day.

    What is not known is said to be so, with the moment from which it is known.

    Args:
        answer: the part of a history that the moment or the day falls into.
    """
    periods = [told.period for told in answer.periods]
    when = f"On {time_words(asked)}" if asked.ends_at else f"At {time_words(asked)}"
    name, alias = answer.model.name, answer.alias
    if [period.holding for period in periods] == [Holding.UNKNOWN]:
        created = created_at(answer.model)
        born = (
            f" MLflow dates the model itself from {_stamp(created)}, which is later."
            if created is not None and created >= asked.last_moment
            else ""
        )
        return (
            f"{when}, it is not known who held {alias} of {name}: Muniment did not watch yet. "
            f"It has since {_stamp(answer.model.first_seen_at)}.{born}"
        )
    if periods[0].holding is not Holding.UNKNOWN:
        return f"{when}, {alias} of {name} was held by {_one_after_another(periods, asked)}."
    since = _stamp(answer.model.first_seen_at)
    return (
        f"{when}, it is not known who held {alias} of {name} until {since}, when Muniment began to "
        f"watch; from then on it was held by {_one_after_another(periods[1:], asked)}."
    )


def _one_after_another(periods: Sequence[Period], asked: AskedTime) -> str:
    last = asked.last_moment
    told = ", then ".join(
        holder_words(period)
        + (f" until {_stamp(period.until)}" if period.until and period.until < last else "")
        for period in periods[:MOST_NAMED]
    )
    more = len(periods) - MOST_NAMED
    return told if more <= 0 else f"{told}, and then {more} more, which the CSV of that time has"


def _stamp(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
