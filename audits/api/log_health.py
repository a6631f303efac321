"""The log's health for monitors: what the page says, as JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from audits.log_health import LogHealth, log_health
from audits.web.health_page import health_concerns, health_state
from muniment.attest.statement import format_time

SCHEMA_VERSION = 1


class LogHealthView(APIView):
    """Say whether the log is whole, current and looked after. Whatever is found, the status is 200.

    `state` is `good`, `attention` or `wrong`; `concerns` says why, in sentences.
    """

    @extend_schema(responses={200: dict[str, Any]})
    def get(self, request: Request) -> Response:
        return Response(health_mapping(log_health(now=timezone.now())))


def health_mapping(health: LogHealth) -> dict[str, Any]:
    """Return the log's health as JSON; times as statements write them, null where never."""
    head, last = health.head, health.verification
    return {
        "schema_version": SCHEMA_VERSION,
        "state": health_state(health),
        "concerns": list(health_concerns(health)),
        "origin": health.origin,
        "vkeys": list(health.vkeys),
        "checkpoint": head
        and {
            "tree_size": head.tree_size,
            "root_hash": head.root_hash,
            "signed_at": format_time(head.signed_at),
            "signed_by": [f"{item.name}+{item.key_hash}" for item in head.signatures],
        },
        "waiting": {"count": health.waiting, "since": _time(health.waiting_since)},
        "refused": {
            "count": health.refused_count,
            "newest": [
                {"sha256": item.sha256, "code": item.code, "at": format_time(item.refused_at)}
                for item in health.refused
            ],
        },
        "verification": last
        and {
            "holds": last.holds,
            "is_overdue": health.is_verification_overdue,
            "tree_size": last.tree_size,
            "started_at": format_time(last.started_at),
            "finished_at": format_time(last.finished_at),
            "findings": last.findings,
        },
        "timestamp": {
            "authority": health.others.authority,
            "tree_size": health.others.stamped_size,
            "at": _time(health.others.stamped_at),
        },
        "witnesses": {
            "quorum": health.others.quorum,
            "quorum_tree_size": health.others.quorum_size,
            "each": [
                {
                    "name": item.name,
                    "vkey": item.vkey,
                    "tree_size": item.tree_size,
                    "cosigned_at": _time(item.cosigned_at),
                }
                for item in health.others.witnesses
            ],
        },
        "alarms": [
            {
                "code": item.code,
                "message": item.message,
                "raised_at": format_time(item.raised_at),
                "last_seen_at": format_time(item.last_seen_at),
            }
            for item in health.open_alarms
        ],
        "at": format_time(health.at),
    }


def _time(at: datetime | None) -> str | None:
    return None if at is None else format_time(at)
