"""Seal a report: PAdES B-B over every byte, certifying, no change allowed afterwards."""

from __future__ import annotations

from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from audits.report.errors import AlreadySigned, NotAReport, UnusableSigningKey

if TYPE_CHECKING:
    from pyhanko.pdf_utils.writer import BasePdfFileWriter
    from pyhanko.sign.signers import PdfSigner, SimpleSigner
    from pyhanko.sign.signers.pdf_signer import PdfSigningSession

FIELD = "Muniment"


def sign_report(
    pdf: bytes,
    *,
    key_pem_path: str | Path,
    certificate_pem_path: str | Path,
    reason: str,
    at: datetime,
) -> bytes:
    """Return `pdf` with an invisible certification signature that allows no later change.

    PAdES baseline B-B (ETSI EN 319 142-1), SHA-256, `/DocMDP` permission 1. The signature is the
    system's seal; the people who approved are in the pages and the log. No timestamp authority is
    asked, so `at` is this server's word. Loads pyHanko: worker only.

    Args:
        pdf: what `render_report` returned.
        key_pem_path: unencrypted PEM private key, RSA or ECDSA.
        certificate_pem_path: its certificate; without emailProtection in its extended key usage
            some verifiers report an unknown issue.
        reason: shown by PDF viewers.
        at: the signing time, with zone.

    Raises:
        UnusableSigningKey: key or certificate cannot be read, or are no pair.
        AlreadySigned: the PDF has a signature.
        NotAReport: the bytes cannot be read as a PDF.
    """
    if at.tzinfo is None:
        raise ValueError("the signing time has no zone")
    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
    from pyhanko.pdf_utils.misc import PdfError
    from pyhanko.sign.fields import MDPPerm, SigFieldSpec, SigSeedSubFilter
    from pyhanko.sign.signers import PdfSignatureMetadata

    signer = _signer(Path(key_pem_path), Path(certificate_pem_path))
    try:
        writer = IncrementalPdfFileWriter(BytesIO(pdf))
        is_signed = bool(writer.prev.embedded_signatures)
    except (PdfError, ValueError) as error:
        raise NotAReport(f"not a PDF that can be signed: {error}") from error
    if is_signed:
        raise AlreadySigned("the PDF is signed already")
    metadata = PdfSignatureMetadata(
        field_name=FIELD,
        md_algorithm="sha256",
        reason=reason,
        subfilter=SigSeedSubFilter.PADES,
        certify=True,
        docmdp_permissions=MDPPerm.NO_CHANGES,
    )
    # An invisible field: the default stamp would bring a font that is not embedded (PDF/A).
    seal = _signer_at(at)(metadata, signer=signer, new_field_spec=SigFieldSpec(FIELD))
    signed: bytes = seal.sign_pdf(writer).getvalue()
    return signed


def _signer_at(at: datetime) -> type[PdfSigner]:
    from pyhanko.sign.signers import PdfSigner
    from pyhanko.sign.signers.constants import ESIC_EXTENSION_1

    class SignerAt(PdfSigner):  # type: ignore[misc, unused-ignore]
        """Signs as of the moment it is told: pyHanko reads the machine's clock by itself."""

        def init_signing_session(
            self, pdf_out: BasePdfFileWriter, existing_fields_only: bool = False
        ) -> PdfSigningSession:
            session = super().init_signing_session(pdf_out, existing_fields_only)
            session.system_time = at.astimezone(UTC).replace(microsecond=0)
            return session

        def register_extensions(self, pdf_out: BasePdfFileWriter, *, md_algorithm: str) -> None:
            # pyHanko would raise an ECDSA-signed file to PDF 2.0, which PDF/A-3 is not.
            pdf_out.register_extension(ESIC_EXTENSION_1)

    return SignerAt


def _signer(key: Path, certificate: Path) -> SimpleSigner:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from cryptography.x509 import load_pem_x509_certificate
    from pyhanko.sign.signers import SimpleSigner

    try:
        private_key = load_pem_private_key(key.read_bytes(), password=None)
        public = load_pem_x509_certificate(certificate.read_bytes()).public_key()
    except (OSError, ValueError, TypeError) as error:
        # The file's name and the kind of error, never its contents.
        raise UnusableSigningKey(f"{key} or {certificate} cannot be read: {error}") from None
    if private_key.public_key() != public:
        raise UnusableSigningKey(f"{certificate} is not the certificate of {key}")
    signer: SimpleSigner | None = SimpleSigner.load(str(key), str(certificate))
    if signer is None:
        raise UnusableSigningKey(f"pyHanko cannot use {key} with {certificate}")
    return signer
