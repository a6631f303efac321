"""Signatures that are no reviews are held to what the policy asks of reviews too."""

from __future__ import annotations

from accounts.domain.signature import SignatureMethod
from registry.domain.approvals import WORDS
from registry.errors import SignatureTooWeak
from registry.models import ModelVersion
from registry.services.policies import document_of


def require_strength(version: ModelVersion, shown: SignatureMethod) -> None:
    """Pass a signature that is as strong as the bound policy asks of an approval.

    Raises:
        SignatureTooWeak: it is not; nothing may be signed with it.
    """
    binding = getattr(version.registered_model, "binding", None)
    least = SignatureMethod.PASSWORD
    if binding is not None:
        least = document_of(binding.policy).approvals.signature
    if not shown.reaches(least):
        raise SignatureTooWeak(
            f"The policy asks for signatures by {WORDS[least]}, which cannot be given here yet, so "
            "nothing was signed."
        )
