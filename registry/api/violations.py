"""Violations over REST, for monitors and dashboards."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from registry.api.paging import PageOutput, PageQuery, page_of
from registry.domain.violations import ViolationStatus
from registry.models import Violation
from registry.selectors.violations import ALL, STATES, ViolationFilter, list_violations
from registry.services.violations import words_of

SCHEMA_VERSION = 1


class ViolationsQuery(PageQuery):
    state = serializers.ChoiceField(STATES, default=ALL)
    # The serializer's own attribute of this name is not its field: DRF keeps the two apart.
    source = serializers.CharField(max_length=50, default="")  # type: ignore[assignment]
    model = serializers.CharField(max_length=256, default="", help_text="Part of a model's name.")


class ViolationOutput(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    state = serializers.ChoiceField([one.value for one in ViolationStatus], source="status")
    event = serializers.CharField()
    summary = serializers.SerializerMethodField()
    source = serializers.CharField(source="registered_model.source_id")  # type: ignore[assignment]
    model = serializers.CharField(source="registered_model.name")
    model_uri = serializers.CharField(source="registered_model.uri")
    version = serializers.IntegerField(source="version.version", allow_null=True)
    alias = serializers.CharField()
    before = serializers.JSONField(allow_null=True)
    after = serializers.JSONField(allow_null=True)
    can_be_undone = serializers.BooleanField()
    found_at = serializers.DateTimeField()
    settled_at = serializers.DateTimeField(allow_null=True)
    log_entry = serializers.CharField(source="entry.sha256")
    url = serializers.SerializerMethodField()

    def get_summary(self, violation: Violation) -> str:
        return words_of(violation)

    def get_url(self, violation: Violation) -> str:
        return f"{settings.MUNIMENT_URL}/violations/{violation.pk}/"


class ViolationsOutput(PageOutput):
    results = ViolationOutput(many=True)


class ViolationsView(APIView):
    """List the changes in MLflow that nothing allowed, the newest first."""

    @extend_schema(parameters=[ViolationsQuery], responses=ViolationsOutput)
    def get(self, request: Request) -> Response:
        query = ViolationsQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        wanted = ViolationFilter(
            state=query.validated_data["state"],
            source=query.validated_data["source"],
            model=query.validated_data["model"],
        )
        found, said = page_of(list_violations(wanted), query.validated_data["page"])
        results = ViolationOutput(found, many=True).data
        return Response({"schema_version": SCHEMA_VERSION, **said, "results": results})
