"""What the gatekeeper inside an MLflow server tells us: that it is there, and what it refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from registry.domain.errors import RegistryDomainError

MAX_MESSAGE_BYTES = 16_384
MAX_TEXT_CHARACTERS = 256
MAX_VERSION_DIGITS = 9


class MessageUnreadable(RegistryDomainError):
    """A message that no gatekeeper of ours writes. It was signed all the same."""

    code = "gatekeeper_message"


@dataclass(frozen=True, slots=True)
class RefusedChange:
    """Changes of one kind that were refused within a minute: the first of them, and how many.

    Attributes:
        version: None where the call named none that is a number.
        user: the name that MLflow's basic-auth knows the caller by; empty without basic-auth.
        dropped: refusals of other kinds that the store could not keep since its last message.
    """

    method: str
    model: str
    version: int | None
    alias: str
    why: str
    user: str
    count: int
    first_at: datetime
    last_at: datetime
    dropped: int


@dataclass(frozen=True, slots=True)
class GatekeeperMessage:
    """One message.

    Attributes:
        source: the registry's name, as its server was told.
        refused: None where the message says no more than that the store guards.
    """

    source: str
    refused: RefusedChange | None


def read_message(body: bytes) -> GatekeeperMessage:
    """Read what a gatekeeper sent.

    Members that are not known are passed over: a newer store may say more.

    Raises:
        MessageUnreadable: it is too large, not JSON, or a member is missing or of another kind.
    """
    if len(body) > MAX_MESSAGE_BYTES:
        raise MessageUnreadable(f"The message has more than {MAX_MESSAGE_BYTES} bytes.")
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise MessageUnreadable("The message is not JSON.") from error
    if not isinstance(parsed, dict):
        raise MessageUnreadable("The message is no JSON object.")
    source = _text(parsed, "source", MAX_TEXT_CHARACTERS)
    match parsed.get("event"):
        case "store.guarding":
            return GatekeeperMessage(source, None)
        case "change.refused":
            return GatekeeperMessage(source, _refused(parsed))
    raise MessageUnreadable("The message tells of no event that is known here.")


def _refused(parsed: Mapping[str, Any]) -> RefusedChange:
    version = _text(parsed, "version", MAX_VERSION_DIGITS)
    if version and not (version.isascii() and version.isdecimal()):
        raise MessageUnreadable("version: digits, or nothing, are expected.")
    return RefusedChange(
        method=_text(parsed, "method", MAX_TEXT_CHARACTERS),
        model=_text(parsed, "model", MAX_TEXT_CHARACTERS),
        version=int(version) if version else None,
        alias=_text(parsed, "alias", MAX_TEXT_CHARACTERS),
        why=_text(parsed, "why", MAX_TEXT_CHARACTERS),
        user=_text(parsed, "user", MAX_TEXT_CHARACTERS),
        count=_count(parsed, "count", least=1),
        first_at=_moment(parsed, "first_at"),
        last_at=_moment(parsed, "last_at"),
        dropped=_count(parsed, "dropped", least=0),
    )


def _text(parsed: Mapping[str, Any], member: str, most: int) -> str:
    value = parsed.get(member)
    # Printable also means that PostgreSQL can hold it: no NUL, no lone surrogate.
    if not isinstance(value, str) or len(value) > most or not value.isprintable():
        raise MessageUnreadable(f"{member}: printable text of at most {most} characters.")
    return value


def _count(parsed: Mapping[str, Any], member: str, *, least: int) -> int:
    value = parsed.get(member)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value < 2**31:
        raise MessageUnreadable(f"{member}: a whole number from {least} is expected.")
    return value


def _moment(parsed: Mapping[str, Any], member: str) -> datetime:
    try:
        moment = datetime.fromisoformat(_text(parsed, member, 40))
    except ValueError as error:
        raise MessageUnreadable(f"{member}: an ISO 8601 time is expected.") from error
    if moment.tzinfo is None:
        raise MessageUnreadable(f"{member}: a time with its offset from UTC is expected.")
    return moment
