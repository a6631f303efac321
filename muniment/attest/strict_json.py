"""JSON read so that two readers cannot understand the same bytes differently."""

from __future__ import annotations

import json
import math
from typing import Any

from muniment.attest.errors import AttestError


def parse_object(
    content: bytes, *, error: type[AttestError], what: str, max_bytes: int
) -> dict[str, Any]:
    """Parse one JSON object.

    Args:
        content: UTF-8 without a byte-order mark.
        error: the class to raise, with ``what`` naming the thing in its message.
        max_bytes: the largest size that is looked at.

    Raises:
        AttestError: of class ``error``, for too many bytes, bytes that are not UTF-8 or not
            JSON, a duplicate key, NaN, an infinite number, a lone surrogate, nesting too deep
            to parse, or anything but an object at the top.
    """
    if len(content) > max_bytes:
        raise error(f"{what} has {len(content)} bytes, at most {max_bytes} are read")

    def refuse_constant(name: str) -> float:
        raise ValueError(f"{name} is not JSON")

    def finite(text: str) -> float:
        number = float(text)
        if not math.isfinite(number):
            raise ValueError(f"the number {text[:40]} is out of range")
        return number

    def without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        if len(members) != len(pairs):
            keys = [key for key, _ in pairs]
            repeated = next(key for key in keys if keys.count(key) > 1)
            raise ValueError(f"the key {repeated[:80]!r} stands twice in one object")
        return members

    try:
        text = content.decode("utf-8")
        value = json.loads(
            text,
            object_pairs_hook=without_duplicates,
            parse_constant=refuse_constant,
            parse_float=finite,
        )
        if "\\ud" in text or "\\uD" in text:
            # An escaped lone surrogate decodes, but cannot be written again.
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as cause:
        raise error(f"{what} is not strict JSON: {cause}") from cause
    if not isinstance(value, dict):
        raise error(f"{what} is not a JSON object")
    return value
