"""Promotions: the list, the review screen, and signing."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from accounts.errors import ReauthenticationFailed
from registry.downloads import certificate_response
from registry.errors import NoCertificate
from registry.models import Certificate, Promotion
from registry.selectors.promotions import PromotionFilter, list_promotions, state_counts
from registry.services.approvals import sign_review
from registry.services.promotions import withdraw_promotion
from registry.services.review_answers import comment_on_promotion, take_review_back
from registry.services.review_draft import MEANINGS as SIGNED_MEANINGS
from registry.web.people import actor_from, person_of
from registry.web.review import MOVING, review_context
from registry.web.signing import TRY_AGAIN, sign_from, signed_form

PAGE_SIZE = 25
MEANINGS = {verdict.value: words for verdict, words in SIGNED_MEANINGS.items()}
STATE_WORDS = {
    "mine": "Need your action",
    "open": "Open",
    "executed": "Promoted",
    "denied": "Denied by policy",
    "refused": "Refused",
    "all": "All",
}


@require_safe
def promotions(request: HttpRequest) -> HttpResponse:
    """List promotions, what moved last first."""
    person = person_of(request)
    wanted = PromotionFilter.from_query(request.GET.dict())
    page = Paginator(list_promotions(wanted, person), PAGE_SIZE).get_page(request.GET.get("page"))
    context = {
        "wanted": wanted,
        "states": [(state, STATE_WORDS[state], count) for state, count in state_counts(person)],
        "page_obj": page,
    }
    return render(request, "registry/promotions.html", context)


def _promotion(promotion_id: UUID) -> Promotion:
    promotions = Promotion.objects.select_related(
        "version__registered_model", "requester", "trainer", "replaces"
    )
    return get_object_or_404(promotions, pk=promotion_id)


@require_safe
def promotion(request: HttpRequest, promotion_id: UUID) -> HttpResponse:
    """Show everything that a reviewer decides on, in the order in which it is read."""
    return _review_page(request, _promotion(promotion_id), {}, status=200)


@require_safe
def certificate(request: HttpRequest, promotion_id: UUID) -> HttpResponse:
    """Hand out the certificate of an executed promotion, for `muniment admit`."""
    issued = Certificate.objects.select_related("entry", "promotion__version__registered_model")
    try:
        return certificate_response(get_object_or_404(issued, promotion=promotion_id))
    except NoCertificate as error:
        raise Http404(str(error)) from error


def _review_page(
    request: HttpRequest, found: Promotion, entered: dict[str, Any], *, status: int
) -> HttpResponse:
    context = review_context(found, person_of(request), actor_from(request), timezone.now())
    return render(request, "registry/promotion.html", {**context, **entered}, status=status)


@require_POST
@signed_form
def review(request: HttpRequest, promotion_id: UUID) -> HttpResponse:
    """Sign a review. What was typed is kept where only the password or a field was wrong."""
    found = _promotion(promotion_id)
    form = request.POST
    verdict, meaning = form.get("verdict", ""), form.get("meaning", "").strip()
    if not meaning and verdict in MEANINGS:
        # The form shows this sentence beside the verdict, and says that it is signed then.
        meaning = MEANINGS[verdict]
    try:
        signed = sign_from(
            request,
            lambda **by: sign_review(
                promotion_id=found.pk,
                verdict=verdict,
                reason=form.get("reason", ""),
                meaning=meaning,
                evidence_digest=form.get("evidence_digest", ""),
                **by,
            ),
        )
    except TRY_AGAIN as error:
        entered = {
            "entered_verdict": verdict,
            "entered_meaning": form.get("meaning", ""),
            "entered_reason": form.get("reason", ""),
            "form_error": str(error),
            "is_reason_missing": verdict in ("refuse", "request_changes")
            and not form.get("reason", "").strip(),
            "is_password_wrong": isinstance(error, ReauthenticationFailed),
        }
        # Said at the top too: not every browser goes to the form that the address names.
        said = str(error)
        messages.error(
            request, said if "nothing was signed" in said else f"Nothing was signed. {said}"
        )
        return _review_page(request, found, entered, status=int(error.status))
    messages.success(request, _thanks(signed, verdict))
    return redirect("registry:promotion", signed.pk)


def _thanks(signed: Promotion, verdict: str) -> str:
    match signed.status:
        case "refused":
            return "Your refusal is signed. The promotion is closed."
        case "in_review":
            if verdict == "request_changes":
                return "Your verdict is signed. The promotion waits for what you asked for."
            return "Your approval is signed. More approvals are needed."
        case "denied":
            return "Your review is signed. The policy denies the promotion on today's evidence."
    return "Your approval is signed. The alias moves once it stands under a checkpoint."


@require_POST
def comment(request: HttpRequest, promotion_id: UUID) -> HttpResponse:
    """Say something about a promotion, unsigned."""
    found = _promotion(promotion_id)
    comment_on_promotion(
        promotion_id=found.pk,
        text=request.POST.get("text", ""),
        actor=actor_from(request),
        now=timezone.now(),
    )
    messages.success(request, "Your comment is kept. It counts for nothing.")
    return redirect("registry:promotion", found.pk)


@require_POST
def take_back(request: HttpRequest, promotion_id: UUID) -> HttpResponse:
    """Take the person's own verdict back."""
    found = _promotion(promotion_id)
    take_review_back(promotion_id=found.pk, actor=actor_from(request), now=timezone.now())
    messages.success(request, "Your verdict is taken back. It does not count any more.")
    return redirect("registry:promotion", found.pk)


@require_POST
def withdraw(request: HttpRequest, promotion_id: UUID) -> HttpResponse:
    """Take a request back."""
    found = _promotion(promotion_id)
    withdraw_promotion(promotion_id=found.pk, actor=actor_from(request), now=timezone.now())
    messages.success(request, "The request is withdrawn.")
    return redirect("registry:promotion", found.pk)


@require_safe
def status(request: HttpRequest, promotion_id: UUID) -> HttpResponse:
    """Give the status line alone, for a page that watches it."""
    found = _promotion(promotion_id)
    context = {"promotion": found, "is_moving": found.status in MOVING}
    answer = render(request, "registry/promotion_status.html", context)
    if request.htmx and found.status != request.GET.get("was"):  # type: ignore[attr-defined]
        # What the page shows is no longer true: the browser loads it again.
        answer["HX-Refresh"] = "true"
    return answer
