"""Changes that wait for a second admin: the list, one of them, and the answer."""

from __future__ import annotations

import difflib
from itertools import zip_longest
from typing import Any, cast
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from accounts.domain.proposals import ProposalStatus, Verdict, why_not_answer
from accounts.errors import ProposalInvalid, ProposalOutdated, ReauthenticationFailed
from accounts.models import Proposal, User
from accounts.selectors import list_proposals, names_of_subjects, reason_of, stands
from accounts.services.change_kinds import kind_named
from accounts.services.people import actor_of
from accounts.services.proposals import MAX_REASON, answer_proposal, content_of, title_of
from accounts.services.signing_power import why_no_signing_power
from audits.domain.actor import Actor

PAGE_SIZE = 25
MEANINGS = {
    Verdict.CONFIRM.value: "I have read this change and want it too. It is made at once.",
    Verdict.DECLINE.value: "I do not want this change.",
}


@require_safe
def proposals(request: HttpRequest) -> HttpResponse:
    """List the changes that wait for a second admin, and those that were answered."""
    page = Paginator(list_proposals(), PAGE_SIZE).get_page(request.GET.get("page"))
    now = timezone.now()
    listed = list(page.object_list)
    names = names_of_subjects(listed)
    rows = [(row, f"proposal_{stands(row, now)}", title_of(row, names)) for row in listed]
    return render(request, "accounts/proposals.html", {"page_obj": page, "rows": rows})


@require_safe
def proposal(request: HttpRequest, proposal_id: UUID) -> HttpResponse:
    """Show exactly what one change would do."""
    return _page(request, _found(proposal_id), {}, status=200)


@require_POST
def answer(request: HttpRequest, proposal_id: UUID) -> HttpResponse:
    """Confirm a change, decline it, or take it back."""
    form, found = request.POST, _found(proposal_id)
    try:
        _, words = answer_proposal(
            proposal_id=found.pk,
            verdict=form.get("verdict", ""),
            content_sha256=form.get("content", ""),
            reason=form.get("reason", ""),
            password=form.get("password", ""),
            actor=_actor(request),
            now=timezone.now(),
        )
    except (ProposalInvalid, ProposalOutdated, ReauthenticationFailed) as error:
        entered = {
            "form_error": str(error),
            "entered_verdict": form.get("verdict", ""),
            "entered_reason": form.get("reason", ""),
        }
        return _page(request, found, entered, status=int(error.status))
    messages.success(request, words)
    return redirect("accounts:proposal", found.pk)


def _found(proposal_id: UUID) -> Proposal:
    return get_object_or_404(list_proposals(), pk=proposal_id)


def _actor(request: HttpRequest) -> Actor:
    return actor_of(cast(User, request.user))


def _page(
    request: HttpRequest, found: Proposal, entered: dict[str, Any], *, status: int
) -> HttpResponse:
    actor, now = _actor(request), timezone.now()
    standing = stands(found, now)
    is_waiting = standing is ProposalStatus.WAITING
    refusals = {
        verdict: why_not_answer(
            verdict=verdict,
            person=actor.id,
            roles=actor.roles,
            proposer=str(found.proposer_id),
            subject=found.subject,
        )
        for verdict in Verdict
    }
    shown = kind_named(found.kind).show(content_of(found))
    context = {
        "proposal": found,
        "answer": found.answer if hasattr(found, "answer") else None,
        "reason": reason_of(found),
        "title": title_of(found),
        "shown": shown,
        "lines": _side_by_side(shown.before, shown.after),
        "stands": standing.value,
        "look": f"proposal_{standing}",
        "may_answer": is_waiting and not refusals[Verdict.CONFIRM],
        "may_take_back": is_waiting and not refusals[Verdict.TAKE_BACK],
        "refusal": refusals[Verdict.CONFIRM] if is_waiting else "",
        "not_yet": why_no_signing_power(cast(User, request.user), now),
        "meanings": MEANINGS,
        "most_letters": MAX_REASON,
    }
    return render(request, "accounts/proposal.html", {**context, **entered}, status=status)


def _side_by_side(before: str, after: str) -> list[tuple[str, str, bool]]:
    """Lay two texts beside each other, line by line, and mark the lines that differ."""
    old, new = before.splitlines(), after.splitlines()
    lines: list[tuple[str, str, bool]] = []
    matcher = difflib.SequenceMatcher(a=old, b=new, autojunk=False)
    for tag, old_from, old_to, new_from, new_to in matcher.get_opcodes():
        beside = zip_longest(old[old_from:old_to], new[new_from:new_to], fillvalue="")
        lines.extend((left, right, tag != "equal") for left, right in beside)
    return lines
