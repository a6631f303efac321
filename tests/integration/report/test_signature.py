"""The seal, judged by pdfsig, pyHanko's own command and openssl."""

from __future__ import annotations

import hashlib
import random
import subprocess
import sys
from pathlib import Path

import pypdf
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_pem_x509_certificate
from pypdf.annotations import FreeText

from audits.report.attachment import build_evidence
from audits.report.errors import AlreadySigned, NotAReport, UnusableSigningKey
from audits.report.pdf import render_report
from audits.report.signing import sign_report
from tests.integration.report.conftest import Pair, write_pair
from tests.unit.report.samples import bare, later

PYHANKO = Path(sys.executable).parent / "pyhanko"


def pdfsig(report: Path) -> str:
    # Its exit status is 0 whatever it finds.
    return subprocess.run(["pdfsig", report], capture_output=True, text=True, check=False).stdout


def pyhanko(report: Path, certificate: Path) -> subprocess.CompletedProcess[str]:
    command = [PYHANKO, "sign", "validate", "--pretty-print", "--trust", certificate]
    return subprocess.run(
        [*map(str, command), "--trust-replace", str(report)],
        capture_output=True,
        text=True,
        check=False,
    )


def seal(pdf: bytes, pair: Pair) -> bytes:
    return sign_report(
        pdf,
        key_pem_path=pair.key,
        certificate_pem_path=pair.certificate,
        reason="Report",
        at=later(12),
    )


def test_pdfsig_accepts_the_seal_over_the_whole_document(report: Path) -> None:
    found = pdfsig(report)
    assert "Signature is Valid." in found
    assert "Total document signed" in found
    assert "ETSI.CAdES.detached" in found
    assert "SHA-256" in found


def test_pyhanko_accepts_the_seal(report: Path, signing_pair: Pair) -> None:
    found = pyhanko(report, signing_pair.certificate)
    assert found.returncode == 0, found.stdout + found.stderr
    assert "The signature is judged VALID." in found.stdout
    assert "The signature covers the entire file." in found.stdout
    assert "2026-11-23T14:12:05+00:00" in found.stdout  # the time that was passed in


def test_a_stranger_certificate_is_not_trusted(report: Path, tmp_path: Path) -> None:
    stranger = write_pair(tmp_path / "stranger", rsa.generate_private_key(65537, 2048))
    assert "judged VALID" not in pyhanko(report, stranger.certificate).stdout


def test_the_documented_commands_reach_the_certificate(report: Path, signing_pair: Pair) -> None:
    """As printed in the report and in docs/reports.md."""
    script = (
        "pdfsig -dump report.pdf > /dev/null && "
        "openssl pkcs7 -inform DER -in report.pdf.sig0 -print_certs -out signer.pem && "
        "openssl x509 -in signer.pem -outform DER | sha256sum"
    )
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=report.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    certificate = load_pem_x509_certificate(signing_pair.certificate.read_bytes())
    expected = hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()
    assert done.stdout.split()[0] == expected


def test_openssl_verifies_the_signature_over_the_signed_ranges(
    report: Path, signed: bytes, signing_pair: Pair
) -> None:
    signature = pypdf.PdfReader(report).trailer["/Root"]["/AcroForm"]["/Fields"][0]["/V"]
    start, length, second, rest = signature["/ByteRange"]
    assert (start, second + rest) == (0, len(signed))
    content = report.with_suffix(".content")
    content.write_bytes(signed[:length] + signed[second:])
    container = report.with_suffix(".der")
    container.write_bytes(
        bytes(signature["/Contents"].original_bytes).rstrip(b"\x00") + b"\x00" * 8
    )
    done = subprocess.run(
        ["openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", container, "-content",
         content, "-CAfile", signing_pair.certificate, "-partial_chain", "-out", "/dev/null"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "CMS Verification successful" in done.stderr, done.stderr


def test_the_seal_allows_no_change(signed: bytes, report: Path) -> None:
    root = pypdf.PdfReader(report).trailer["/Root"]
    signature = root["/Perms"]["/DocMDP"]
    (reference,) = signature["/Reference"]
    assert reference["/TransformMethod"] == "/DocMDP"
    assert reference["/TransformParams"]["/P"] == 1
    widget = root["/AcroForm"]["/Fields"][0].get_object()
    assert [float(edge) for edge in widget["/Rect"]] == [0, 0, 0, 0]
    assert widget["/F"] & 0b100  # printed, as PDF/A asks; there is nothing to see


def test_a_flipped_byte_is_refused_wherever_it_stands(
    report: Path, signed: bytes, signing_pair: Pair
) -> None:
    signature = pypdf.PdfReader(report).trailer["/Root"]["/AcroForm"]["/Fields"][0]["/V"]
    _, hole_start, hole_end, _ = signature["/ByteRange"]
    covered = [*range(1_000, hole_start - 10), *range(hole_end + 10, len(signed) - 40)]
    chosen = random.Random(7).sample(covered, 8)
    for place in chosen:
        flipped = bytearray(signed)
        flipped[place] ^= 0x01
        report.write_bytes(flipped)
        assert "Signature is Valid." not in pdfsig(report), place
    assert "judged VALID" not in pyhanko(report, signing_pair.certificate).stdout


def test_something_appended_is_noticed(signing_pair: Pair, tmp_path: Path) -> None:
    report, overlaid = tmp_path / "report.pdf", tmp_path / "overlaid.pdf"
    # A short one: pyHanko compares every object of the two revisions.
    report.write_bytes(
        seal(render_report(bare(), build_evidence(bare(), entries=[])), signing_pair)
    )
    writer = pypdf.PdfWriter(report, incremental=True)
    writer.add_annotation(0, FreeText(text="Allowed", rect=(50, 550, 200, 650)))
    writer.write(overlaid)
    assert overlaid.read_bytes().startswith(report.read_bytes())
    assert "Not total document signed" in pdfsig(overlaid)
    assert "judged VALID" in pyhanko(report, signing_pair.certificate).stdout
    assert pyhanko(overlaid, signing_pair.certificate).returncode != 0


def test_an_ecdsa_key_seals_without_leaving_pdf_1_7(unsigned: bytes, tmp_path: Path) -> None:
    pair = write_pair(tmp_path / "ec", ec.generate_private_key(ec.SECP256R1()))
    path = tmp_path / "ec.pdf"
    path.write_bytes(seal(unsigned, pair))
    assert "Signature is Valid." in pdfsig(path)
    assert "judged VALID" in pyhanko(path, pair.certificate).stdout
    assert str(pypdf.PdfReader(path).trailer["/Root"].get("/Version", "/1.7")) == "/1.7"


def test_a_report_is_signed_once(signed: bytes, signing_pair: Pair) -> None:
    with pytest.raises(AlreadySigned):
        seal(signed, signing_pair)


@pytest.mark.parametrize("pdf", [b"", b"hello", b"%PDF-1.7\n", b"\x00" * 5_000])
def test_what_is_no_pdf_is_refused(pdf: bytes, signing_pair: Pair) -> None:
    with pytest.raises(NotAReport):
        seal(pdf, signing_pair)


def test_a_key_of_another_certificate_is_refused(
    unsigned: bytes, signing_pair: Pair, tmp_path: Path
) -> None:
    other = write_pair(tmp_path / "other", rsa.generate_private_key(65537, 2048))
    with pytest.raises(UnusableSigningKey, match="not the certificate of"):
        seal(unsigned, Pair(other.key, signing_pair.certificate))


def test_an_unreadable_key_is_refused_without_showing_it(
    unsigned: bytes, signing_pair: Pair, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.pem"
    broken.write_text(signing_pair.key.read_text()[:400])
    with pytest.raises(UnusableSigningKey) as refused:
        seal(unsigned, Pair(broken, signing_pair.certificate))
    assert signing_pair.key.read_text()[100:160] not in str(refused.value)
    with pytest.raises(UnusableSigningKey):
        seal(unsigned, Pair(tmp_path / "absent.pem", signing_pair.certificate))


def test_a_time_without_zone_is_refused(unsigned: bytes, signing_pair: Pair) -> None:
    with pytest.raises(ValueError, match="zone"):
        sign_report(
            unsigned,
            key_pem_path=signing_pair.key,
            certificate_pem_path=signing_pair.certificate,
            reason="Report",
            at=later(12).replace(tzinfo=None),
        )
