"""The auditor's offline verifier: no network, no server, nothing trusted but the log's key."""

from __future__ import annotations

from muniment.verify.findings import Finding, Verification
from muniment.verify.report import verify_report

__all__ = ["Finding", "Verification", "verify_report"]
