"""What a form is signed with: what it offers, what was sent, and what the page's script asks.

A form with a passkey is sent twice to one address: by the script, with `prepare`, for what the
passkey is to sign, and then with the passkey's answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters

from accounts.domain.signature import SignatureMethod
from accounts.errors import AccountsError, CeremonyOver, ReauthenticationFailed
from accounts.models import Credential, User
from accounts.selectors import credentials_that_sign
from accounts.web.credentials import session_of
from audits.errors import RoleRequired
from registry.domain.approvals import WORDS
from registry.errors import InvalidRequest, RegistryError, SignatureTooWeak
from registry.services.signing import Means, PasskeyAnswer, Password, Preparation, Prepared
from registry.web.people import actor_from

T = TypeVar("T")
# What a form says beside itself, with what was typed kept.
TRY_AGAIN = (CeremonyOver, InvalidRequest, ReauthenticationFailed, SignatureTooWeak)


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


def signing_ways(least: SignatureMethod, person: User) -> SigningWays:
    """Say how the person can sign where a signature must be at least such."""
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


class _Answered(Exception):
    def __init__(self, answer: HttpResponse) -> None:
        super().__init__()
        self.answer = answer


def signed_form(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Let a view sign with `sign_from`, and answer the page's script by itself."""

    @sensitive_post_parameters("password", "code")
    @wraps(view)
    def answered(request: HttpRequest, *args: Any, **said: Any) -> HttpResponse:
        try:
            return view(request, *args, **said)
        except _Answered as answered:
            return answered.answer

    return answered


def sign_from(request: HttpRequest, call: Callable[..., T]) -> T:
    """Call a service that signs, with what the form was signed with; in a `signed_form`.

    Args:
        call: given `means`, `actor` and `now`; reads the rest of the form, and may refuse it.

    Raises:
        What `call` raises, where the form was not sent by the page's script.
    """
    try:
        return call(means=_means(request), actor=actor_from(request), now=timezone.now())
    except Prepared as prepared:
        raise _Answered(JsonResponse(prepared.options)) from prepared
    except (AccountsError, RegistryError, RoleRequired) as error:
        if "prepare" not in request.POST:
            raise
        refusal = JsonResponse({"detail": str(error)}, status=getattr(error, "status", 403))
        raise _Answered(refusal) from error


def _means(request: HttpRequest) -> Means:
    form = request.POST
    if "prepare" in form:
        return Preparation(session_of(request), form.get("password", ""))
    if answer := form.get("answer", ""):
        return PasskeyAnswer(session_of(request), answer)
    return Password(form.get("password", ""), form.get("code", "").strip())
