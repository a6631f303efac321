"""That a signature covers every byte of its file, its own bytes included.

The gap in the signed bytes must be the signature's and nothing else, and the signature must be
spelled the one way it was written, so that no byte of the file can change unseen.
"""

from __future__ import annotations

from typing import Any

from muniment.verify.errors import PdfError


def require_every_byte(content: bytes, embedded: Any) -> None:
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
    _require_plain_cms(embedded, embedded.pkcs7_content[:length])


def _require_plain_cms(embedded: Any, der: bytes) -> None:
    """Accept only a CMS signature that is written, byte for byte, as its protected parts say.

    A CMS signature does not cover all of itself: version numbers, the issuer's name, unsigned
    attributes and the like can change without a trace. So it is put together again from what is
    covered, and compared.
    """
    from asn1crypto import cms  # type: ignore[import-untyped]

    info, signer = embedded.signer_info, embedded.signer_cert
    certificates = [choice.chosen for choice in embedded.signed_data["certificates"]]
    rebuilt = cms.ContentInfo(
        {
            "content_type": "signed_data",
            "content": cms.SignedData(
                {
                    "version": "v1",
                    "digest_algorithms": [_algorithm(info["digest_algorithm"])],
                    "encap_content_info": {"content_type": "data"},
                    "certificates": [
                        cms.CertificateChoices({"certificate": certificate})
                        for certificate in certificates
                    ],
                    "signer_infos": [
                        {
                            "version": "v1",
                            "sid": {
                                "issuer_and_serial_number": {
                                    "issuer": signer.issuer,
                                    "serial_number": signer.serial_number,
                                }
                            },
                            "digest_algorithm": _algorithm(info["digest_algorithm"]),
                            "signed_attrs": info["signed_attrs"],
                            "signature_algorithm": _algorithm(info["signature_algorithm"]),
                            "signature": info["signature"].native,
                        }
                    ],
                }
            ),
        }
    )
    if rebuilt.dump() != der:
        raise PdfError("the signature carries parts that it does not protect", code="pdf.coverage")


def _algorithm(written: Any) -> Any:
    from asn1crypto.core import Null  # type: ignore[import-untyped]

    name = written["algorithm"].native
    if written["parameters"].native is not None:
        raise PdfError(f"{name} with parameters is not read here", code="pdf.signature")
    # Absent or NULL: both are written, and neither says anything.
    is_null = isinstance(written["parameters"], Null)
    return type(written)({"algorithm": name, **({"parameters": Null()} if is_null else {})})


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
