"""The mail server that notices go out by, as the environment names it."""

from __future__ import annotations

from dataclasses import dataclass, field
from email.utils import parseaddr
from typing import Final

from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.validators import validate_email

SECURITY: Final = ("starttls", "tls", "none")


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where e-mail is handed in; an empty `host` means that none is sent.

    Attributes:
        security: `starttls`, `tls` from the first byte, or `none`.
        user: empty where the server asks for none; then there is no password either.

    Raises:
        ImproperlyConfigured: the settings contradict each other, or would send a password that
            everybody on the way can read.
    """

    host: str
    port: int
    security: str
    user: str
    password: str = field(repr=False)
    sender: str

    def __post_init__(self) -> None:
        if not self.host:
            return
        if self.security not in SECURITY:
            raise ImproperlyConfigured(
                f"MUNIMENT_EMAIL_SECURITY is one of {', '.join(SECURITY)}; the mail server's "
                "documentation says which."
            )
        if bool(self.user) != bool(self.password):
            raise ImproperlyConfigured(
                "MUNIMENT_EMAIL_USER and MUNIMENT_EMAIL_PASSWORD belong together: set both or none."
            )
        if self.user and self.security == "none":
            raise ImproperlyConfigured(
                "MUNIMENT_EMAIL_SECURITY=none would send MUNIMENT_EMAIL_PASSWORD in the clear. Use "
                "starttls or tls, or a server that asks for no password."
            )
        if not self.sender.isprintable() or not _is_address(parseaddr(self.sender)[1]):
            raise ImproperlyConfigured(
                "MUNIMENT_EMAIL_FROM is no address. Write it as `Muniment <name@host.example>`."
            )


def _is_address(address: str) -> bool:
    try:
        validate_email(address)
    except ValidationError:
        return False
    return True
