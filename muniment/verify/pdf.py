"""The signed PDF: one signature over every byte, its signer, and the attachment it covers.

pyHanko does the cryptography; ``pdf_coverage`` adds what it leaves out.
"""

from __future__ import annotations

import hashlib
import io
import logging
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from muniment.verify.errors import PdfError
from muniment.verify.pdf_chain import accepted_key_usage
from muniment.verify.pdf_coverage import require_every_byte

ATTACHMENT: Final = "evidence.json"
MAX_PDF_BYTES: Final = 512_000_000
MAX_ATTACHMENT_BYTES: Final = 256_000_000
_MAX_NAME_TREE_NODES: Final = 1_000


@dataclass(frozen=True, slots=True)
class SignedPdf:
    """A PDF whose one signature was found over every byte. See ``open_signed_pdf``.

    Attributes:
        size_bytes: of the file, all of it signed.
        sha256: of the file, in hexadecimal.
        certificate_sha256: of the signer's certificate (DER), in hexadecimal.
        signer: the certificate's subject, for people.
        signed_at: as the signer said; None where it did not. Nobody vouches for it.
        attachment: the content of ``evidence.json`` in the signed revision.
        has_other_certificates: the signature carries certificates beside the signer's, which
            it does not protect: see ``pdf_chain``.
        embedded: pyHanko's view of the signature.
    """

    size_bytes: int
    sha256: str
    certificate_sha256: str
    signer: str
    signed_at: str | None
    attachment: bytes
    has_other_certificates: bool
    embedded: Any = field(repr=False)


def read_pdf(path: str | Path) -> bytes:
    """Return the file's bytes.

    Raises:
        PdfError: it cannot be read, has more than 512 MB, or is not a PDF.
    """
    try:
        with Path(path).open("rb") as stream:
            content = stream.read(MAX_PDF_BYTES + 1)
    except OSError as error:
        raise PdfError(f"cannot read {path}: {error.strerror}", code="pdf.unreadable") from error
    if len(content) > MAX_PDF_BYTES:
        raise PdfError(f"more than {MAX_PDF_BYTES} bytes", code="pdf.too_large")
    if not content.startswith(b"%PDF-"):
        raise PdfError("not a PDF file", code="pdf.not_a_pdf")
    return content


def open_signed_pdf(content: bytes) -> SignedPdf:
    """Return the PDF if its one signature is intact and covers every byte of ``content``.

    Who signed is not judged here.

    Raises:
        PdfError: not readable as a PDF; no signature, or more than one; bytes that it does not
            cover, or appended after it; a digest or signature that does not verify; or no
            single ``evidence.json`` in the signed revision.
    """
    # pyHanko logs a traceback where a chain of trust is missing, which is not asked of it here.
    logging.getLogger("pyhanko").setLevel(logging.CRITICAL)
    logging.getLogger("pyhanko_certvalidator").setLevel(logging.CRITICAL)
    try:
        return _open(content)
    except PdfError:
        raise
    # The parsers below are given hostile bytes and fail in every way Python can.
    except Exception as error:
        raise PdfError(
            f"not readable as a signed PDF: {type(error).__name__}: {str(error)[:200]}",
            code="pdf.malformed",
        ) from error


def _open(content: bytes) -> SignedPdf:
    from pyhanko.pdf_utils.reader import PdfFileReader
    from pyhanko.sign.validation import SignatureCoverageLevel, validate_pdf_signature
    from pyhanko_certvalidator import ValidationContext

    reader = PdfFileReader(io.BytesIO(content), strict=True)
    if reader.encrypted:
        raise PdfError("the PDF is encrypted", code="pdf.encrypted")
    signatures = list(reader.embedded_signatures)
    if len(signatures) != 1:
        raise PdfError(
            f"the PDF has {len(signatures) or 'no'} signatures, a report has exactly one",
            code="pdf.signature_count",
        )
    (embedded,) = signatures
    if embedded.sig_object_type != "/Sig":
        raise PdfError("the PDF is timestamped, not signed", code="pdf.signature_count")
    require_every_byte(content, embedded)
    context = ValidationContext(
        trust_roots=[embedded.signer_cert], allow_fetching=False, revocation_mode="soft-fail"
    )
    status = validate_pdf_signature(embedded, context, key_usage_settings=accepted_key_usage())
    if not status.intact:
        raise PdfError(
            "the signed bytes are not those that were signed: the file was changed",
            code="pdf.changed",
        )
    if not status.valid:
        raise PdfError("the signature does not verify", code="pdf.signature")
    if status.coverage is not SignatureCoverageLevel.ENTIRE_FILE:
        raise PdfError("something was appended after signing", code="pdf.appended")
    certificate = embedded.signer_cert
    signed_at = embedded.self_reported_timestamp
    return SignedPdf(
        size_bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        certificate_sha256=hashlib.sha256(certificate.dump()).hexdigest(),
        signer=str(certificate.subject.human_friendly),
        signed_at=None if signed_at is None else signed_at.isoformat(),
        attachment=_attachment(reader.get_historical_root(embedded.signed_revision)),
        has_other_certificates=bool(embedded.other_embedded_certs),
        embedded=embedded,
    )


def _attachment(root: Any) -> bytes:
    found = [spec for name, spec in _embedded_files(root) if name == ATTACHMENT]
    if len(found) != 1:
        raise PdfError(
            f"the PDF has {len(found) or 'no'} attachments named {ATTACHMENT}, "
            "a report has exactly one",
            code="pdf.attachment",
        )
    stream = found[0]["/EF"]["/F"]
    filters = stream.get("/Filter", [])
    names = [str(filters)] if not isinstance(filters, list) else [str(name) for name in filters]
    if names not in ([], ["/FlateDecode"]) or "/DecodeParms" in stream:
        raise PdfError(f"{ATTACHMENT} is encoded in an unusual way", code="pdf.attachment")
    encoded: bytes = stream.encoded_data
    if not names:
        return encoded
    # Bounded, unlike the library's own decoding: a small file may inflate to anything.
    inflate = zlib.decompressobj()
    decoded = inflate.decompress(encoded, MAX_ATTACHMENT_BYTES)
    if not inflate.eof:
        raise PdfError(f"{ATTACHMENT} is too large or cut short", code="pdf.attachment")
    return decoded


def _embedded_files(root: Any) -> Iterator[tuple[str, Any]]:
    """Walk the name tree of attachments. Each file's own name counts, not only the tree's."""
    if "/Names" not in root or "/EmbeddedFiles" not in root["/Names"]:
        return
    pending, seen = [root["/Names"]["/EmbeddedFiles"]], 0
    while pending:
        node = pending.pop()
        seen += 1
        if seen > _MAX_NAME_TREE_NODES:
            raise PdfError("the attachment names form no tree", code="pdf.attachment")
        if "/Kids" in node:
            pending.extend(child.get_object() for child in node["/Kids"])
        names = list(node["/Names"]) if "/Names" in node else []
        for position in range(0, len(names) - 1, 2):
            spec = names[position + 1].get_object()
            yield str(spec["/UF"] if "/UF" in spec else spec["/F"]), spec
