"""Drafts of policies, and what was published last under a name."""

from __future__ import annotations

from uuid import UUID

from registry.models import Policy, PolicyDraft


def policy_drafts() -> list[PolicyDraft]:
    """Return every draft, the one edited last first."""
    return list(PolicyDraft.objects.select_related("edited_by").order_by("-edited_at", "pk"))


def draft_with_id(draft_id: UUID) -> PolicyDraft | None:
    """Return a draft; None where there is none."""
    return PolicyDraft.objects.select_related("edited_by").filter(pk=draft_id).first()


def last_published(name: str) -> Policy | None:
    """Return the highest published version of a policy; None where none is."""
    return Policy.objects.filter(name=name).order_by("-version").first()


def published_before(policy: Policy) -> Policy | None:
    """Return the published version before this one; None for the first."""
    earlier = Policy.objects.filter(name=policy.name, version__lt=policy.version)
    return earlier.order_by("-version").first()
