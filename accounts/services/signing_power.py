"""From when somebody may sign: not while the role or the credential is new."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.conf import settings

from accounts.domain.proposals import signs_from
from accounts.errors import NoSigningPowerYet
from accounts.models import User


def signing_power_from(user: User) -> datetime | None:
    """Return from when a person may sign; None where nothing has kept them from it."""
    return signs_from(
        changed_at=user.signing_changed_at, delay=timedelta(hours=settings.SIGNING_DELAY_HOURS)
    )


def require_signing_power(user: User, now: datetime) -> None:
    """Pass a person whose roles and credentials are old enough to sign with.

    What was granted or reset by stealth is seen by others before it can be used.

    Raises:
        NoSigningPowerYet: they are not; the message says from when they are.
    """
    if refusal := why_no_signing_power(user, now):
        raise NoSigningPowerYet(refusal)


def why_no_signing_power(user: User, now: datetime) -> str:
    """Say why a person may not sign yet; empty where they may."""
    begins = signing_power_from(user)
    if begins is None or now >= begins:
        return ""
    return (
        "A role or a credential was given to you recently, so you can sign from "
        f"{begins.astimezone(UTC):%Y-%m-%d %H:%M} UTC on. Nothing was signed."
    )
