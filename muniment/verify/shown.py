"""What a page shows beside what was signed: read defensively, compared strictly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from muniment.attest.digest import Digest
from muniment.attest.errors import DigestError
from muniment.verify.errors import ReportError


def require_same(path: str, shown: object, signed: object) -> None:
    """Accept a shown value only if it is the signed one, all the way down.

    Raises:
        ReportError: it is another.
    """
    if not is_same(shown, signed):
        raise ReportError(
            f"{path} shows {str(shown)[:80]!r}, signed is {str(signed)[:80]!r}",
            code="dossier.contradicts",
        )


def is_same(shown: object, signed: object) -> bool:
    """Say whether two JSON values read the same: ``1`` and ``1.0`` do, ``1`` and ``true`` do not.

    True == 1 to Python; a reader sees two different things.
    """
    if isinstance(shown, bool) or isinstance(signed, bool):
        return shown is signed
    if isinstance(shown, dict) and isinstance(signed, dict):
        return shown.keys() == signed.keys() and all(
            is_same(value, signed[key]) for key, value in shown.items()
        )
    if isinstance(shown, list) and isinstance(signed, list):
        return len(shown) == len(signed) and all(map(is_same, shown, signed))
    return shown == signed


def require_same_digest(path: str, shown: object, signed: object) -> None:
    """Accept a shown digest only if it names what the signed one names, however either is spelt.

    Raises:
        ReportError: another digest, or none.
    """
    if read_digest(path, shown).hex != read_digest(path, signed).hex:
        raise ReportError(
            f"{path} shows another digest than was signed", code="dossier.contradicts"
        )


def read_digest(path: str, value: object) -> Digest:
    """Read a digest in any of its three spellings: DigestSet, ``algorithm:hex``, bare hex.

    Raises:
        ReportError: none of them.
    """
    try:
        if isinstance(value, Digest):
            return value
        if isinstance(value, dict):
            return Digest.from_set(value)
        text = str(value)
        return Digest.parse(text) if ":" in text else Digest("sha256", text)
    except DigestError as error:
        raise ReportError(f"{path}: {error.message}", code="dossier.malformed") from error


def read_object(value: object, path: str) -> Mapping[str, Any]:
    """Return a shown object.

    Raises:
        ReportError: it is none.
    """
    if not isinstance(value, dict):
        raise differs(path, "not an object")
    return value


def read_objects(holder: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """Return a shown list of objects.

    Raises:
        ReportError: it is none.
    """
    items = holder.get(name)
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise differs(name, "not a list of objects")
    return items


def require_each(path: str, shown: Sequence[object], signed: Sequence[object], what: str) -> None:
    """Accept a shown list of places only if it is the signed one, none left out and none added.

    Args:
        what: the thing that has a place, in words.

    Raises:
        ReportError: one is missing, one too many, one twice, or they stand in another order.
    """
    for place in signed:
        if place not in shown:
            raise differs(path, f"the pages leave out {what} at leaf {place}")
    for place in shown:
        if type(place) is not int or place not in signed:
            raise ReportError(
                f"{path}: no statement is {what} at leaf {str(place)[:40]}",
                code="dossier.unsigned",
            )
    if list(shown) != list(signed):
        raise differs(path, "one stands there twice, or not in the order of the log")


def differs(part: str, why: str) -> ReportError:
    """Return the refusal of a part that is not what was signed."""
    return ReportError(f"{part}: {why}", code="dossier.contradicts")


def object_in(value: object, *names: str) -> Mapping[str, Any]:
    """Return the object that stands under ``names`` in a signed value; empty where there is none.

    Schemas leave some parts of a statement open, so that a well-signed one may hold anything.
    """
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def objects_in(value: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """Return the objects in a signed list; empty where there is none."""
    items = value.get(name)
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
