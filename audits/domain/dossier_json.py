"""Dossiers as plain JSON values and back, driven by the dataclasses' own type hints.

Strict both ways: what is written can be read, and what cannot be written says where it stands.
"""

from __future__ import annotations

import math
import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

Json = None | bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"]

T = TypeVar("T")


class DossierError(ValueError):
    """A dossier that cannot be written or read. `path` names the place, `code` is stable."""

    code = "dossier_invalid"

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path
        self.problem = problem


def instant_text(at: datetime, path: str = "time") -> str:
    """Return a time as `2026-11-23T14:00:00.000000Z`.

    Raises:
        DossierError: the time has no zone.
    """
    if at.tzinfo is None or at.utcoffset() is None:
        raise DossierError(path, "the time has no zone")
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def encode(value: object, path: str) -> dict[str, Json]:
    """Return `value` (a dossier dataclass) as plain JSON values, checked against its hints."""
    if not is_dataclass(value) or isinstance(value, type):
        raise DossierError(path, f"not a part of a dossier: {type(value).__name__}")
    hints = _hints(type(value))
    return {
        field.name: _encode_as(hints[field.name], getattr(value, field.name), _at(path, field.name))
        for field in fields(value)
    }


def decode(cls: type[T], value: object, path: str) -> T:
    """Build `cls` (a dossier dataclass) from plain JSON values."""
    if not isinstance(value, Mapping):
        raise DossierError(path, f"expected an object, found {_kind(value)}")
    hints = _hints(cast(Any, cls))
    arguments: dict[str, object] = {}
    for field in fields(cast(Any, cls)):
        place = _at(path, field.name)
        if field.name in value:
            arguments[field.name] = _decode_as(hints[field.name], value[field.name], place)
        elif field.default is MISSING:
            raise DossierError(place, "missing")
    return cls(**arguments)


@cache
def _hints(cls: Any) -> dict[str, Any]:
    return get_type_hints(cls)


def _at(path: str, part: object) -> str:
    return f"{path}[{part}]" if isinstance(part, int) else f"{path}.{part}"


def _kind(value: object) -> str:
    return "null" if value is None else type(value).__name__


def _encode_as(hint: Any, value: Any, path: str) -> Json:
    if _is_free(hint):
        return _plain(value, path)
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return None if value is None else _encode_as(_without_none(hint), value, path)
    if origin is tuple:
        if not isinstance(value, tuple):
            raise DossierError(path, f"expected a tuple, found {_kind(value)}")
        item = get_args(hint)[0]
        return [_encode_as(item, one, _at(path, i)) for i, one in enumerate(value)]
    if origin is Mapping:
        if not isinstance(value, Mapping):
            raise DossierError(path, f"expected a mapping, found {_kind(value)}")
        return _plain(value, path)
    if hint is datetime:
        if not isinstance(value, datetime):
            raise DossierError(path, f"expected a time, found {_kind(value)}")
        return instant_text(value, path)
    if is_dataclass(hint):
        if type(value) is not hint:
            raise DossierError(path, f"expected {_name(hint)}, found {_kind(value)}")
        return encode(value, path)
    return _scalar(hint, value, path)


def _decode_as(hint: Any, value: Any, path: str) -> Any:
    if _is_free(hint):
        return _plain(value, path)
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return None if value is None else _decode_as(_without_none(hint), value, path)
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise DossierError(path, f"expected a list, found {_kind(value)}")
        item = get_args(hint)[0]
        return tuple(_decode_as(item, one, _at(path, i)) for i, one in enumerate(value))
    if origin is Mapping:
        if not isinstance(value, Mapping):
            raise DossierError(path, f"expected an object, found {_kind(value)}")
        return _plain(value, path)
    if hint is datetime:
        return _instant(value, path)
    if is_dataclass(hint):
        return decode(cast(type, hint), value, path)
    return _scalar(hint, value, path)


def _instant(value: object, path: str) -> datetime:
    if not isinstance(value, str):
        raise DossierError(path, f"expected a time, found {_kind(value)}")
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        raise DossierError(path, f"not an RFC 3339 time: {value!r}") from None
    if at.tzinfo is None:
        raise DossierError(path, "the time has no zone")
    return at.astimezone(UTC)


def _scalar(hint: Any, value: Any, path: str) -> Json:
    if get_origin(hint) is Literal:
        words = get_args(hint)
        if value not in words:
            raise DossierError(path, f"expected one of {', '.join(words)}, found {value!r}")
        return str(value)
    # bool is an int to Python, never to a reader of the report.
    fits = isinstance(value, hint) or (hint is float and isinstance(value, int))
    if not fits or (isinstance(value, bool) and hint is not bool):
        raise DossierError(path, f"expected {hint.__name__}, found {_kind(value)}")
    return _plain(value, path)


def _plain(value: object, path: str) -> Json:
    """Copy a free value, refusing what JSON cannot say the same way back."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise DossierError(path, "not a finite number")
        return value
    if isinstance(value, str):
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            raise DossierError(path, "not Unicode text (an unpaired surrogate)") from None
        return str(value)  # an enumeration's member is written as the word it stands for
    if isinstance(value, Mapping):
        copied: dict[str, Json] = {}
        for key, one in value.items():
            if not isinstance(key, str):
                raise DossierError(path, f"a key is not text: {key!r}")
            copied[key] = _plain(one, _at(path, key))
        return copied
    if isinstance(value, list | tuple):
        return [_plain(one, _at(path, i)) for i, one in enumerate(value)]
    raise DossierError(path, f"JSON cannot hold a {_kind(value)}")


def _is_free(hint: Any) -> bool:
    """Tell the recursive `Json` from `X | None`. (Resolved hints do not compare equal to it.)"""
    members = set(get_args(hint)) - {types.NoneType}
    return get_origin(hint) in (Union, types.UnionType) and len(members) > 1


def _without_none(hint: Any) -> Any:
    # _is_free has taken out every union of more than one type.
    (kept,) = (one for one in get_args(hint) if one is not types.NoneType)
    return kept


def _name(hint: Any) -> str:
    return cast(str, hint.__name__)
