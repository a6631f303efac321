"""Bundles: an entry of the log with all that is needed to verify it, in one file.

A bundle holds the entry that was asked for and the key statements that its signature rests on,
each with its inclusion proof under one checkpoint. A report's ``evidence.json`` lists its entries
in the same form.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from muniment.attest.encoding import decode_base64, encode_base64
from muniment.attest.errors import AttestError, BundleError
from muniment.attest.limits import MAX_NOTE_BYTES
from muniment.attest.strict_json import parse_object
from muniment.attest.tiles import MAX_ENTRY_BYTES

SCHEMA: Final = "https://muniment.dev/bundle/v1"
MAX_BUNDLE_FILE_BYTES: Final = 64_000_000
MAX_BUNDLE_ENTRIES: Final = 1_024
_MAX_LEAF_INDEX: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class LoggedEntry:
    """An entry as it is carried: place, exact bytes, proof text. Nothing of it is verified.

    Attributes:
        leaf_index: its place in the log, from 0.
        envelope: the exact bytes of the DSSE envelope, which are the leaf.
        proof: a ``c2sp.org/tlog-proof@v1``, its checkpoint included.
    """

    leaf_index: int
    envelope: bytes
    proof: str

    def as_mapping(self) -> dict[str, Any]:
        """Return the entry as JSON."""
        return {
            "leaf_index": self.leaf_index,
            "envelope": encode_base64(self.envelope),
            "proof": self.proof,
        }


@dataclass(frozen=True, slots=True)
class Bundle:
    """What a bundle carries.

    Law: ``parse_bundle(build_bundle(bundle.checkpoint, bundle.entries)) == bundle``.

    Attributes:
        checkpoint: the signed note's exact bytes.
        entries: the one that was asked for, then the key statements; no leaf twice.
    """

    checkpoint: bytes
    entries: tuple[LoggedEntry, ...]


def build_bundle(checkpoint: bytes, entries: Sequence[LoggedEntry]) -> bytes:
    """Return a bundle's exact bytes. The same arguments give the same bytes.

    Args:
        checkpoint: the signed note that every proof is under.
        entries: the one that was asked for, then every key statement that its signature rests
            on, in any order (where it is a key statement itself, it is not repeated).

    Raises:
        BundleError: as ``parse_bundle`` would refuse it.
    """
    _require_entries(entries)
    if len(checkpoint) > MAX_NOTE_BYTES:
        raise BundleError(f"a checkpoint has at most {MAX_NOTE_BYTES} bytes")
    try:
        note = checkpoint.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BundleError("the checkpoint is not UTF-8") from error
    document = {
        "schema": SCHEMA,
        "checkpoint": note,
        "entries": [entry.as_mapping() for entry in entries],
    }
    try:
        content = (json.dumps(document, ensure_ascii=False, indent=1) + "\n").encode("utf-8")
    except UnicodeEncodeError as error:
        raise BundleError("a proof is not Unicode text") from error
    if len(content) > MAX_BUNDLE_FILE_BYTES:
        raise BundleError(f"a bundle has at most {MAX_BUNDLE_FILE_BYTES} bytes")
    return content


def parse_bundle(content: bytes) -> Bundle:
    """Read a bundle. Unknown members are ignored.

    Raises:
        BundleError: too large, not strict JSON, another schema, a member missing or malformed,
            no entry, more than 1,024 of them, one leaf twice, or an entry of more than 65,535
            bytes.
    """
    parsed = parse_object(
        content, error=BundleError, what="the bundle", max_bytes=MAX_BUNDLE_FILE_BYTES
    )
    if parsed.get("schema") != SCHEMA:
        raise BundleError(f"the bundle is not of the schema {SCHEMA}", code="bundle.schema")
    note = parsed.get("checkpoint")
    if not isinstance(note, str) or len(note) > MAX_NOTE_BYTES:
        raise BundleError("the bundle holds no checkpoint, or one that is too large")
    entries = parse_entries(parsed.get("entries"), error=BundleError, what="the bundle")
    _require_entries(entries)
    return Bundle(note.encode("utf-8"), entries)


def parse_entries(items: object, *, error: type[AttestError], what: str) -> tuple[LoggedEntry, ...]:
    """Read a list of entries, in its order.

    Args:
        error: the class to raise, with ``what`` naming the document in its message.

    Raises:
        AttestError: of class ``error``, for anything but a list of objects that each have a
            leaf index, an envelope in canonical base64 and a proof; or for one leaf twice.
    """
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise error(f"{what} has no list of objects entries")
    entries = tuple(_parse_entry(item, error, what) for item in items)
    _require_once(entries, error, what)
    return entries


def _parse_entry(item: Mapping[str, Any], error: type[AttestError], what: str) -> LoggedEntry:
    leaf_index, proof = item.get("leaf_index"), item.get("proof")
    if type(leaf_index) is not int or not 0 <= leaf_index <= _MAX_LEAF_INDEX:
        raise error(f"an entry of {what} has a leaf_index from 0")
    envelope = decode_base64(
        item.get("envelope"), error=error, what=f"the envelope of leaf {leaf_index}"
    )
    if not isinstance(proof, str):
        raise error(f"leaf {leaf_index} of {what} has no proof")
    return LoggedEntry(leaf_index, envelope, proof)


def _require_entries(entries: Sequence[LoggedEntry]) -> None:
    if not 1 <= len(entries) <= MAX_BUNDLE_ENTRIES:
        raise BundleError(
            f"a bundle holds 1 to {MAX_BUNDLE_ENTRIES} entries, not {len(entries)}",
            code="bundle.entries",
        )
    _require_once(entries, BundleError, "the bundle")
    for entry in entries:
        if not 0 <= entry.leaf_index <= _MAX_LEAF_INDEX:
            raise BundleError(f"no log has a leaf {entry.leaf_index}", code="bundle.entries")
        if len(entry.envelope) > MAX_ENTRY_BYTES:
            raise BundleError(
                f"leaf {entry.leaf_index} has {len(entry.envelope)} bytes, an entry has at most "
                f"{MAX_ENTRY_BYTES}",
                code="bundle.entries",
            )


def _require_once(entries: Iterable[LoggedEntry], error: type[AttestError], what: str) -> None:
    seen: set[int] = set()
    for entry in entries:
        if entry.leaf_index in seen:
            raise error(f"{what} holds leaf {entry.leaf_index} twice")
        seen.add(entry.leaf_index)
