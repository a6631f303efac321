"""What can go wrong while a report is made. Every error is final: nothing half-made is returned."""

from __future__ import annotations


class ReportError(Exception):
    """Root of the report's errors. `code` is stable."""

    code = "report_failed"


class EvidenceMismatch(ReportError):
    """The attachment is not the evidence of the dossier that the pages would show."""

    code = "report_evidence_mismatch"


class ReportTooLong(ReportError):
    """The layout came out longer than a report may be, so rows were not cut as they should be."""

    code = "report_too_long"


class MissingGlyphs(ReportError):
    """Characters that no font on this machine draws remained after they were replaced."""

    code = "report_missing_glyphs"


class UnsafePicture(ReportError):
    """A picture holds more than shapes and text."""

    code = "report_unsafe_picture"


class UnusableSigningKey(ReportError):
    """The PDF key or its certificate cannot be used; the message says which and why."""

    code = "report_signing_key"


class AlreadySigned(ReportError):
    """The PDF carries a signature already, and a report is signed once, over every byte."""

    code = "report_already_signed"


class NotAReport(ReportError):
    """The bytes are no PDF that can be signed."""

    code = "report_not_a_pdf"
