"""When a passkey begins to sign: confirmed by a second person, and for as long as its own
confirmation says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from muniment.attest.errors import AttestError
from muniment.attest.statement import parse_time
from muniment.verify.errors import ReportError
from muniment.verify.log import ProvenEntry
from muniment.verify.shown import object_in

CONFIRMED: Final = "credential.confirmed"
# From when the credential signs, as the statement that let it sign says.
SIGNS_FROM: Final = "signs_from"


@dataclass(frozen=True, slots=True)
class Standing:
    """What the log says of one credential at one leaf.

    Attributes:
        detail: on whose word it is said.
    """

    leaf_index: int
    event: str
    subject: str
    person: str
    actor: str
    credential_id: str
    public_key: bytes
    rp_id: str
    at: str
    detail: Mapping[str, Any]


def people_behind(authority: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return who proposed a change and who confirmed it; None unless these are two people."""
    proposed, confirmed = authority.get("proposed_by"), authority.get("confirmed_by")
    if not (isinstance(proposed, str) and isinstance(confirmed, str)):
        return None
    return (proposed, confirmed) if proposed and confirmed and proposed != confirmed else None


def first_of_two_people(proven: Sequence[ProvenEntry]) -> int | None:
    """Return the first leaf that rests on two people's word; None where none does.

    One person alone is enough only until there are two admins, and never again afterwards.
    """
    return min(
        (
            entry.leaf_index
            for entry in proven
            if entry.statement is not None
            and any(
                people_behind(object_in(entry.statement.predicate, part)) is not None
                for part in ("detail", "authority")
            )
        ),
        default=None,
    )


def require_confirmed(
    enrolled: Standing,
    before: Sequence[Standing],
    *,
    signed_leaf: int,
    signed_at: object,
    two_people_since: int | None,
) -> datetime:
    """Pass a credential that could sign at a moment; return since when it was confirmed.

    Args:
        enrolled: its newest enrolment.
        before: all that the log says of it before the signature.
        signed_leaf: where the signature stands, for the error.
        signed_at: when it was signed, as the statement says.
        two_people_since: the first leaf after which nobody is enough alone any more.

    Raises:
        ReportError: nobody confirmed it, or none but its owner or whoever proposed it; it was
            enrolled on one person's word when two were there; or it signed before its time.
    """
    if enrolled.detail.get("bootstrap") is True:
        if two_people_since is not None and two_people_since < enrolled.leaf_index:
            raise _wrong(
                signed_leaf,
                "its passkey is enrolled on one person's word, and there were two admins by then",
                "alone",
            )
        begins = enrolled
    else:
        begins = _confirmation(enrolled, before, signed_leaf)
    since, moment = _moment(begins.at, signed_leaf), _moment(signed_at, signed_leaf)
    until = begins.detail.get(SIGNS_FROM)
    if moment < max(since, since if until is None else _moment(until, signed_leaf)):
        raise _wrong(signed_leaf, "it was signed before its passkey could sign", "too_new")
    return since


def _confirmation(enrolled: Standing, before: Sequence[Standing], signed_leaf: int) -> Standing:
    found = [
        one
        for one in before
        if one.event == CONFIRMED
        and one.leaf_index > enrolled.leaf_index
        and (one.subject, one.person, one.public_key)
        == (enrolled.subject, enrolled.person, enrolled.public_key)
    ]
    if not found:
        raise _wrong(signed_leaf, "nobody had confirmed its passkey", "not_confirmed")
    # The first one counts: saying it again makes nothing older or younger.
    first = found[0]
    people = people_behind(first.detail)
    if people is None or people[1] != first.actor or first.actor == enrolled.person:
        raise _wrong(
            signed_leaf,
            f"its passkey is not confirmed by a second person at leaf {first.leaf_index}",
            "not_confirmed",
        )
    return first


def _moment(value: object, leaf_index: int) -> datetime:
    try:
        return parse_time(str(value))
    except AttestError as error:
        raise _wrong(leaf_index, f"no moment: {str(value)[:40]}", "too_new") from error


def _wrong(leaf_index: int, why: str, code: str) -> ReportError:
    return ReportError(f"leaf {leaf_index}: {why}", code=f"passkey.{code}")
