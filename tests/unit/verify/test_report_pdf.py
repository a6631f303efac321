"""The PDF itself: whoever changes a byte of it, anywhere, is found."""

from __future__ import annotations

import io
import random
import socket
from pathlib import Path

import pytest
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter

from muniment.verify import verify_report
from muniment.verify.errors import PdfError
from muniment.verify.pdf import open_signed_pdf
from tests.unit.verify.conftest import Look
from tests.unit.verify.world import (
    World,
    failures,
    make_pdf_signer,
    make_world,
    render_pdf,
    sign_pdf,
)


def test_an_honest_report_holds(look: Look, honest: World, honest_report: bytes) -> None:
    verification = look(honest_report)
    assert failures(verification) == {}
    assert verification.holds
    assert [finding.id for finding in verification.findings] == [
        "pdf.signature",
        "evidence.format",
        "log.checkpoint",
        "log.inclusion",
        "log.keys",
        "pdf.certificate",
        "statements.signatures",
        "statements.shape",
        "stream.complete",
        "people.disclosures",
        "dossier.agreement",
    ]
    assert verification.facts["stream_length"] == len(honest.stream)
    assert any("added to the model's stream after" in limit for limit in verification.limits)


def test_nothing_is_fetched(
    look: Look, honest_report: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("the verifier reached for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert look(honest_report).holds


@pytest.mark.parametrize("is_rsa", [True, False])
def test_a_flipped_bit_is_found_wherever_it_is(honest: World, is_rsa: bool) -> None:
    """Every region: header, content, attachment, signature dictionary, CMS, padding, trailer."""
    report = honest.report(by=make_pdf_signer("Muniment report signing", is_rsa=is_rsa))
    good = open_signed_pdf(report)
    gap = report.index(b"/Contents <") + len(b"/Contents ")
    gap_end = report.index(b">", gap) + 1
    signature_end = gap + len(report[gap:gap_end].rstrip(b"0>"))
    dice = random.Random(7)
    places = {0, 5, gap - 1, gap, gap + 1, gap_end - 2, gap_end - 1, gap_end, len(report) - 1}
    places |= {dice.randrange(gap) for _ in range(20)}
    places |= {dice.randrange(gap_end, len(report)) for _ in range(10)}
    places |= {dice.randrange(signature_end, gap_end) for _ in range(10)}
    # Much of the signature is covered by no digest: versions, letters' case in names, tags.
    places |= set(range(gap + 1, signature_end, 11))
    accepted = []
    for at in sorted(places):
        for mask in (0x02, 0x20):
            changed = bytearray(report)
            changed[at] ^= mask
            try:
                found = open_signed_pdf(bytes(changed))
            except PdfError:
                continue
            # The signer's certificate is judged by its digest, which the log has.
            if found.certificate_sha256 == good.certificate_sha256:
                accepted.append((at, mask))
    assert accepted == []


def test_a_report_signed_with_rsa_holds(tmp_path: Path) -> None:
    world = make_world(tmp_path, pdf=make_pdf_signer("Muniment report signing", is_rsa=True))
    (tmp_path / "report.pdf").write_bytes(world.report())
    assert verify_report(tmp_path / "report.pdf", world.vkey).holds


def test_a_flipped_byte_fails_the_verification(look: Look, honest_report: bytes) -> None:
    changed = bytearray(honest_report)
    changed[len(changed) // 4] ^= 1
    verification = look(bytes(changed))
    assert not verification.holds
    assert failures(verification)["pdf.signature"] in ("pdf.changed", "pdf.malformed")


def test_bytes_appended_after_signing_are_found(look: Look, honest_report: bytes) -> None:
    for tail in (b"\n", b"%%EOF\n", b"\x00" * 100):
        assert failures(look(honest_report + tail))["pdf.signature"] in (
            "pdf.appended",
            "pdf.malformed",
        )


def test_an_incremental_update_is_found(look: Look, honest_report: bytes) -> None:
    """An overlay drawn over the first page, as a valid revision of the file."""
    writer = IncrementalPdfFileWriter(io.BytesIO(honest_report))
    page = writer.root["/Pages"]["/Kids"][0].get_object()
    overlay = writer.add_object(generic.StreamObject(stream_data=b"1 0 0 rg 0 0 500 500 re f"))
    contents = page.raw_get("/Contents")
    page["/Contents"] = generic.ArrayObject([contents, overlay])
    writer.mark_update(writer.root["/Pages"]["/Kids"].raw_get(0))
    out = io.BytesIO()
    writer.write(out)
    assert failures(look(out.getvalue()))["pdf.signature"] == "pdf.appended"


def test_a_second_signature_is_found(look: Look, honest: World, honest_report: bytes) -> None:
    twice = sign_pdf(honest_report, honest.pdf, field_name="Second")
    assert failures(look(twice))["pdf.signature"] == "pdf.signature_count"


def test_an_unsigned_report_is_refused(look: Look) -> None:
    assert failures(look(render_pdf(b"{}")))["pdf.signature"] == "pdf.signature_count"


@pytest.mark.parametrize("content", [b"", b"hello", b"%PDF-1.7\n", b"%PDF-1.7\n" + b"\x00" * 500])
def test_what_is_no_pdf_is_refused_in_words(look: Look, content: bytes) -> None:
    verification = look(content)
    assert not verification.holds
    assert set(failures(verification)) == {"pdf.signature"}
    assert verification.findings[0].detail


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9, 0.999])
def test_a_truncated_report_is_refused(look: Look, honest_report: bytes, kept: float) -> None:
    assert "pdf.signature" in failures(look(honest_report[: int(len(honest_report) * kept)]))


def test_a_missing_file_is_a_finding(tmp_path: Path, honest: World) -> None:
    verification = verify_report(tmp_path / "absent.pdf", honest.vkey)
    assert failures(verification) == {"pdf.signature": "pdf.unreadable"}
    assert not verification.holds


def test_a_certificate_that_is_not_in_the_log_is_refused(look: Look, honest: World) -> None:
    """All else is honest: another key signed the PDF."""
    pdf = honest.report(by=make_pdf_signer("Muniment report signing"))
    assert failures(look(pdf)) == {"pdf.certificate": "pdf.certificate_unknown"}


def test_a_certificate_may_chain_to_a_named_authority(
    tmp_path: Path, look: Look, honest: World
) -> None:
    root = make_pdf_signer("Test CA", is_ca=True)
    pdf = honest.report(by=make_pdf_signer("Signer", root))
    ca = tmp_path / "ca.pem"
    ca.write_text(root.certificate_pem)
    assert look(pdf, ca=ca).holds
    assert failures(look(pdf)) == {"pdf.certificate": "pdf.certificate_unknown"}
    ca.write_text(make_pdf_signer("Test CA", is_ca=True).certificate_pem)
    assert failures(look(pdf, ca=ca)) == {"pdf.certificate": "pdf.chain"}
    for content in ("", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n"):
        ca.write_text(content)
        assert failures(look(pdf, ca=ca)) == {"pdf.certificate": "pdf.ca_file"}
    assert failures(look(pdf, ca=tmp_path / "absent")) == {"pdf.certificate": "pdf.ca_file"}


def test_an_enrolled_certificate_needs_no_authority(
    tmp_path: Path, look: Look, honest_report: bytes
) -> None:
    assert look(honest_report, ca=tmp_path / "absent").holds


def test_spare_certificates_in_the_signature_are_refused(look: Look, honest: World) -> None:
    """Nothing protects them, so they could change unseen."""
    stranger = make_pdf_signer("Stranger")
    pdf = honest.report(spare=[stranger])
    assert failures(look(pdf)) == {"pdf.certificate": "pdf.other_certificates"}


def test_a_report_needs_exactly_one_evidence_file(look: Look, honest: World) -> None:
    for pdf in (
        sign_pdf(render_pdf(None), honest.pdf),
        sign_pdf(render_pdf(b"{}", name="other.json"), honest.pdf),
        sign_pdf(render_pdf(b"{}", twice=True), honest.pdf),
    ):
        assert failures(look(pdf))["pdf.signature"] == "pdf.attachment"
