"""Two published policy versions beside each other."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from registry.models import Policy
from registry.selectors.policies import published_policies
from registry.selectors.policy_drafts import published_before
from registry.services.policies import document_of
from registry.web.policy_differences import gate_changes, head_changes, side_by_side


@require_safe
def compare(request: HttpRequest, digest: str) -> HttpResponse:
    """Show what a published version says beside another, the one before it where none is chosen."""
    after = get_object_or_404(Policy, digest=f"sha256:{digest}")
    chosen = request.GET.get("with", "")
    before = (
        get_object_or_404(Policy, digest=f"sha256:{chosen}") if chosen else published_before(after)
    )
    context: dict[str, Any] = {
        "after": after,
        "before": before,
        "others": [policy for policy in published_policies() if policy.pk != after.pk],
    }
    if before is not None:
        was, now = document_of(before), document_of(after)
        texts = [bytes(one.document).decode("utf-8", "replace") for one in (before, after)]
        context |= {
            "before_label": f"{before.name} v{before.version}",
            "after_label": f"{after.name} v{after.version}",
            "head": head_changes(was, now),
            "changes": gate_changes(was, now),
            "lines": side_by_side(*texts),
        }
    return render(request, "registry/policy_compare.html", context)
