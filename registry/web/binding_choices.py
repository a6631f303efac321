"""What an admin may choose to bind: a published policy and one of its risk tiers."""

from __future__ import annotations

from registry.errors import InvalidRequest
from registry.models import Policy
from registry.selectors.policies import published_policies
from registry.services.aliases import governed_aliases
from registry.services.policies import document_of

WAITS = "It is proposed. Another admin confirms it here."


def binding_choices() -> list[tuple[str, str]]:
    """Give the pairs of policy and risk tier that may be bound, and their words."""
    aliases = governed_aliases()
    return [
        (
            f"{policy.digest} {tier}",
            f"{policy.name} v{policy.version}, {tier} risk: {document.title}",
        )
        for policy in published_policies().filter(retirement=None)
        for document in (document_of(policy),)
        for tier in document.bound_to.risk_tiers
        if any(document.allows_binding(risk_tier=tier, alias=alias) for alias in aliases)
    ]


def chosen_binding(pair: str) -> tuple[Policy, str]:
    """Return the policy and risk tier that a form's pair stands for.

    Raises:
        InvalidRequest: no such policy is published.
    """
    digest, _, risk_tier = pair.partition(" ")
    policy = Policy.objects.filter(digest=digest.replace("\x00", "")[:80]).first()
    if policy is None:
        raise InvalidRequest("Choose one of the published policies.")
    return policy, risk_tier
