"""The attachment `evidence.json`: what an offline verifier reads (see docs/reports.md)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from audits.domain.dossier import Dossier
from audits.domain.dossier_json import Json
from muniment.attest.bundle import LoggedEntry

FORMAT = "https://muniment.dev/report-evidence/v1"
NAME = "evidence.json"


@dataclass(frozen=True, slots=True)
class PersonDisclosure:
    """Opens a person's commitment: SHA-256(salt ‖ printed name ‖ 0x00 ‖ role).

    `commitment` and `salt` are lower hex.
    """

    commitment: str
    salt: str
    printed_name: str
    role: str

    def to_mapping(self) -> dict[str, Json]:
        return {
            "commitment": self.commitment,
            "salt": self.salt,
            "printed_name": self.printed_name,
            "role": self.role,
        }


@dataclass(frozen=True, slots=True)
class TextDisclosure:
    """Opens a free text's commitment: SHA-256(salt ‖ text). `commitment`, `salt`: lower hex."""

    commitment: str
    salt: str
    text: str

    def to_mapping(self) -> dict[str, Json]:
        return {"commitment": self.commitment, "salt": self.salt, "text": self.text}


def build_evidence(
    dossier: Dossier,
    *,
    entries: Sequence[LoggedEntry],
    disclosures: Sequence[PersonDisclosure | TextDisclosure] = (),
) -> bytes:
    """Return the attachment: the dossier, the signed entries with proofs, and what opens them.

    `entries` are every key/v1 entry and the model's whole stream from 0. The same arguments give
    the same bytes (keys sorted, UTF-8, indented for people).

    Raises:
        DossierError: the dossier cannot be written as JSON.
    """
    document: Mapping[str, Json] = {
        "format": FORMAT,
        "version_uri": dossier.version_uri,
        "stream": dossier.stream,
        "checkpoint": dossier.log.checkpoint if dossier.log is not None else None,
        "entries": [
            entry.as_mapping() for entry in sorted(entries, key=lambda entry: entry.leaf_index)
        ],
        "disclosures": [disclosure.to_mapping() for disclosure in disclosures],
        "dossier": dossier.to_mapping(),
    }
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, sort_keys=True, indent=1)
    return (text + "\n").encode("utf-8")
