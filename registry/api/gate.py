"""The gate, as CI asks it: a decision with every reason. A GET writes nothing."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from audits.models import Evidence
from muniment.attest.statement import format_time
from registry.services.aliases import require_governed_alias
from registry.services.decisions import NO_POLICY
from registry.services.evaluation import Evaluation, evaluate_version
from registry.services.lookup import find_version

SCHEMA_VERSION = 1


SOURCE_PARAMETER = "the registry source; needed where several have a model of the name"


class GateQuery(serializers.Serializer[None]):
    alias = serializers.CharField(max_length=256)


class GateView(APIView):
    """Answer allow, deny or pending for a version and a governed alias."""

    @extend_schema(
        parameters=[
            OpenApiParameter("alias", str, required=True),
            OpenApiParameter("source", str, description=SOURCE_PARAMETER),
        ],
        responses={200: dict[str, Any]},
    )
    def get(self, request: Request, name: str, version: int) -> Response:
        query = GateQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        alias = require_governed_alias(query.validated_data["alias"])
        now = timezone.now()
        found = find_version(name, version, request.query_params.get("source", ""))
        evaluation = evaluate_version(version=found, alias=alias, as_of=now)
        return Response(
            {
                "schema_version": SCHEMA_VERSION,
                **_answer(evaluation),
                "promotion": _promotion(evaluation),
                "links": _links(evaluation),
                "evaluated_at": format_time(now),
            }
        )


def _answer(evaluation: Evaluation) -> dict[str, Any]:
    decision = evaluation.decision
    if decision is None:
        return {
            "decision": "deny",
            "reasons": [NO_POLICY],
            "policy": None,
            "evidence_digest": None,
            "checks": [
                {
                    "id": "policy",
                    "status": "completed",
                    "conclusion": "unsatisfied",
                    "title": "A policy is bound to the model",
                    "reason": NO_POLICY,
                    "expected": 1,
                    "actual": 0,
                    "evidence_url": None,
                }
            ],
            "approvals": None,
        }
    content = decision.to_mapping()
    urls = _evidence_urls(evaluation)
    return {
        "decision": decision.verdict.value,
        "reasons": list(decision.reasons),
        "policy": content["policy"],
        "evidence_digest": decision.evidence_digest,
        "checks": [
            {
                "id": gate.id,
                "status": "in_progress" if gate.outcome == "pending" else "completed",
                "conclusion": None if gate.outcome == "pending" else gate.outcome.value,
                "title": gate.title,
                "reason": gate.reason,
                "expected": gate.expected,
                "actual": gate.actual,
                "evidence_url": urls.get(gate.evidence_digest or ""),
            }
            for gate in decision.gates
        ],
        "approvals": decision.approvals.to_mapping(),
    }


def _promotion(evaluation: Evaluation) -> dict[str, str] | None:
    promotion = evaluation.promotion
    if promotion is None:
        return None
    return {"id": str(promotion.pk), "status": promotion.status}


def _evidence_urls(evaluation: Evaluation) -> dict[str, str]:
    digests = [item.digest for item in evaluation.view.items]
    rows = Evidence.objects.filter(entry__sha256__in=digests).values_list("pk", "entry__sha256")
    return {sha256: f"{settings.MUNIMENT_URL}/evidence/{pk}/" for pk, sha256 in rows}


def _links(evaluation: Evaluation) -> dict[str, str | None]:
    version = evaluation.version
    name = quote(version.registered_model.name, safe="")
    promotion = evaluation.promotion
    base = settings.MUNIMENT_URL
    return {
        "version": f"{base}/models/{name}/versions/{version.version}/"
        f"{version.registered_model.source_query}",
        "promotion": f"{base}/promotions/{promotion.pk}/" if promotion else None,
    }
