"""Recomputations over REST: the same services as the pages."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from django.conf import settings
from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api.permissions import MayRecompute
from accounts.models import User
from accounts.services.people import actor_of
from audits.domain.actor import Actor
from lineage.domain.comparison import Verdict
from lineage.domain.recomputation import RecomputationStatus
from lineage.models import Recomputation
from registry.api.gate import SOURCE_PARAMETER
from registry.api.paging import PageOutput, PageQuery, page_of
from registry.selectors.recomputations import list_recomputations
from registry.services.lookup import find_version
from registry.services.recomputation_orders import (
    MAX_REPEATS,
    request_recomputation,
    stop_recomputation,
)

SCHEMA_VERSION = 1
_SOURCE = OpenApiParameter("source", str, description=SOURCE_PARAMETER)


class RecomputationInput(serializers.Serializer[None]):
    repeats = serializers.IntegerField(
        min_value=1,
        max_value=MAX_REPEATS,
        default=1,
        help_text="How often it is trained; more than once shows the run-to-run spread.",
    )
    negative_control = serializers.BooleanField(
        default=True,
        help_text="Train once more with permuted labels, and once on the same data in other bytes.",
    )


class RecomputationOutput(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    version_uri = serializers.CharField()
    status = serializers.ChoiceField([one.value for one in RecomputationStatus])
    step = serializers.CharField(help_text="Where it stands; empty before the first step.")
    verdict = serializers.SerializerMethodField(help_text="null while there is none")
    reason = serializers.SerializerMethodField()
    legs = serializers.SerializerMethodField()
    measurements = serializers.SerializerMethodField()
    evidence_digest = serializers.SerializerMethodField()
    failure = serializers.CharField(help_text="Why it could not be carried out.")
    attempts = serializers.IntegerField()
    repeats = serializers.IntegerField()
    negative_control = serializers.BooleanField()
    requested_by = serializers.UUIDField(allow_null=True, help_text="null: Muniment's schedule")
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    url = serializers.SerializerMethodField()

    def get_verdict(self, found: Recomputation) -> Verdict | None:
        verdict = _measured(found).get("verdict")
        return None if verdict is None else Verdict(verdict)

    def get_reason(self, found: Recomputation) -> str:
        evidence = found.evidence
        return "" if evidence is None else str(evidence.reasons[0])

    def get_legs(self, found: Recomputation) -> dict[str, dict[str, str]]:
        legs: dict[str, dict[str, str]] = _measured(found).get("legs", {})
        return legs

    def get_measurements(self, found: Recomputation) -> dict[str, Any]:
        return dict(_measured(found))

    def get_evidence_digest(self, found: Recomputation) -> str | None:
        evidence = found.evidence
        return None if evidence is None else f"sha256:{evidence.entry.sha256}"

    def get_url(self, found: Recomputation) -> str:
        return f"{settings.MUNIMENT_URL}/recomputations/{found.pk}/"


class RecomputationsOutput(PageOutput):
    results = RecomputationOutput(many=True)


class _RecomputationApi(APIView):
    permission_classes = (MayRecompute,)

    @staticmethod
    def _actor(request: Request) -> Actor:
        return actor_of(cast(User, request.user))


class RecomputationsView(_RecomputationApi):
    """List a version's recomputations, the newest first; order one."""

    @extend_schema(parameters=[PageQuery, _SOURCE], responses=RecomputationsOutput)
    def get(self, request: Request, name: str, version: int) -> Response:
        query = PageQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        known = find_version(name, version, request.query_params.get("source", ""))
        found, said = page_of(list_recomputations(known.uri), query.validated_data["page"])
        results = RecomputationOutput(found, many=True).data
        return Response({"schema_version": SCHEMA_VERSION, **said, "results": results})

    @extend_schema(
        parameters=[_SOURCE], request=RecomputationInput, responses={201: RecomputationOutput}
    )
    def post(self, request: Request, name: str, version: int) -> Response:
        given = RecomputationInput(data=request.data)
        given.is_valid(raise_exception=True)
        ordered = request_recomputation(
            version=find_version(name, version, request.query_params.get("source", "")),
            **given.validated_data,
            actor=self._actor(request),
            now=timezone.now(),
        )
        return Response(RecomputationOutput(ordered).data, status=201)


class RecomputationView(_RecomputationApi):
    """Say where one recomputation stands, and what it came to."""

    @extend_schema(responses=RecomputationOutput)
    def get(self, request: Request, recomputation_id: UUID) -> Response:
        found = get_object_or_404(list_recomputations(), pk=recomputation_id)
        return Response(RecomputationOutput(found).data)


class RecomputationCancellationView(_RecomputationApi):
    """Cancel one recomputation; 409 where it has ended."""

    @extend_schema(request=None, responses=RecomputationOutput)
    def post(self, request: Request, recomputation_id: UUID) -> Response:
        get_object_or_404(Recomputation, pk=recomputation_id)
        stopped = stop_recomputation(
            recomputation_id=recomputation_id, actor=self._actor(request), now=timezone.now()
        )
        return Response(RecomputationOutput(stopped).data)


def _measured(found: Recomputation) -> dict[str, Any]:
    measurements: dict[str, Any] = found.evidence.measurements if found.evidence else {}
    return measurements
