"""The gate, as CI asks it: a decision with every reason. A GET writes nothing."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.fields import empty
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from muniment.attest.statement import format_time
from registry.domain.gate_result import GateResult
from registry.domain.remedies import remedy_of
from registry.models.mirror import source_query
from registry.services.aliases import require_governed_alias
from registry.services.decisions import NO_POLICY
from registry.services.evaluation import Judged, judge_standing
from registry.services.policies import document_by_digest
from registry.services.standing import PromotionStanding, Standing, find_standing

SCHEMA_VERSION = 1


SOURCE_PARAMETER = "the registry source; needed where several have a model of the name"


_ALIAS = serializers.CharField(max_length=256)


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
        alias = require_governed_alias(_alias(request))
        now = timezone.now()
        standing = find_standing(
            name=name,
            number=version,
            source=request.query_params.get("source", ""),
            alias=alias,
        )
        judged = judge_standing(standing, as_of=now)
        return Response(
            {
                "schema_version": SCHEMA_VERSION,
                **_answer(judged, standing),
                "promotion": _promotion(standing.promotion),
                "links": _links(standing),
                "evaluated_at": format_time(now),
            }
        )


def _alias(request: Request) -> str:
    try:
        alias: str = _ALIAS.run_validation(request.query_params.get("alias", empty))
    except serializers.ValidationError as error:
        raise serializers.ValidationError({"alias": error.detail}) from error
    return alias


def _answer(judged: Judged, standing: Standing) -> dict[str, Any]:
    decision = judged.decision
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
                    "remedy": {
                        "who": "two admins",
                        "what": "Bind a policy to the model: one proposes it, another confirms.",
                        "command": f"manage.py registry bind {shlex.quote(standing.model_name)}"
                        " --policy NAME --risk-tier TIER --as ADMIN",
                    },
                }
            ],
            "approvals": None,
        }
    policy = decision.policy
    computed = document_by_digest(policy.digest).computed_gates
    return {
        "decision": decision.verdict.value,
        "reasons": list(decision.reasons),
        "policy": {"name": policy.name, "version": policy.version, "digest": policy.digest},
        "evidence_digest": decision.evidence_digest,
        "checks": [_check(judged, gate, standing, computed) for gate in decision.gates],
        "approvals": decision.approvals.to_mapping(),
    }


def _check(
    judged: Judged, gate: GateResult, standing: Standing, computed: frozenset[str]
) -> dict[str, Any]:
    remedy = remedy_of(
        gate.kind,
        gate.outcome,
        was_read=gate.evidence_digest is not None,
        is_computed=gate.id in computed,
    )
    check: dict[str, Any] = {
        "id": gate.id,
        "status": "in_progress" if gate.outcome == "pending" else "completed",
        "conclusion": None if gate.outcome == "pending" else gate.outcome.value,
        "title": gate.title,
        "reason": gate.reason,
        "expected": gate.expected,
        "actual": gate.actual,
        "evidence_url": _evidence_url(judged, gate.evidence_digest),
        "remedy": asdict(remedy.about(standing.model_name, standing.number)) if remedy else None,
    }
    if gate.members:
        check["checks"] = [_check(judged, one, standing, computed) for one in gate.members]
    return check


def _promotion(promotion: PromotionStanding | None) -> dict[str, str] | None:
    return None if promotion is None else {"id": str(promotion.id), "status": promotion.status}


def _evidence_url(judged: Judged, digest: str | None) -> str | None:
    evidence = judged.evidence.get(digest or "")
    return f"{settings.MUNIMENT_URL}/evidence/{evidence}/" if evidence else None


def _links(standing: Standing) -> dict[str, str | None]:
    name = quote(standing.model_name, safe="")
    promotion = standing.promotion
    base = settings.MUNIMENT_URL
    return {
        "version": f"{base}/models/{name}/versions/{standing.number}/"
        f"{source_query(standing.source)}",
        "promotion": f"{base}/promotions/{promotion.id}/" if promotion else None,
    }
