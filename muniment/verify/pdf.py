"""The signed PDF: one signature over every byte, its signer, and the attachment it covers.

pyHanko does the cryptography. Beside it stand the checks it leaves out: that the gap in the
signed bytes is the signature's and nothing else, and that the signature is spelled the one way
it was written, so that no byte of the file can change unseen.
"""

from __future__ import annotations

import hashlib
import io
import logging
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from muniment.verify.errors import PdfError

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
    """

    size_bytes: int
    sha256: str
    certificate_sha256: str
    signer: str
    signed_at: str | None
    attachment: bytes
    _embedded: Any


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


def require_chain(pdf: SignedPdf, ca_file: str | Path) -> str:
    """Return the issuer's name if the signer's certificate chains to one of ``ca_file``, now.

    Nothing is fetched, so revocation is not looked at.

    Raises:
        PdfError: the file holds no PEM certificate, or the chain does not hold today.
    """
    from asn1crypto import pem, x509  # type: ignore[import-untyped]
    from pyhanko.sign.validation import validate_pdf_signature
    from pyhanko_certvalidator import ValidationContext

    try:
        content = Path(ca_file).read_bytes()
        blocks = pem.unarmor(content, multiple=True) if pem.detect(content) else []
        roots = [x509.Certificate.load(der, strict=True) for _, _, der in blocks]
    except (OSError, ValueError) as error:
        raise PdfError(f"cannot read certificates from {ca_file}", code="pdf.ca_file") from error
    if not roots:
        raise PdfError(f"{ca_file} holds no certificate", code="pdf.ca_file")
    embedded = pdf._embedded
    try:
        context = ValidationContext(
            trust_roots=roots,
            other_certs=list(embedded.other_embedded_certs),
            allow_fetching=False,
            revocation_mode="soft-fail",
        )
        status = validate_pdf_signature(embedded, context, key_usage_settings=_key_usage())
    except Exception as error:  # as in open_signed_pdf
        raise PdfError(f"the chain cannot be built: {error}", code="pdf.chain") from error
    if not status.trusted:
        raise PdfError(
            f"the signer's certificate does not chain to {ca_file} today", code="pdf.chain"
        )
    return str(embedded.signer_cert.issuer.human_friendly)


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
    _require_every_byte(content, embedded)
    context = ValidationContext(
        trust_roots=[embedded.signer_cert], allow_fetching=False, revocation_mode="soft-fail"
    )
    status = validate_pdf_signature(embedded, context, key_usage_settings=_key_usage())
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
        _embedded=embedded,
    )


def _require_every_byte(content: bytes, embedded: Any) -> None:
    """Accept only a gap that holds the signature alone, in the spelling it was written in."""
    byte_range = [int(number) for number in embedded.byte_range]
    if len(byte_range) != 4 or byte_range[0] != 0:
        raise PdfError("the signature does not start at the first byte", code="pdf.coverage")
    _, gap_start, gap_end, tail = byte_range
    if not 0 < gap_start < gap_end or tail <= 0 or gap_end + tail > len(content):
        raise PdfError("the signature's byte range is not inside the file", code="pdf.coverage")
    if gap_end + tail < len(content):
        raise PdfError(
            f"{len(content) - gap_end - tail} bytes were appended after signing",
            code="pdf.appended",
        )
    der = embedded.pkcs7_content.rstrip(b"\x00")
    written = content[gap_start:gap_end]
    length = _der_length(embedded.pkcs7_content)
    if len(der) > length:
        raise PdfError("bytes stand behind the signature", code="pdf.coverage")
    signature = embedded.pkcs7_content[:length].hex().encode()
    room = gap_end - gap_start - 2
    spelled = (signature + b"0" * room)[:room]
    if len(signature) > room or written not in (
        b"<" + spelled + b">",
        b"<" + spelled.upper() + b">",
    ):
        raise PdfError(
            "the gap in the signed bytes holds more than the signature", code="pdf.coverage"
        )
    _require_plain_cms(embedded)


def _require_plain_cms(embedded: Any) -> None:
    """Accept only the parts of a CMS signature that its verification depends on.

    What is neither signed nor needed could change without a trace.
    """
    signed = embedded.signed_data
    info = embedded.signer_info
    digests = [item.dump() for item in signed["digest_algorithms"]]
    certificates = [item.chosen.dump() for item in signed["certificates"]]
    unsigned = info["unsigned_attrs"]
    is_plain = (
        signed["version"].native in ("v1", "v3")
        and info["version"].native == "v1"
        and digests == [info["digest_algorithm"].dump()]
        and embedded.signer_cert.dump() in certificates
        and len(set(certificates)) == len(certificates)
        and not signed["crls"]
        and not unsigned
    )
    if not is_plain:
        raise PdfError("the signature carries parts that it does not protect", code="pdf.coverage")


def _der_length(der: bytes) -> int:
    """Return the number of bytes of the DER value at the start of ``der``."""
    if len(der) < 2:
        raise PdfError("the signature is empty", code="pdf.signature")
    first = der[1]
    if first < 0x80:
        return 2 + first
    count = first & 0x7F
    if count == 0 or count > 4:
        raise PdfError("the signature is not DER", code="pdf.signature")
    return 2 + count + int.from_bytes(der[2 : 2 + count], "big")


def _key_usage() -> Any:
    from pyhanko.sign.validation.settings import KeyUsageConstraints

    return KeyUsageConstraints(
        key_usage={"digital_signature", "non_repudiation"}, match_all_key_usages=False
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
