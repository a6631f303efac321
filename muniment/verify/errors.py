"""What the verifier refuses."""

from __future__ import annotations

from muniment.attest.errors import AttestError


class ReportError(AttestError):
    """A report is malformed, or something it claims does not hold."""

    default_code = "report.invalid"


class PdfError(ReportError):
    """The PDF cannot be read, or its signature does not hold."""

    default_code = "pdf.invalid"
