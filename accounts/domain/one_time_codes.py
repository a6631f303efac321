"""One-time codes (TOTP, RFC 6238): six digits that change every 30 seconds."""

from __future__ import annotations

from datetime import datetime

STEP_SECONDS = 30
# A clock that is a step slow or fast is forgiven (RFC 6238, section 5.2).
SKEW_STEPS = 1


def new_secret() -> str:
    """Make a secret of 160 random bits, in base32 as authenticator apps take it."""
    import pyotp

    return pyotp.random_base32()


def counter_of(secret: str, code: str, *, now: datetime, after: int) -> int | None:
    """Return the step whose code this is; None for a wrong code.

    A code of step `after` or before is as good as wrong: it was used, or might have been seen.
    Every step that is tried is compared in constant time.
    """
    import pyotp

    current = int(now.timestamp()) // STEP_SECONDS
    codes = pyotp.TOTP(secret)
    found = None
    for counter in range(current - SKEW_STEPS, current + SKEW_STEPS + 1):
        is_it = codes.verify(code, for_time=counter * STEP_SECONDS)
        if is_it and counter > after:
            found = counter
    return found


def provisioning_uri(secret: str, *, username: str, instance: str) -> str:
    """Return the `otpauth://` URI that an authenticator app reads from the QR code."""
    import pyotp

    return pyotp.TOTP(secret).provisioning_uri(name=username, issuer_name=f"Muniment {instance}")
