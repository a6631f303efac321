"""What the verifier refuses."""

from __future__ import annotations

from muniment.attest.errors import AttestError


class ReportError(AttestError):
    """A report is malformed, or something it claims does not hold."""

    default_code = "report.invalid"


class PdfError(ReportError):
    """The PDF cannot be read, or its signature does not hold."""

    default_code = "pdf.invalid"


class LogError(AttestError):
    """A log is not the one that its checkpoints sign, or its entries do not hold."""

    default_code = "log.invalid"


class GivenError(AttestError):
    """What was given cannot be read, or is nothing that can be verified."""

    default_code = "given.unknown"


class AdmissionError(AttestError):
    """A folder is not what a certificate is about, or the certificate is not for this use."""

    default_code = "admission.invalid"
