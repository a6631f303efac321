"""Ceremonies: what is begun in one session and ended there, by the same person, once."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta

from accounts.errors import CeremonyOver
from accounts.models import Ceremony, User

VALID_FOR = timedelta(minutes=5)


def begin_ceremony(
    *,
    person: User,
    session: str,
    about: str,
    challenge: bytes,
    draft: Mapping[str, object],
    now: datetime,
) -> Ceremony:
    """Begin one; what the same person began about the same thing before is over.

    Args:
        session: the key of the session, kept as its digest.
        challenge: what a passkey is to sign; empty where none is.
    """
    ceremony, _ = Ceremony.objects.update_or_create(
        person=person,
        about=about,
        defaults={
            "session_sha256": _digest(session),
            "challenge": challenge.hex(),
            "draft": dict(draft),
            "begun_at": now,
        },
    )
    return ceremony


def find_ceremony(*, person: User, session: str, about: str, now: datetime) -> Ceremony:
    """Return what the person began in this session at most five minutes ago.

    Raises:
        CeremonyOver: there is none.
    """
    found = Ceremony.objects.filter(
        person=person,
        about=about,
        session_sha256=_digest(session),
        begun_at__lte=now,
        begun_at__gt=now - VALID_FOR,
    ).first()
    if found is None or not session:
        raise CeremonyOver(
            "This was begun more than five minutes ago, in another session, or is done already. "
            "Nothing was changed: begin again."
        )
    return found


def end_ceremony(ceremony: Ceremony) -> None:
    """End it, in the transaction of what it was begun for: of two at once, one.

    Raises:
        CeremonyOver: it was ended or begun again meanwhile.
    """
    ended, _ = Ceremony.objects.filter(pk=ceremony.pk, challenge=ceremony.challenge).delete()
    if not ended:
        raise CeremonyOver("This is done already, or was begun again meanwhile.")


def _digest(session: str) -> str:
    return hashlib.sha256(session.encode()).hexdigest()
