"""What browsers and programs save: files named after what they are about."""

from __future__ import annotations

from django.http import HttpResponse

from audits.models import Report
from audits.web.entry_page import proof_bundle
from registry.errors import NoCertificate
from registry.models import Certificate


def safe_name(name: str) -> str:
    """Return a model's name as part of a file name: ASCII letters, digits, `-` and `_`.

    A header carries ASCII; the name's other letters are in the file.
    """
    return "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "-" for c in name)[:80]


def pdf_response(report: Report, name: str, number: int) -> HttpResponse:
    """Return a report as a download, named after what it is about."""
    response = HttpResponse(bytes(report.pdf), content_type="application/pdf")
    response["Content-Disposition"] = (
        f'attachment; filename="muniment-{safe_name(name)}-v{number}.pdf"'
    )
    response["ETag"] = f'"{report.sha256}"'
    return response


def certificate_response(certificate: Certificate) -> HttpResponse:
    """Return a certificate as a download, with all that proves it offline.

    Raises:
        NoCertificate: no checkpoint covers it yet.
    """
    content = proof_bundle(certificate.entry)
    if content is None:
        raise NoCertificate(
            "The certificate is issued and stands under no checkpoint yet. Ask again in a few "
            "seconds."
        )
    promotion = certificate.promotion
    version = promotion.version
    name = f"{safe_name(version.registered_model.name)}-v{version.version}"
    response = HttpResponse(content, content_type="application/json")
    response["Content-Disposition"] = (
        f'attachment; filename="{name}-{safe_name(promotion.alias)}.certificate.json"'
    )
    return response
