"""Editing drafts of policies. They decide nothing, so that the log says nothing of them."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction

from audits.domain.actor import Actor
from registry.domain.errors import PolicyError
from registry.domain.policy_parser import parse_policy
from registry.domain.policy_yaml import MAX_BYTES
from registry.errors import DraftChanged, InvalidRequest, UnknownDraft
from registry.models import PolicyDraft

MAX_DRAFTS = 100
_ROLE = "admin"
_WHAT = "edit a policy's draft"


@transaction.atomic
def start_draft(*, document: str, actor: Actor, now: datetime) -> PolicyDraft:
    """Keep a new draft, whatever is wrong with it.

    Raises:
        RoleRequired: the actor is no admin.
        InvalidRequest: it is empty or too long to be a policy, or there are too many drafts.
    """
    actor.require_role(_WHAT, _ROLE)
    document = _text(document)
    if PolicyDraft.objects.count() >= MAX_DRAFTS:
        raise InvalidRequest(f"There are {MAX_DRAFTS} drafts already. Discard one of them first.")
    return PolicyDraft.objects.create(
        document=document,
        title=_title(document),
        edited_by_id=UUID(actor.id),
        edited_at=now,
    )


@transaction.atomic
def edit_draft(
    *, draft_id: UUID, document: str, revision: int, actor: Actor, now: datetime
) -> PolicyDraft:
    """Put another text in place of a draft's, whatever is wrong with it.

    Args:
        revision: the one that was edited.

    Raises:
        RoleRequired: the actor is no admin.
        UnknownDraft: there is none, or it was discarded.
        DraftChanged: somebody else edited it meanwhile.
        InvalidRequest: it is empty, or too long to be a policy.
    """
    actor.require_role(_WHAT, _ROLE)
    document = _text(document)
    draft = _locked(draft_id)
    if draft.document == document:
        return draft
    if draft.revision != revision:
        raise DraftChanged(
            "Somebody else edited this draft meanwhile, and nothing of yours was saved. Copy your "
            "text, open the draft again and bring the two together."
        )
    draft.document, draft.title = document, _title(document)
    draft.revision += 1
    draft.edited_by_id, draft.edited_at = UUID(actor.id), now
    draft.save()
    return draft


@transaction.atomic
def discard_draft(*, draft_id: UUID, revision: int, actor: Actor) -> None:
    """Throw a draft away.

    Raises:
        RoleRequired, UnknownDraft, DraftChanged: as `edit_draft`.
    """
    actor.require_role(_WHAT, _ROLE)
    draft = _locked(draft_id)
    if draft.revision != revision:
        raise DraftChanged("Somebody else edited this draft meanwhile. Look at it again first.")
    draft.delete()


def _locked(draft_id: UUID) -> PolicyDraft:
    draft = PolicyDraft.objects.select_for_update().filter(pk=draft_id).first()
    if draft is None:
        raise UnknownDraft("There is no such draft any more.")
    return draft


def _title(document: str) -> str:
    try:
        policy = parse_policy(document)
    except PolicyError as error:
        number = len(error.problems)
        return f"A draft with {number} problem{'' if number == 1 else 's'}"
    return f"{policy.name} v{policy.version}"


def _text(document: str) -> str:
    """Return the text with the line ends of YAML: a browser's form sends others."""
    text = document.replace("\r\n", "\n").replace("\r", "\n")
    if not text.strip():
        raise InvalidRequest("The draft is empty. Write a document, or choose a file.")
    if "\0" in text or len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise InvalidRequest(f"A policy is text of at most {MAX_BYTES} bytes.")
    return text if text.endswith("\n") else f"{text}\n"
