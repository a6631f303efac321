"""What a person can sign a review with, beside what the policy asks for."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.utils import timezone

from accounts.domain.signature import SignatureMethod
from accounts.models import Credential, User
from accounts.selectors import credentials_that_sign
from registry.domain.approvals import WORDS
from registry.services.evaluation import Evaluation
from registry.services.signature_strength import least_signature


@dataclass(frozen=True, slots=True)
class SigningWays:
    """What the form offers; what nobody may sign with is not among it.

    `missing` says in a sentence what the person must enrol first; empty where they can sign.
    """

    by_password: bool
    by_code: bool
    by_passkey: bool
    missing: str
    rp_id: str


def signing_ways(evaluation: Evaluation, person: User) -> SigningWays:
    """Say how the person can sign a review of what was evaluated."""
    least = least_signature(evaluation.binding, evaluation.promotion)
    held = set(credentials_that_sign(person, timezone.now()).values_list("kind", flat=True))
    ways = SigningWays(
        by_password=SignatureMethod.PASSWORD.reaches(least),
        by_code=SignatureMethod.TOTP.reaches(least) and Credential.Kind.TOTP in held,
        by_passkey=Credential.Kind.PASSKEY in held,
        missing="",
        rp_id=settings.PASSKEY_RP_ID,
    )
    if ways.by_password or ways.by_code or ways.by_passkey:
        return ways
    return SigningWays(
        by_password=False,
        by_code=False,
        by_passkey=False,
        missing=f"A signature by {WORDS[least]} is asked for, and you have enrolled none that "
        "signs already.",
        rp_id=settings.PASSKEY_RP_ID,
    )
