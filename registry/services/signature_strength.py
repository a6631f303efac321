"""How strong a signature must be: what the bound policy asks, for reviews and for all the rest."""

from __future__ import annotations

from collections.abc import Iterable

from accounts.domain.signature import SignatureMethod
from registry.domain.approvals import WORDS
from registry.errors import SignatureTooWeak
from registry.models import PolicyBinding, Promotion, RegisteredModel
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


def least_for(registered_model: RegisteredModel) -> SignatureMethod:
    """Return the weakest signature that counts for what is signed of a model beside reviews."""
    bound = PolicyBinding.objects.select_related("policy")
    return least_signature(bound.filter(registered_model=registered_model).first())


def strongest(methods: Iterable[SignatureMethod]) -> SignatureMethod:
    """Return the strongest of these; a password where there are none."""
    order = list(SignatureMethod)
    return max(methods, key=order.index, default=SignatureMethod.PASSWORD)


def require_least(
    shown: SignatureMethod, least: SignatureMethod, *, asking: str = "The policy"
) -> None:
    """Pass a signature that is as strong as is asked for, or stronger.

    Raises:
        SignatureTooWeak: it is not; nothing may be signed with it.
    """
    if not shown.reaches(least):
        raise SignatureTooWeak(
            f"{asking} asks for a signature by {WORDS[least]}, so nothing was signed. What you "
            "sign with is enrolled under “Your credentials”."
        )
