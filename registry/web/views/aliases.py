"""Who held which alias when: of one name, and of every model at one moment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from registry.domain.alias_history import AskedTime, TimeNotUnderstood, parse_time
from registry.models import RegisteredModel
from registry.selectors.alias_periods import (
    AliasHistory,
    Origin,
    ToldPeriod,
    aliases_ever_held,
    created_at,
    histories_in_batches,
    histories_of,
    models_ever_named,
    models_existing,
)
from registry.selectors.lookups import model_named
from registry.web.alias_words import CAUSES, answer_words, holder_words, time_words
from registry.web.csv_lines import csv_answer

# The newest periods of an alias on its page; the CSV has all of them.
MOST_PERIODS = 100
MODELS_A_PAGE = 50
CSV_COLUMNS = (
    *("source", "model", "model_uri", "alias", "holding", "version", "since", "until"),
    *("cause", "promotion", "rollback", "violation", "log_entry"),
)


@require_safe
def model_aliases(request: HttpRequest, name: str) -> HttpResponse:
    """Show who held the aliases of a model, and of others that had its name."""
    models = models_ever_named(name)
    asked, problem = _asked(request)
    histories = histories_of(models, alias=_text(request, "alias"))
    # A link to a version goes by name: of models of a source that share one, one has such pages.
    shared = {(model.name, model.source_id) for model in models}
    linked = {model_named(*one).pk for one in shared}
    context = {
        "name": name,
        "asked": asked,
        "entered": request.GET.get("at", ""),
        "problem": problem,
        "alias": _text(request, "alias").lower(),
        "choices": aliases_ever_held(models),
        "models": [
            {
                "model": model,
                "created_at": created_at(model),
                "has_pages": model.pk in linked,
                "answers": _answers(histories, model, asked) if asked else [],
                "is_unread": asked is not None and _is_unread(model, asked),
                "tables": [
                    _table(history) for history in histories if history.model.pk == model.pk
                ],
            }
            for model in models
        ],
        "most": MOST_PERIODS,
    }
    return render(request, "registry/aliases.html", context, status=400 if problem else 200)


@require_safe
def model_aliases_csv(request: HttpRequest, name: str) -> StreamingHttpResponse:
    """Stream the periods of a name's aliases; where a time is asked for, those of that time."""
    found = histories_of(models_ever_named(name), alias=_text(request, "alias"))
    asked = _required(request) if request.GET.get("at") else None
    return csv_answer("muniment-aliases", CSV_COLUMNS, _rows(found, asked))


@require_safe
def all_aliases(request: HttpRequest) -> HttpResponse:
    """Show who held each governed alias of every model at one moment or on one day."""
    asked, problem = _asked(request)
    context: dict[str, Any] = {
        "asked": asked,
        "asked_words": time_words(asked) if asked else "",
        "entered": request.GET.get("at", ""),
        "problem": problem,
        "text": _text(request, "q"),
        "is_any_known": RegisteredModel.objects.exists(),
    }
    if asked is not None or not problem:
        at = asked or AskedTime(timezone.now())
        models = models_existing(at, text=context["text"])
        page = Paginator(models, MODELS_A_PAGE).get_page(request.GET.get("page"))
        context["page_obj"] = page
        context["rows"] = [
            (history.model, history.alias, _line(told))
            for history in (found.at(at) for found in histories_of(list(page.object_list)))
            for told in history.periods
        ]
    return render(request, "registry/all_aliases.html", context, status=400 if problem else 200)


@require_safe
def all_aliases_csv(request: HttpRequest) -> StreamingHttpResponse:
    """Stream who held each governed alias of every model at one moment or on one day."""
    asked = _required(request) if request.GET.get("at") else AskedTime(timezone.now())
    models = models_existing(asked, text=_text(request, "q"))
    name = f"muniment-aliases-{asked.begins_at:%Y-%m-%d}"
    return csv_answer(name, CSV_COLUMNS, _rows(histories_in_batches(models), asked))


def _text(request: HttpRequest, name: str) -> str:
    return request.GET.get(name, "").replace("\x00", "").strip()[:256]


def _required(request: HttpRequest) -> AskedTime:
    return parse_time(request.GET.get("at", ""), now=timezone.now())


def _asked(request: HttpRequest) -> tuple[AskedTime | None, str]:
    """Return the time that the address asks for, or why it is none."""
    if not request.GET.get("at", "").strip():
        return None, ""
    try:
        return _required(request), ""
    except TimeNotUnderstood as error:
        return None, str(error)


def _answers(
    histories: Iterable[AliasHistory], model: RegisteredModel, asked: AskedTime
) -> list[str]:
    return [
        answer_words(history.at(asked), asked)
        for history in histories
        if history.model.pk == model.pk
    ]


def _is_unread(model: RegisteredModel, asked: AskedTime) -> bool:
    """Whether MLflow may have moved an alias by then without Muniment having read it."""
    walked_at = model.source.walked_at
    return model.gone_at is None and (walked_at is None or walked_at < asked.last_moment)


def _table(history: AliasHistory) -> dict[str, Any]:
    newest = history.periods[::-1]
    return {
        "alias": history.alias,
        "rows": [_line(told) for told in newest[:MOST_PERIODS]],
        "left_out": max(0, len(newest) - MOST_PERIODS),
    }


def _line(told: ToldPeriod) -> dict[str, Any]:
    origin = told.origin
    return {
        "period": told.period,
        "holder": holder_words(told.period),
        "origin": origin,
        "how": CAUSES[origin.cause] if origin else "",
    }


def _rows(
    histories: Iterable[AliasHistory], asked: AskedTime | None
) -> Iterator[tuple[object, ...]]:
    for history in histories:
        model = history.model
        for told in (history.at(asked) if asked else history).periods:
            period, origin = told.period, told.origin
            yield (
                *(model.source_id, model.name, model.uri, history.alias),
                *(period.holding.value, period.version, period.since, period.until),
                *(_origin_cells(origin) if origin else ("",) * 5),
            )


def _origin_cells(origin: Origin) -> tuple[str, ...]:
    return (
        origin.cause,
        origin.promotion_id,
        origin.rollback_id,
        origin.violation_id,
        origin.sha256,
    )
