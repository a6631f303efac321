"""Withdrawn datasets: the list, proposing one, and the second signature."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from registry.domain.withdrawal import CAUSE_WORDS, ROLES, Cause, why_not_second
from registry.errors import WithdrawalNotPossible
from registry.models import ModelVersion, Withdrawal, WithdrawnVersion
from registry.selectors.withdrawals import (
    list_withdrawals,
    names_of_dataset,
    reasons_of,
    status_of,
    versions_of,
)
from registry.services.withdrawals import (
    MAX_REASON,
    MEANINGS,
    least_for_dataset,
    propose_withdrawal,
    sign_withdrawal,
)
from registry.services.withdrawn_versions import affected_versions
from registry.web.people import actor_from, person_of
from registry.web.signing import TRY_AGAIN, sign_from, signed_form, signing_ways

PAGE_SIZE = 25
# So many affected versions are named; the trace has all of them.
MOST_NAMED = 100


@require_safe
def withdrawals(request: HttpRequest) -> HttpResponse:
    """List the withdrawals of datasets, the newest first."""
    page = Paginator(list_withdrawals(), PAGE_SIZE).get_page(request.GET.get("page"))
    rows = [(row, f"withdrawal_{status_of(row)}", _cause(row)) for row in page.object_list]
    return render(
        request,
        "registry/withdrawals.html",
        {"page_obj": page, "rows": rows, "may_propose": _may_propose(request)},
    )


@require_http_methods(["GET", "HEAD", "POST"])
@signed_form
def propose(request: HttpRequest) -> HttpResponse:
    """Give the first signature on the withdrawal of a dataset."""
    if request.method != "POST":
        dataset = request.GET.get("dataset", "").replace("\x00", "").strip()[:80]
        return _proposal(request, dataset, {}, status=200)
    form = request.POST
    try:
        found = sign_from(
            request,
            lambda **by: propose_withdrawal(
                dataset=form.get("dataset", ""),
                cause=form.get("cause", ""),
                reason=form.get("reason", ""),
                **by,
            ),
        )
    except (*TRY_AGAIN, WithdrawalNotPossible) as error:
        entered = {
            "form_error": str(error),
            "entered_cause": form.get("cause", ""),
            "entered_reason": form.get("reason", ""),
        }
        dataset = form.get("dataset", "").replace("\x00", "").strip()[:80]
        return _proposal(request, dataset, entered, status=int(error.status))
    messages.success(request, "Signed. Another reviewer or admin gives the second signature here.")
    return redirect("registry:withdrawal", found.pk)


def _proposal(
    request: HttpRequest, dataset: str, entered: dict[str, Any], *, status: int
) -> HttpResponse:
    affected = list(affected_versions(dataset)[: MOST_NAMED + 1]) if dataset else []
    context = {
        "dataset": dataset,
        # Before it is known which, only that a dataset is: the service says what its models ask.
        "signing": signing_ways(least_for_dataset(dataset), person_of(request)),
        "names": names_of_dataset(dataset) if dataset else [],
        "affected": affected[:MOST_NAMED],
        "is_more": len(affected) > MOST_NAMED,
        "causes": [(cause.value, words) for cause, words in CAUSE_WORDS.items()],
        "meaning": MEANINGS["propose"],
        "most_letters": MAX_REASON,
        "may_propose": _may_propose(request),
    }
    return render(request, "registry/withdrawal_new.html", {**context, **entered}, status=status)


@require_safe
def withdrawal(request: HttpRequest, withdrawal_id: UUID) -> HttpResponse:
    """Show one withdrawal: who signed, why, and which versions it affects."""
    return _page(request, _withdrawal(withdrawal_id), {}, status=200)


def _withdrawal(withdrawal_id: UUID) -> Withdrawal:
    return get_object_or_404(list_withdrawals(), pk=withdrawal_id)


def _page(
    request: HttpRequest, found: Withdrawal, entered: dict[str, Any], *, status: int
) -> HttpResponse:
    actor, stands = actor_from(request), status_of(found)
    refusal = (
        why_not_second(person=actor.id, roles=actor.roles, proposer=str(found.proposer_id))
        if stands == "requested"
        else ""
    )
    affected: list[tuple[ModelVersion, WithdrawnVersion | None]]
    if stands == "in_force":
        stated = list(versions_of(found)[: MOST_NAMED + 1])
        affected = [(row.version, row) for row in stated]
    else:
        affected = [(one, None) for one in affected_versions(found.dataset)[: MOST_NAMED + 1]]
    context = {
        "withdrawal": found,
        "signing": signing_ways(least_for_dataset(found.dataset), person_of(request)),
        "approval": found.approval if hasattr(found, "approval") else None,
        "stands": stands,
        "look": f"withdrawal_{stands}",
        "cause": _cause(found),
        "names": names_of_dataset(found.dataset),
        "reasons": reasons_of(found),
        "affected": affected[:MOST_NAMED],
        "is_more": len(affected) > MOST_NAMED,
        "refusal": refusal,
        "may_sign": stands == "requested" and not refusal,
        "meanings": MEANINGS,
        "most_letters": MAX_REASON,
    }
    return render(request, "registry/withdrawal.html", {**context, **entered}, status=status)


@require_POST
@signed_form
def sign(request: HttpRequest, withdrawal_id: UUID) -> HttpResponse:
    """Give the second signature, or refuse to."""
    form, found = request.POST, _withdrawal(withdrawal_id)
    try:
        sign_from(
            request,
            lambda **by: sign_withdrawal(
                withdrawal_id=found.pk,
                verdict=form.get("verdict", ""),
                reason=form.get("reason", ""),
                **by,
            ),
        )
    except TRY_AGAIN as error:
        entered = {
            "form_error": str(error),
            "entered_verdict": form.get("verdict", ""),
            "entered_reason": form.get("reason", ""),
        }
        return _page(request, found, entered, status=int(error.status))
    messages.success(request, "Your decision is signed.")
    return redirect("registry:withdrawal", found.pk)


def _cause(found: Withdrawal) -> str:
    return CAUSE_WORDS[Cause(found.cause)]


def _may_propose(request: HttpRequest) -> bool:
    return not actor_from(request).roles.isdisjoint(ROLES)
