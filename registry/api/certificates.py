"""The certificate of a version over REST, with all that proves it."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.views import APIView

from audits.api.negotiation import AsItIs
from registry.api.gate import SOURCE_PARAMETER
from registry.downloads import certificate_response
from registry.selectors.certificates import newest_certificate
from registry.services.lookup import find_version


class CertificateQuery(serializers.Serializer[None]):
    alias = serializers.CharField(max_length=256, default="")


class CertificateView(APIView):
    """Answer the bundle that `muniment admit` takes."""

    content_negotiation_class = AsItIs

    @extend_schema(
        parameters=[
            OpenApiParameter("alias", str, description="of this alias alone"),
            OpenApiParameter("source", str, description=SOURCE_PARAMETER),
        ],
        responses={200: dict[str, Any]},
    )
    def get(self, request: Request, name: str, version: int) -> HttpResponse:
        query = CertificateQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        found = find_version(name, version, request.query_params.get("source", ""))
        return certificate_response(newest_certificate(found, query.validated_data["alias"]))
