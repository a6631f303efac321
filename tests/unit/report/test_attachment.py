from __future__ import annotations

import base64
import json

import pytest

from audits.domain.dossier import Dossier
from audits.report.attachment import PersonDisclosure, TextDisclosure, build_evidence
from audits.report.errors import EvidenceMismatch
from audits.report.pdf import render_report
from muniment.attest.bundle import LoggedEntry
from tests.unit.report.samples import bare, champion, denied, later

ENTRIES = [LoggedEntry(7, b'{"b": 2}', "proof 7"), LoggedEntry(0, b'{ "a":1 }', "proof 0")]


def test_the_attachment_has_the_agreed_format() -> None:
    dossier = champion()
    disclosures = [
        PersonDisclosure("c1", "5a", "Rita Reviewer", "reviewer"),
        TextDisclosure("c2", "5b", "because"),
    ]
    document = json.loads(build_evidence(dossier, entries=ENTRIES, disclosures=disclosures))
    assert document["format"] == "https://muniment.dev/report-evidence/v1"
    assert document["version_uri"] == dossier.version_uri
    assert document["stream"] == dossier.stream
    assert dossier.log is not None
    assert document["checkpoint"] == dossier.log.checkpoint
    assert [entry["leaf_index"] for entry in document["entries"]] == [0, 7]
    assert base64.b64decode(document["entries"][0]["envelope"]) == b'{ "a":1 }'
    assert document["entries"][1]["proof"] == "proof 7"
    assert document["disclosures"] == [
        {"commitment": "c1", "salt": "5a", "printed_name": "Rita Reviewer", "role": "reviewer"},
        {"commitment": "c2", "salt": "5b", "text": "because"},
    ]
    assert Dossier.from_mapping(document["dossier"]) == dossier


def test_the_same_evidence_is_the_same_bytes() -> None:
    assert build_evidence(champion(), entries=ENTRIES) == build_evidence(
        champion(), entries=list(reversed(ENTRIES))
    )


def test_pages_over_another_attachment_cannot_be_made() -> None:
    with pytest.raises(EvidenceMismatch, match="another dossier"):
        render_report(champion(), build_evidence(denied(), entries=[]))


@pytest.mark.parametrize("attachment", [b"", b"[]", b'"x"', b"{}", b'{"format": "other"}', b"\xff"])
def test_an_attachment_of_another_format_is_refused(attachment: bytes) -> None:
    with pytest.raises(EvidenceMismatch):
        render_report(champion(), attachment)


def test_a_date_that_is_not_the_dossiers_is_refused() -> None:
    with pytest.raises(EvidenceMismatch, match="another time"):
        render_report(bare(), build_evidence(bare(), entries=[]), generated_at=later(999))
