"""Evidence that other tools report about a version, for the gates that read it."""

from __future__ import annotations

from typing import Any, cast

from django.conf import settings
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api.permissions import MayReportEvidence
from accounts.models import User
from accounts.services.people import actor_of
from registry.api.gate import SOURCE_PARAMETER
from registry.services.lookup import find_version
from registry.services.stated_evidence import report_evidence

SCHEMA_VERSION = 1


class EvidenceInput(serializers.Serializer[None]):
    type = serializers.CharField(max_length=80, help_text="A type that a gate of the policy reads.")
    measurements = serializers.DictField(help_text="As that gate's JSON Schema has them.")
    subject_digest = serializers.CharField(
        max_length=80,
        default="",
        help_text="dirHash:… of the files that were measured; refused where the version has others",
    )


class EvidenceOutput(serializers.Serializer[Any]):
    schema_version = serializers.IntegerField()
    kind = serializers.CharField()
    evidence_digest = serializers.CharField()
    subject_digest = serializers.CharField()
    url = serializers.CharField()


class EvidenceView(APIView):
    """Report evidence; what a gate makes of it, the gate says."""

    permission_classes = (MayReportEvidence,)

    @extend_schema(
        parameters=[OpenApiParameter("source", str, description=SOURCE_PARAMETER)],
        request=EvidenceInput,
        responses={201: EvidenceOutput},
    )
    def post(self, request: Request, name: str, version: int) -> Response:
        given = EvidenceInput(data=request.data)
        given.is_valid(raise_exception=True)
        evidence = report_evidence(
            version=find_version(name, version, request.query_params.get("source", "")),
            type_name=given.validated_data["type"],
            measurements=given.validated_data["measurements"],
            subject_digest=given.validated_data["subject_digest"],
            actor=actor_of(cast(User, request.user)),
            now=timezone.now(),
        )
        said = {
            "schema_version": SCHEMA_VERSION,
            "kind": evidence.kind,
            "evidence_digest": f"sha256:{evidence.entry.sha256}",
            "subject_digest": evidence.subject_digest,
            "url": f"{settings.MUNIMENT_URL}/evidence/{evidence.pk}/",
        }
        return Response(EvidenceOutput(said).data, status=201)
