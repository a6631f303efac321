"""Who held which alias when, over REST: of one name, and of every model at one time."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from registry.api.paging import PageOutput, PageQuery, page_of
from registry.domain.alias_history import AskedTime, Holding, parse_time
from registry.selectors.alias_periods import (
    AliasHistory,
    created_at,
    histories_of,
    models_ever_named,
    models_existing,
)

SCHEMA_VERSION = 1
_TIME = "A day in UTC (2026-03-03, all of it) or a moment (2026-03-03T14:05:00Z)."


class AliasesQuery(serializers.Serializer[None]):
    at = serializers.CharField(max_length=40, default="", help_text=_TIME)
    alias = serializers.CharField(
        max_length=256,
        default="",
        help_text="Only this alias, in any letter case; else the governed ones.",
    )


class AllAliasesQuery(PageQuery):
    at = serializers.CharField(max_length=40, default="", help_text=f"{_TIME} Now, if left out.")
    model = serializers.CharField(max_length=256, default="", help_text="Part of a model's name.")


class IdOrNull(serializers.CharField):
    """An id; null where there is none, never an empty text."""

    def to_representation(self, value: str) -> str | None:  # type: ignore[override]
        return value or None


class PeriodOutput(serializers.Serializer[None]):
    holding = serializers.ChoiceField([kind.value for kind in Holding], source="period.holding")
    version = serializers.IntegerField(source="period.version", allow_null=True)
    since = serializers.DateTimeField(source="period.since", allow_null=True)
    until = serializers.DateTimeField(source="period.until", allow_null=True)
    cause = serializers.CharField(source="origin.cause", allow_null=True)
    promotion = IdOrNull(source="origin.promotion_id", allow_null=True)
    rollback = IdOrNull(source="origin.rollback_id", allow_null=True)
    violation = IdOrNull(source="origin.violation_id", allow_null=True)
    log_entry = serializers.CharField(source="origin.sha256", allow_null=True)


class HistoryOutput(serializers.Serializer[Any]):
    """One alias of one model; `watched_since` is from when on Muniment knows anything."""

    # The serializer's own attribute of this name is not its field: DRF keeps the two apart.
    source = serializers.CharField(source="model.source_id")  # type: ignore[assignment]
    model = serializers.CharField(source="model.name")
    model_uri = serializers.CharField(source="model.uri")
    created_at = serializers.DateTimeField(allow_null=True)
    watched_since = serializers.DateTimeField(source="model.first_seen_at")
    last_read_at = serializers.DateTimeField(source="model.source.walked_at", allow_null=True)
    gone_at = serializers.DateTimeField(source="model.gone_at", allow_null=True)
    alias = serializers.CharField()
    periods = PeriodOutput(many=True)


class AliasesOutput(serializers.Serializer[None]):
    schema_version = serializers.IntegerField()
    results = HistoryOutput(many=True)


class AllAliasesOutput(PageOutput):
    results = HistoryOutput(many=True)


class ModelAliasesView(APIView):
    """Answer who held the aliases of each model that ever had this name, oldest period first."""

    @extend_schema(parameters=[AliasesQuery], responses=AliasesOutput)
    def get(self, request: Request, name: str) -> Response:
        query = AliasesQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        asked = _asked(request)
        histories = histories_of(models_ever_named(name), alias=query.validated_data["alias"])
        return Response({"schema_version": SCHEMA_VERSION, "results": _results(histories, asked)})


class AllAliasesView(APIView):
    """Answer who held the governed aliases of every model at a moment, or during a day."""

    @extend_schema(parameters=[AllAliasesQuery], responses=AllAliasesOutput)
    def get(self, request: Request) -> Response:
        query = AllAliasesQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        asked = _asked(request) or AskedTime(timezone.now())
        models = models_existing(asked, text=query.validated_data["model"])
        found, said = page_of(models, query.validated_data["page"])
        results = _results(histories_of(found), asked)
        return Response({"schema_version": SCHEMA_VERSION, **said, "results": results})


def _asked(request: Request) -> AskedTime | None:
    """Return the time that is asked for; an empty one is refused and does not mean now."""
    text = request.query_params.get("at")
    return None if text is None else parse_time(text, now=timezone.now())


def _results(histories: list[AliasHistory], asked: AskedTime | None) -> list[dict[str, Any]]:
    return [_result(history.at(asked) if asked else history) for history in histories]


def _result(history: AliasHistory) -> dict[str, Any]:
    told = {
        "model": history.model,
        "created_at": created_at(history.model),
        "alias": history.alias,
        "periods": history.periods,
    }
    return dict(HistoryOutput(told).data)
