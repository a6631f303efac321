"""Signed reports: dossier → HTML → PDF/A-3 with the evidence attached → PAdES signature.

Worker-only: WeasyPrint and pyHanko are imported inside the functions that need them, so that
importing this package stays cheap, but calling it is not web work. Callers use three functions:
`attachment.build_evidence`, `pdf.render_report` and `signing.sign_report`.
"""
