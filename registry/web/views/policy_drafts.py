"""Drafts of policies: written here, compared with what is published, proposed to a second admin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from accounts.errors import ReauthenticationFailed
from accounts.models import Proposal, Role
from accounts.services.proposals import ask_for
from accounts.services.two_people import is_bootstrapping
from registry.domain.errors import PolicyError, PolicyProblem
from registry.domain.policy import Policy as PolicyDocument
from registry.domain.policy_lines import line_of
from registry.domain.policy_parser import parse_policy
from registry.domain.policy_yaml import MAX_BYTES
from registry.errors import DraftChanged, InvalidRequest, PolicyNotBindable
from registry.models import Policy, PolicyDraft
from registry.selectors.policy_drafts import draft_with_id, last_published
from registry.services.policies import document_of
from registry.services.policy_changes import publication
from registry.services.policy_drafts import discard_draft, edit_draft, start_draft
from registry.web.people import actor_from
from registry.web.policy_differences import gate_changes, head_changes, side_by_side
from registry.web.policy_words import explain_gates

# Lines to write on before the numbers beside them end.
_ROOM = 15


@dataclass(frozen=True, slots=True)
class Placed:
    """A problem of a document, and the line where it stands; None for the whole."""

    line: int | None
    problem: PolicyProblem


@require_safe
def new(request: HttpRequest) -> HttpResponse:
    """Offer an empty draft, or one that starts from a published version."""
    actor_from(request).require_role("edit a policy's draft", Role.ADMIN.value)
    text = ""
    if digest := request.GET.get("from", ""):
        published = get_object_or_404(Policy, digest=f"sha256:{digest}")
        text = bytes(published.document).decode("utf-8", "replace")
    return _new_page(request, text)


@require_POST
def start(request: HttpRequest) -> HttpResponse:
    """Keep what was written, or the file that was chosen, as a new draft."""
    text = request.POST.get("document", "")
    try:
        draft = start_draft(
            document=_uploaded(request) or text, actor=actor_from(request), now=timezone.now()
        )
    except InvalidRequest as error:
        return _new_page(request, text, str(error), status=int(error.status))
    messages.success(request, "The draft is kept. It decides nothing before it is published.")
    return redirect("registry:policy-draft", draft.pk)


@require_safe
def draft(request: HttpRequest, draft_id: UUID) -> HttpResponse:
    """Show a draft with its problems, beside the version of it that was published last."""
    return _page(request, _found(draft_id), {})


@require_POST
def edit(request: HttpRequest, draft_id: UUID) -> HttpResponse:
    """Keep what was written; where somebody else was faster, show it and keep nothing."""
    found, text = _found(draft_id), request.POST.get("document", "")
    try:
        edit_draft(
            draft_id=found.pk,
            document=_uploaded(request) or text,
            revision=_revision(request),
            actor=actor_from(request),
            now=timezone.now(),
        )
    except (InvalidRequest, DraftChanged) as error:
        entered = {"form_error": str(error), "unsaved": text}
        return _page(request, found, entered, status=int(error.status))
    messages.success(request, "The draft is saved.")
    return redirect("registry:policy-draft", found.pk)


@require_POST
def discard(request: HttpRequest, draft_id: UUID) -> HttpResponse:
    """Throw a draft away."""
    discard_draft(draft_id=draft_id, revision=_revision(request), actor=actor_from(request))
    messages.success(request, "The draft is gone.")
    return redirect("registry:policies")


@require_POST
def publish(request: HttpRequest, draft_id: UUID) -> HttpResponse:
    """Propose what the draft says for publishing; it stays until it is discarded."""
    found, actor = _found(draft_id), actor_from(request)
    actor.require_role("publish a policy", Role.ADMIN.value)
    try:
        if found.revision != _revision(request):
            raise DraftChanged("Somebody else edited this draft meanwhile. Look at it again first.")
        asked = ask_for(
            change=publication(found.document.encode()),
            password=request.POST.get("password", ""),
            actor=actor,
            now=timezone.now(),
        )
    except PolicyError:
        # The page says what is wrong with it, line by line.
        return _page(request, found, {"publish_error": "It is no policy yet."}, status=400)
    except (DraftChanged, PolicyNotBindable, ReauthenticationFailed) as error:
        return _page(request, found, {"publish_error": str(error)}, status=int(error.status))
    if isinstance(asked, Proposal):
        messages.success(request, "Another admin has to confirm it before it is published.")
        return redirect("accounts:proposal", asked.pk)
    messages.success(request, asked)
    return redirect("registry:policies")


def _new_page(
    request: HttpRequest, text: str, form_error: str = "", status: int = 200
) -> HttpResponse:
    context = {"text": text, "numbers": _numbers(text), "form_error": form_error}
    return render(request, "registry/policy_draft_new.html", context, status=status)


def _page(
    request: HttpRequest, found: PolicyDraft, entered: dict[str, Any], status: int = 200
) -> HttpResponse:
    actor = actor_from(request)
    policy, problems = _checked(found.document)
    shown = entered.get("unsaved") or found.document
    context = {
        "draft": found,
        "policy": policy,
        "problems": problems,
        "text": shown,
        "numbers": _numbers(shown),
        "may_edit": Role.ADMIN.value in actor.roles,
        "takes_two": not is_bootstrapping(),
        **_beside(policy, found.document),
        **entered,
    }
    return render(request, "registry/policy_draft.html", context, status=status)


def _beside(policy: PolicyDocument | None, text: str) -> dict[str, Any]:
    """Compare a draft that is a policy with the version that was published last."""
    if policy is None:
        return {}
    context: dict[str, Any] = {"gates": explain_gates(policy)}
    published = last_published(policy.name)
    if published is None:
        return context
    before = document_of(published)
    return context | {
        "published": published,
        "before_label": f"{published.name} v{published.version}",
        "after_label": "This draft",
        "is_published": published.digest == policy.digest,
        "is_outdated": published.digest != policy.digest and published.version >= policy.version,
        "next_version": published.version + 1,
        "head": head_changes(before, policy),
        "changes": gate_changes(before, policy),
        "lines": side_by_side(bytes(published.document).decode("utf-8", "replace"), text),
    }


def _checked(text: str) -> tuple[PolicyDocument | None, list[Placed]]:
    try:
        return parse_policy(text), []
    except PolicyError as error:
        # Where the document as a whole cannot be read, nothing in it has a line.
        is_readable = all(problem.path for problem in error.problems)
        return None, [
            Placed(line_of(text, problem.path) if is_readable else None, problem)
            for problem in error.problems
        ]


def _uploaded(request: HttpRequest) -> str:
    """Return the text of the file that was chosen; empty where none was.

    Raises:
        InvalidRequest: it is no UTF-8 text, or too long to be a policy.
    """
    chosen = request.FILES.get("file")
    if chosen is None:
        return ""
    try:
        # A document is hashed byte by byte, so that nothing is put in place of what is no text.
        content = chosen.read(MAX_BYTES + 1).decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidRequest("The file is not UTF-8 text. Choose a policy document.") from error
    return content


def _numbers(text: str) -> range:
    return range(1, text.count("\n") + _ROOM)


def _revision(request: HttpRequest) -> int:
    written = request.POST.get("revision", "")
    return int(written) if written.isascii() and written.isdigit() and len(written) < 10 else 0


def _found(draft_id: UUID) -> PolicyDraft:
    found = draft_with_id(draft_id)
    if found is None:
        raise Http404("There is no such draft any more.")
    return found
