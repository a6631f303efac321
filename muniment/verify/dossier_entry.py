"""The statement that an item of the dossier says it repeats."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from muniment.verify.errors import ReportError
from muniment.verify.record import Record
from muniment.verify.shown import differs, read_digest, require_same
from muniment.verify.stream import StreamEntry


def find_entry(
    path: str, shown: Mapping[str, Any], record: Record, predicate_type: str
) -> StreamEntry:
    """Return the entry that ``shown`` names by its leaf index and, where it gives one, its digest.

    Raises:
        ReportError: no such entry in the stream, another type, or another digest.
    """
    leaf_index = shown.get("leaf_index")
    by_leaf = {item.leaf_index: item for item in record.entries}
    entry = by_leaf.get(leaf_index) if type(leaf_index) is int else None
    if entry is None:
        raise ReportError(
            f"{path} names no entry of the model's stream (leaf {str(leaf_index)[:40]})",
            code="dossier.unsigned",
        )
    require_same(
        f"{path}: type of leaf {leaf_index}", predicate_type, entry.statement.predicate_type
    )
    if shown.get("digest") is not None:
        digest = read_digest(f"{path}.digest", shown["digest"])
        # Either names the same bytes: the envelope's own, or those of its payload.
        if digest.hex not in (entry.sha256, entry.payload_sha256):
            raise differs(f"{path}.digest", f"not that of leaf {leaf_index}")
    return entry
