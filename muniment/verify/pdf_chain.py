"""A report's signer against certificates that the auditor names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from muniment.verify.errors import PdfError


def require_chain(embedded: Any, ca_file: str | Path) -> str:
    """Return the issuer's name if the signer's certificate chains to one of ``ca_file``, now.

    Nothing is fetched, so revocation is not looked at.

    Args:
        embedded: pyHanko's view of a signature that is known to be intact.

    Raises:
        PdfError: the file holds no PEM certificate, the chain does not hold today, or the
            signature carries certificates beside the chain.
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
        raise PdfError(f"{ca_file} holds no PEM certificate", code="pdf.ca_file")
    others = list(embedded.other_embedded_certs)
    try:
        context = ValidationContext(
            trust_roots=roots,
            other_certs=others,
            allow_fetching=False,
            revocation_mode="soft-fail",
        )
        status = validate_pdf_signature(embedded, context, key_usage_settings=accepted_key_usage())
        chain = (
            []
            if status.validation_path is None
            else list(status.validation_path.iter_certs(include_root=True))
        )
    except Exception as error:  # hostile bytes, as in open_signed_pdf
        raise PdfError(f"the chain cannot be built: {error}", code="pdf.chain") from error
    if not status.trusted:
        raise PdfError(
            f"the signer's certificate does not chain to {ca_file} today", code="pdf.chain"
        )
    used = {certificate.dump() for certificate in chain}
    if any(certificate.dump() not in used for certificate in others):
        raise PdfError(
            "the signature carries certificates that nothing vouches for", code="pdf.chain"
        )
    return str(embedded.signer_cert.issuer.human_friendly)


def accepted_key_usage() -> Any:
    """Return pyHanko's constraints: a key for signatures, by either of X.509's two names."""
    from pyhanko.sign.validation.settings import KeyUsageConstraints

    return KeyUsageConstraints(
        key_usage={"digital_signature", "non_repudiation"}, match_all_key_usages=False
    )
