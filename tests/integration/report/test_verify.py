"""A sealed report about a real log: our own verifier and every documented command accept it."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from audits.domain.dossier import Dossier
from audits.report.attachment import PersonDisclosure, TextDisclosure, build_evidence
from audits.report.html import ROOT
from audits.report.pdf import render_report
from audits.report.signing import sign_report
from muniment.attest.bundle import LoggedEntry
from tests.unit.report.samples import later
from tests.unit.verify.world import make_pdf_signer, make_world

BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Filed:
    """A report in a folder of its own, and the key that its reader holds."""

    folder: Path
    vkey: str
    certificate_sha256: str
    evidence_sha256: str

    def run(self, script: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "VKEY": self.vkey, "PATH": f"{BIN}:{os.environ['PATH']}"},
        )


@pytest.fixture(scope="module")
def filed(tmp_path_factory: pytest.TempPathFactory) -> Filed:
    folder = tmp_path_factory.mktemp("filed")
    world = make_world(folder, pdf=make_pdf_signer("Muniment reports", is_rsa=True))
    evidence = world.evidence()
    dossier = Dossier.from_mapping(evidence["dossier"])
    attached = build_evidence(
        dossier,
        entries=[
            LoggedEntry(one["leaf_index"], base64.b64decode(one["envelope"]), one["proof"])
            for one in evidence["entries"]
        ],
        disclosures=[
            TextDisclosure(**one) if "text" in one else PersonDisclosure(**one)
            for one in evidence["disclosures"]
        ],
    )
    key, certificate = folder / "pdf.pem", folder / "pdf-certificate.pem"
    key.write_bytes(world.pdf.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    certificate.write_text(world.pdf.certificate_pem)
    sealed = sign_report(
        render_report(dossier, attached),
        key_pem_path=key,
        certificate_pem_path=certificate,
        reason="Report",
        at=later(12),
    )
    (folder / "report.pdf").write_bytes(sealed)
    der = world.pdf.certificate.public_bytes(Encoding.DER)
    return Filed(
        folder, world.vkey, hashlib.sha256(der).hexdigest(), hashlib.sha256(attached).hexdigest()
    )


def test_muniment_verify_accepts_the_report(filed: Filed) -> None:
    done = filed.run('muniment verify report.pdf --vkey "$VKEY"')
    assert done.returncode == 0, done.stdout + done.stderr
    assert "All of it holds." in done.stdout


def test_muniment_verify_refuses_a_flipped_byte(filed: Filed) -> None:
    pdf = bytearray((filed.folder / "report.pdf").read_bytes())
    pdf[len(pdf) // 2] ^= 0x01
    (filed.folder / "flipped.pdf").write_bytes(pdf)
    done = filed.run('muniment verify flipped.pdf --vkey "$VKEY"')
    assert done.returncode == 1
    assert "DO NOT RELY ON THIS REPORT" in done.stdout


def test_every_documented_command_works_in_the_documented_order(filed: Filed) -> None:
    text = (ROOT / "docs" / "reports.md").read_text("utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 7
    done = filed.run("".join(blocks))
    assert done.returncode == 0, done.stdout + done.stderr
    for expected in (
        "All of it holds.",
        "Signature is Valid.",
        "Total document signed",
        filed.certificate_sha256,
        "The signature is judged VALID.",
        filed.evidence_sha256,
        "Signature Verified Successfully",
        "approval.refused",
    ):
        assert expected in done.stdout, expected


def test_the_commands_printed_in_the_report_are_documented_ones(filed: Filed) -> None:
    """Section 8 of the pages; it names the key that the report knows."""
    printed = filed.run("pdftotext -layout report.pdf -").stdout
    documented = (ROOT / "docs" / "reports.md").read_text("utf-8")
    for command in (
        "openssl pkcs7 -inform DER -in report.pdf.sig0 -print_certs -out signer.pem",
        "pyhanko sign validate --pretty-print --trust signer.pem --trust-replace report.pdf",
        "openssl x509 -in signer.pem -outform DER | sha256sum",
        "pdfdetach -save 1 -o evidence.json report.pdf",
        'muniment verify report.pdf --vkey "$VKEY"',
    ):
        assert command in printed
        assert command in documented
    assert f"VKEY='{filed.vkey}'" in printed
