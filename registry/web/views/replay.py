"""Replaying decisions: a past promotion, or everyone who holds an alias, under any policy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from audits.models import Evidence
from registry.domain.gate_result import flattened_results
from registry.domain.policy import Policy as PolicyDocument
from registry.errors import NothingToReplay, UnknownPolicy
from registry.models import Promotion
from registry.selectors.policies import published_policies
from registry.selectors.replay import (
    holders,
    replay_holder,
    replay_holders,
    replay_promotion,
    replays_exactly,
)
from registry.services.lookup import find_policy
from registry.services.policies import document_of
from registry.web.csv_lines import csv_answer
from registry.web.gates import gate_rows

PAGE_SIZE = 25
CSV_COLUMNS = (
    *("source", "model", "version", "version_uri", "alias"),
    *("outcome", "was", "was_policy", "reasons"),
)


@require_safe
def champions(request: HttpRequest) -> HttpResponse:
    """Show who holds a governed alias now, and what a policy version says of each."""
    context, policy, status = _chosen(request)
    if policy is not None:
        now = timezone.now()
        held = holders(context["text"])
        page = Paginator(held, PAGE_SIZE).get_page(request.GET.get("page"))
        context |= {"page_obj": page, "is_judged": True}
        context["rows"] = [replay_holder(one, policy, as_of=now) for one in page.object_list]
    return render(request, "registry/replay.html", context, status=status)


@require_safe
def champions_csv(request: HttpRequest) -> StreamingHttpResponse:
    """Stream the same for everyone who holds a governed alias."""
    policy = document_of(find_policy(request.GET.get("policy", "")))
    name = f"muniment-replay-{policy.name}-v{policy.version}"
    return csv_answer(name, CSV_COLUMNS, _lines(policy, _text(request)))


@require_safe
def promotion(request: HttpRequest, promotion_id: UUID) -> HttpResponse:
    """Show a promotion's last decision again, under the policy that made it or another."""
    promotions = Promotion.objects.select_related("version__registered_model")
    found = get_object_or_404(promotions, pk=promotion_id)
    context, policy, status = _chosen(request)
    context |= {"promotion": found, "version": found.version}
    try:
        replayed = replay_promotion(found, policy)
    except NothingToReplay as error:
        return render(
            request,
            "registry/replay_promotion.html",
            {**context, "nothing": error},
            status=int(error.status),
        )
    gates = flattened_results(replayed.decision.gates)
    read = [gate.evidence_digest for gate in gates if gate.evidence_digest]
    evidence = list(Evidence.objects.filter(entry__sha256__in=read).select_related("entry"))
    context |= {
        "replayed": replayed,
        "is_same": replays_exactly(found),
        "is_another": replayed.was_policy != _label(replayed.decision.policy),
        "judged_by": _label(replayed.decision.policy),
        "policy_hex": replayed.decision.policy.digest.removeprefix("sha256:"),
        "gates": gate_rows([gate.to_mapping() for gate in replayed.decision.gates], evidence),
    }
    return render(request, "registry/replay_promotion.html", context, status=status)


def _chosen(request: HttpRequest) -> tuple[dict[str, Any], PolicyDocument | None, int]:
    reference = request.GET.get("policy", "")
    context: dict[str, Any] = {
        "policies": [_label(policy) for policy in published_policies()],
        "reference": reference,
        "text": _text(request),
    }
    if not reference:
        return context, None, 200
    try:
        policy = document_of(find_policy(reference))
    except UnknownPolicy as error:
        return {**context, "problem": error}, None, int(error.status)
    return {**context, "reference": _label(policy)}, policy, 200


def _lines(policy: PolicyDocument, text: str) -> Iterator[tuple[object, ...]]:
    for found in replay_holders(policy, as_of=timezone.now(), name_contains=text):
        version, model = found.version, found.version.registered_model
        yield (
            *(model.source_id, model.name, version.version, version.uri, found.alias),
            *(found.outcome, found.was.value if found.was else "", found.was_policy),
            " ".join(found.decision.reasons),
        )


def _label(policy: Any) -> str:
    return f"{policy.name}@{policy.version}"


def _text(request: HttpRequest) -> str:
    return request.GET.get("q", "").replace("\x00", "").strip()[:256]
