"""Long texts cut short, for a dossier whose pages would not end."""

from __future__ import annotations

from collections.abc import Mapping

from audits.domain.dossier import Dossier
from audits.domain.dossier_json import Json


def with_short_texts(dossier: Dossier, limit: int) -> Dossier:
    """Return the dossier with every text over `limit` characters cut, and how many left out said.

    The log's state stays whole, as do the words of fixed vocabularies, which are short.
    """
    mapping = dossier.to_mapping()
    log = mapping.pop("log")
    short = {key: _short(value, limit) for key, value in mapping.items()}
    return Dossier.from_mapping({**short, "log": log})


def _short(value: Json, limit: int) -> Json:
    if isinstance(value, str):
        cut = len(value) - limit
        return f"{value[:limit]}… [+{cut:,}]" if cut > 0 else value
    if isinstance(value, Mapping):
        return {
            _key(key, limit, place): _short(one, limit)
            for place, (key, one) in enumerate(value.items())
        }
    if isinstance(value, list):
        return [_short(one, limit) for one in value]
    return value


def _key(key: str, limit: int, place: int) -> str:
    """Cut a key without making two keys one."""
    return key if len(key) <= limit else f"{key[:limit]}… [{place + 1}]"
