"""Showing who one is at signing, with every failure counted."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime, timedelta

from django.db import transaction

from accounts.domain.signature import SignatureMethod
from accounts.errors import ReauthenticationFailed, SigningLocked
from accounts.models import SignatureAttempt, User

MAX_WRONG = 5
LOCK_FOR = timedelta(minutes=15)


def count_attempt(
    *,
    user: User,
    look: Callable[[User], SignatureMethod | None],
    clears: Collection[SignatureMethod],
    refusal: str,
    now: datetime,
) -> None:
    """Let a person show who they are, unless they failed too often.

    Commits its own count of failures, so that a refusal cannot be rolled back with the signature:
    call it before the transaction of what is signed.

    Args:
        look: given the locked person, says what was wrong; None where all was right.
        clears: the failures that are forgotten when all was right.
        refusal: what is said where something was wrong; never which of several it was.

    Raises:
        SigningLocked: five failures of any kind within the last 15 minutes.
        ReauthenticationFailed: something was wrong.
    """
    with transaction.atomic(durable=True):
        # One guess at a time: many at once would all be let through before any is counted.
        person = User.objects.select_for_update(no_key=True).get(pk=user.pk)
        attempts = SignatureAttempt.objects.filter(user=person)
        is_locked = attempts.filter(at__gt=now - LOCK_FOR).count() >= MAX_WRONG
        wrong = None
        if not is_locked:
            wrong = look(person) if person.is_active else SignatureMethod.PASSWORD
            if wrong is None:
                attempts.filter(method__in=clears).delete()
            else:
                SignatureAttempt.objects.create(user=person, at=now, method=wrong.value)
    if is_locked:
        raise SigningLocked(
            "Signing is locked after too many wrong passwords, codes or passkeys. Try again in "
            "15 minutes."
        )
    if wrong is not None:
        raise ReauthenticationFailed(refusal)
