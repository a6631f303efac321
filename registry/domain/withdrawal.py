"""Withdrawing a dataset: what for, and who may sign second."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

WITHDRAWN: Final = "dataset.withdrawn"
PROPOSED: Final = "dataset.withdrawal_proposed"
SIGNED: Final = "dataset.withdrawal_signed"
REFUSED: Final = "dataset.withdrawal_refused"
ROLES: Final = ("reviewer", "admin")


class Cause(StrEnum):
    """Why a dataset may no longer be used."""

    CONSENT = "consent"
    POISONING = "poisoning"
    LICENCE = "licence"


CAUSE_WORDS: Mapping[Cause, str] = {
    Cause.CONSENT: "People took back their consent",
    Cause.POISONING: "The data were poisoned or forged",
    Cause.LICENCE: "The licence does not allow it",
}


def why_not_second(*, person: str, roles: frozenset[str], proposer: str) -> str:
    """Say why a person may not give the second signature; empty where they may."""
    if not roles.intersection(ROLES):
        return "The second signature is a reviewer's or an admin's."
    if person == proposer:
        return "You signed first. The second signature is another person's."
    return ""
