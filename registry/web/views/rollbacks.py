"""Rollback grants: asking, signing, the token, revoking, and reviewing a use."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from audits.web.names import people_names
from registry.api.rollback_tokens import collect_token
from registry.domain.rollback import LIVING, RollbackStatus
from registry.downloads import safe_name
from registry.errors import InvalidRequest, NoPolicyBound
from registry.models import RollbackGrant
from registry.selectors.lookups import version_named
from registry.selectors.rollbacks import list_rollbacks, rollback_happenings, shown_status
from registry.services.decisions import alias_holder
from registry.services.rollback_reviews import (
    MEANINGS,
    review_rollback,
    sign_rollback,
    why_not_review_use,
    why_not_sign,
)
from registry.services.rollbacks import (
    MAX_NOTE,
    request_rollback,
    revoke_rollback,
    signatures_needed,
)
from registry.services.signature_strength import least_for
from registry.web.people import actor_from, person_of
from registry.web.signing import TRY_AGAIN, sign_from, signed_form, signing_ways
from registry.web.timeline import timeline

PAGE_SIZE = 25


@require_safe
def rollbacks(request: HttpRequest) -> HttpResponse:
    """List the rollback grants, what moved last first."""
    page = Paginator(list_rollbacks(), PAGE_SIZE).get_page(request.GET.get("page"))
    now = timezone.now()
    rows = [(row, f"rollback_{shown_status(row, now)}") for row in page.object_list]
    return render(request, "registry/rollbacks.html", {"page_obj": page, "rows": rows})


@require_safe
def rollback(request: HttpRequest, rollback_id: UUID) -> HttpResponse:
    """Show one rollback grant: its move, who signed, what to do next."""
    return _page(request, _rollback(rollback_id), {}, status=200)


def _rollback(rollback_id: UUID) -> RollbackGrant:
    return get_object_or_404(list_rollbacks(), pk=rollback_id)


def _page(
    request: HttpRequest, found: RollbackGrant, entered: dict[str, Any], *, status: int
) -> HttpResponse:
    actor, shown = actor_from(request), shown_status(found, timezone.now())
    known = found.version.registered_model
    happened = rollback_happenings(found)
    is_requested, is_used = (
        shown == one for one in (RollbackStatus.REQUESTED, RollbackStatus.USED)
    )
    try:
        needed = signatures_needed(found.version)
        refusal = why_not_sign(found, actor) if is_requested else why_not_review_use(found, actor)
    except NoPolicyBound as error:  # taken away since: nobody may sign
        needed, refusal = 0, None
        messages.warning(request, str(error))
    may_decide = (is_requested or is_used) and needed > 0 and refusal is None
    holder = alias_holder(known, found.alias)
    context = {
        "rollback": found,
        "model": known,
        "shown": shown,
        "signing": signing_ways(least_for(known), person_of(request)),
        "look": f"rollback_{shown}",
        "given": found.approvals.filter(verdict="approve").count(),
        "needed": needed,
        "holder": holder,
        "rejecting": " The move becomes a violation." if holder == found.version else "",
        "may_sign": may_decide and is_requested,
        "may_review": may_decide and is_used,
        "refusal": refusal.reason if refusal and (is_requested or is_used) else "",
        "is_requester": actor.id == str(found.requester_id),
        "may_collect": shown == RollbackStatus.APPROVED and actor.id == str(found.requester_id),
        "may_revoke": shown in LIVING
        and (
            actor.id == str(found.requester_id) or not {"reviewer", "admin"}.isdisjoint(actor.roles)
        ),
        "meanings": MEANINGS,
        "most_letters": MAX_NOTE,
        "timeline": timeline(happened, people_names(item.actor_id for item in happened)),
    }
    return render(request, "registry/rollback.html", {**context, **entered}, status=status)


@require_POST
def ask(request: HttpRequest, name: str, number: int) -> HttpResponse:
    """Ask for a rollback grant to a version; the service says what stands in the way."""
    days = request.POST.get("valid_days", "")
    if not (days.isascii() and days.isdecimal() and len(days) < 4):
        raise InvalidRequest("Give the days for which the rollback grant is valid as a number.")
    found = request_rollback(
        version=version_named(name, number, request.GET.get("source", "")),
        alias=request.POST.get("alias", ""),
        note=request.POST.get("note", ""),
        valid_days=int(days),
        actor=actor_from(request),
        now=timezone.now(),
    )
    messages.success(request, "The rollback grant is asked for. Reviewers sign it on this page.")
    return redirect("registry:rollback", found.pk)


@require_POST
@signed_form
def sign(request: HttpRequest, rollback_id: UUID) -> HttpResponse:
    """Sign or refuse a rollback grant."""
    return _decide(request, rollback_id, sign_rollback)


@require_POST
@signed_form
def review(request: HttpRequest, rollback_id: UUID) -> HttpResponse:
    """Accept or reject the use of a rollback grant."""
    return _decide(request, rollback_id, review_rollback)


def _decide(request: HttpRequest, rollback_id: UUID, service: Any) -> HttpResponse:
    form, found = request.POST, _rollback(rollback_id)
    try:
        signed = sign_from(
            request,
            lambda **by: service(
                rollback_id=found.pk,
                verdict=form.get("verdict", ""),
                reason=form.get("reason", ""),
                **by,
            ),
        )
    except TRY_AGAIN as error:
        said = str(error)
        messages.error(
            request, said if "nothing was signed" in said else f"Nothing was signed. {said}"
        )
        entered = {
            "form_error": said,
            "entered_verdict": form.get("verdict", ""),
            "entered_reason": form.get("reason", ""),
        }
        return _page(request, found, entered, status=int(error.status))
    messages.success(request, "Your decision is signed.")
    return redirect("registry:rollback", signed.pk)


@require_POST
def token(request: HttpRequest, rollback_id: UUID) -> HttpResponse:
    """Hand the token out as a file, once."""
    found = _rollback(rollback_id)
    content = collect_token(rollback_id=found.pk, actor=actor_from(request))
    if content is None:
        messages.warning(
            request,
            "The token is not signed yet: the signatures have to stand under a checkpoint, and a "
            "worker has to be running. Nothing was handed out; ask again in a moment.",
        )
        return redirect("registry:rollback", found.pk)
    safe = safe_name(found.version.registered_model.name)
    move = f"v{found.from_version.version}-to-v{found.version.version}"
    answer = HttpResponse(f"{content}\n", content_type="text/plain; charset=us-ascii")
    answer["Content-Disposition"] = f'attachment; filename="muniment-rollback-{safe}-{move}.grant"'
    answer["Cache-Control"] = "no-store"
    return answer


@require_POST
def revoke(request: HttpRequest, rollback_id: UUID) -> HttpResponse:
    """Take a rollback grant back."""
    found = _rollback(rollback_id)
    revoke_rollback(rollback_id=found.pk, actor=actor_from(request), now=timezone.now())
    messages.success(request, "The rollback grant is revoked.")
    return redirect("registry:rollback", found.pk)
