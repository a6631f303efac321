"""One-time codes: taking one at signing, once."""

from __future__ import annotations

from datetime import datetime

from accounts.domain.one_time_codes import counter_of
from accounts.models import Credential, User
from accounts.selectors import credentials_that_sign
from accounts.services.sealing import unseal


def use_code(*, person: User, code: str, now: datetime) -> bool:
    """Take a code of the person's device, and never the same or an earlier one again.

    Call it in the transaction that has locked the person, which is that of counting failures.

    Raises:
        CredentialRefused: the secret cannot be read any more.
    """
    device = credentials_that_sign(person, now).filter(kind=Credential.Kind.TOTP).first()
    if device is None or device.sealed_secret is None or device.last_counter is None:
        return False
    counter = counter_of(
        unseal(device.sealed_secret), code.replace(" ", ""), now=now, after=device.last_counter
    )
    if counter is None:
        return False
    device.last_counter = counter
    device.save(update_fields=["last_counter"])
    return True
