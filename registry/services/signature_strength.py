"""How strong a signature must be: what the bound policy asks, for reviews and for all the rest."""

from __future__ import annotations

from accounts.domain.signature import SignatureMethod
from registry.domain.approvals import WORDS
from registry.errors import SignatureTooWeak
from registry.models import ModelVersion, PolicyBinding, Promotion
from registry.services.policies import document_of


def least_signature(
    binding: PolicyBinding | None, promotion: Promotion | None = None
) -> SignatureMethod:
    """Return the weakest signature that counts: the policy's, and a passkey in an emergency."""
    if promotion is not None and promotion.emergency:
        return SignatureMethod.PASSKEY
    if binding is None:
        return SignatureMethod.PASSWORD
    return document_of(binding.policy).approvals.signature


def require_strength(version: ModelVersion, shown: SignatureMethod) -> None:
    """Pass a signature beside a review that is as strong as the policy asks of reviews.

    Raises:
        SignatureTooWeak: it is not; nothing may be signed with it.
    """
    least = least_signature(getattr(version.registered_model, "binding", None))
    if not shown.reaches(least):
        raise SignatureTooWeak(
            f"The policy asks for signatures by {WORDS[least]}, which cannot be given here yet, so "
            "nothing was signed."
        )
