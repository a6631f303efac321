"""How somebody shows, when they sign, that it is they."""

from __future__ import annotations

from enum import StrEnum


class SignatureMethod(StrEnum):
    """What was given at signing: the password alone, or the password and something beside it.

    A one-time code comes from a device of the signer, a passkey signs the statement itself.
    """

    PASSWORD = "password"  # noqa: S105 - a word, not a secret
    TOTP = "totp"
    PASSKEY = "passkey"

    def reaches(self, least: SignatureMethod) -> bool:
        """Tell whether this is as strong as `least`, or stronger."""
        order = list(SignatureMethod)
        return order.index(self) >= order.index(least)
