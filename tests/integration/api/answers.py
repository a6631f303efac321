"""What answers of the API must look like."""

from __future__ import annotations

import json
from typing import Any

from django.http import HttpResponse


def require_problem(answer: HttpResponse, status: int, code: str = "") -> dict[str, Any]:
    """Pass an RFC 9457 answer of this status and code; return it."""
    assert answer.status_code == status, answer.content[:500]
    assert answer["Content-Type"] == "application/problem+json"
    said: dict[str, Any] = json.loads(answer.content)
    assert set(said) >= {"type", "title", "status", "code", "detail", "errors", "request_id"}
    assert said["status"] == status
    assert said["code"]
    assert said["detail"]
    assert said["request_id"]
    assert isinstance(said["errors"], list)
    assert "Traceback" not in answer.content.decode()
    if code:
        assert said["code"] == code
    return said
