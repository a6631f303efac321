"""The attachment of a report, ``evidence.json``: parsed strictly, trusted for nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from muniment.attest.bundle import LoggedEntry, parse_entries
from muniment.attest.commitment import SALT_BYTES, person_commitment, text_commitment
from muniment.attest.strict_json import parse_object
from muniment.verify.errors import ReportError

FORMAT: Final = "https://muniment.dev/report-evidence/v1"
MAX_EVIDENCE_BYTES: Final = 256_000_000
_HEX = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class PersonDisclosure:
    """The name and role behind a commitment."""

    commitment: str
    salt: bytes
    printed_name: str
    role: str

    def opens(self) -> bool:
        """Whether the commitment is the one of this name and role."""
        return person_commitment(self.salt, self.printed_name, self.role) == self.commitment


@dataclass(frozen=True, slots=True)
class TextDisclosure:
    """The free text behind a commitment."""

    commitment: str
    salt: bytes
    text: str

    def opens(self) -> bool:
        """Whether the commitment is the one of this text."""
        return text_commitment(self.salt, self.text) == self.commitment


Disclosure = PersonDisclosure | TextDisclosure


@dataclass(frozen=True, slots=True)
class ReportEvidence:
    """The attachment's content.

    Attributes:
        checkpoint: the signed note's exact bytes.
        entries: by leaf index, none twice.
        disclosures: by commitment.
        dossier: what the pages show.
    """

    version_uri: str
    stream: str
    checkpoint: bytes
    entries: tuple[LoggedEntry, ...]
    disclosures: Mapping[str, Disclosure]
    dossier: Mapping[str, Any]


def parse_evidence(content: bytes) -> ReportEvidence:
    """Read the attachment. Unknown members are ignored.

    Raises:
        ReportError: not strict JSON, another format, a member missing or malformed, one leaf
            twice, or one commitment disclosed twice.
    """
    parsed = parse_object(
        content, error=ReportError, what="evidence.json", max_bytes=MAX_EVIDENCE_BYTES
    )
    if parsed.get("format") != FORMAT:
        raise ReportError(f"evidence.json is not of the format {FORMAT}", code="report.format")
    entries = parse_entries(parsed.get("entries"), error=ReportError, what="evidence.json")
    disclosures = [_disclosure(item) for item in _list(parsed, "disclosures")]
    by_commitment = {disclosure.commitment: disclosure for disclosure in disclosures}
    if len(by_commitment) != len(disclosures):
        raise ReportError("evidence.json opens one commitment twice")
    dossier = parsed.get("dossier")
    if not isinstance(dossier, dict):
        raise ReportError("evidence.json holds no dossier")
    return ReportEvidence(
        version_uri=_text(parsed, "version_uri"),
        stream=_text(parsed, "stream"),
        checkpoint=_text(parsed, "checkpoint").encode("utf-8", "surrogatepass"),
        entries=tuple(sorted(entries, key=lambda entry: entry.leaf_index)),
        disclosures=by_commitment,
        dossier=dossier,
    )


def _disclosure(item: Mapping[str, Any]) -> Disclosure:
    commitment, salt = _text(item, "commitment"), _text(item, "salt")
    if _HEX.fullmatch(commitment) is None or _HEX.fullmatch(salt) is None:
        raise ReportError(
            f"a disclosure's commitment and salt are {SALT_BYTES} bytes in lower-case hexadecimal"
        )
    if "text" in item:
        return TextDisclosure(commitment, bytes.fromhex(salt), _text(item, "text"))
    return PersonDisclosure(
        commitment, bytes.fromhex(salt), _text(item, "printed_name"), _text(item, "role")
    )


def _list(parsed: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    items = parsed.get(name)
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise ReportError(f"evidence.json has no list of objects {name}")
    return items


def _text(parsed: Mapping[str, Any], name: str) -> str:
    value = parsed.get(name)
    if not isinstance(value, str):
        raise ReportError(f"evidence.json lacks the text {name}")
    return value
