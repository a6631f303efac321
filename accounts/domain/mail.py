"""What becomes of one e-mail to one person, and how its lines are written."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

MAX_SUBJECT: Final = 150
# After so long nobody is helped by an e-mail about it; the notice itself stays.
GIVE_UP_AFTER: Final = timedelta(hours=24)
FIRST_WAIT: Final = timedelta(minutes=1)
LONGEST_WAIT: Final = timedelta(hours=1)

# A dot or a colon by which a mail program would know a web address or a mail address, and make
# a link of it.
_HOST_DOT = re.compile(r"(?<=[^\W_])\.(?=[^\W\d_]{2})")
_SCHEME = re.compile(r":(?=//)")


class MailStatus(StrEnum):
    WAITING = "waiting"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    UNCERTAIN = "uncertain"
    DROPPED = "dropped"


# No way leads back from what may have been sent: an e-mail is sent once at most.
MOVES: Final[Mapping[MailStatus, frozenset[MailStatus]]] = {
    MailStatus.WAITING: frozenset({MailStatus.SENDING, MailStatus.DROPPED, MailStatus.FAILED}),
    MailStatus.SENDING: frozenset(
        {MailStatus.SENT, MailStatus.WAITING, MailStatus.FAILED, MailStatus.UNCERTAIN}
    ),
    MailStatus.SENT: frozenset(),
    MailStatus.FAILED: frozenset(),
    MailStatus.UNCERTAIN: frozenset(),
    MailStatus.DROPPED: frozenset(),
}


def next_try(*, attempts: int, posted_at: datetime, now: datetime) -> datetime | None:
    """Return when an e-mail that certainly was not sent is tried again, None to give up.

    Args:
        attempts: how many tries there were, at least 1; the wait doubles with each up to an hour.
        posted_at: when the notice was posted, which `GIVE_UP_AFTER` counts from.
    """
    doublings = min(attempts - 1, 10)
    at = now + min(FIRST_WAIT * 2**doublings, LONGEST_WAIT)
    return at if at <= posted_at + GIVE_UP_AFTER else None


def one_line(text: str, *, longest: int) -> str:
    """Return `text` as one line without control characters, cut at `longest` characters.

    What breaks lines becomes a space; what is invisible or turns the direction of writing goes.
    """
    shown = "".join(
        " "
        if character.isspace() or unicodedata.category(character) == "Cc"
        else ""
        if unicodedata.category(character) in ("Cf", "Cs", "Co", "Cn")
        else character
        for character in text
    )
    line = " ".join(shown.split())
    return line if len(line) <= longest else line[: longest - 1].rstrip() + "…"


def without_links(text: str) -> str:
    """Return `text` so that no mail program makes a link of what looks like an address in it.

    Names of models come from outside: whoever can register one must not be able to put a link
    into an e-mail of ours. ``evil.example`` becomes ``evil[.]example``; ``1.2`` stays.
    """
    return _HOST_DOT.sub("[.]", _SCHEME.sub("[:]", text))
