"""HTML → PDF/A-3b with the evidence attached; the same input gives the same bytes."""

from __future__ import annotations

import hashlib
import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.template import Engine

from audits.domain.dossier import Dossier
from audits.report.attachment import FORMAT, NAME
from audits.report.errors import EvidenceMismatch, MissingGlyphs, ReportTooLong
from audits.report.html import ROOT, report_html
from audits.report.shortening import with_short_texts

if TYPE_CHECKING:
    from weasyprint.urls import URLFetcher

ASSETS = ROOT / "static" / "pdf"
STYLE = ASSETS / "report.css"
MAX_PAGES = 80
SHORT_TEXT = 72  # a digest with its algorithm still fits


def render_report(
    dossier: Dossier,
    evidence_json: bytes,
    *,
    generated_at: datetime | None = None,
    engine: Engine | None = None,
) -> bytes:
    """Return the unsigned report: PDF/A-3b, tagged, with `evidence_json` attached.

    Deterministic on one machine: identifier and dates come from the arguments. Nothing is fetched
    but the bundled style and fonts. Takes a few seconds and loads WeasyPrint: worker only.

    Args:
        dossier: what the pages show.
        evidence_json: the attachment, from `attachment.build_evidence` for the same dossier.
        generated_at: the file's date; must be the dossier's, which is the default.
        engine: another template engine than the bundled one; it must escape.

    Raises:
        EvidenceMismatch: the attachment or the date is not this dossier's.
        MissingGlyphs: no font can draw a character, not even as its number.
        ReportTooLong: more than `MAX_PAGES` pages, even with every long text cut short.
    """
    at = dossier.generated_at if generated_at is None else generated_at
    _require_same(dossier, evidence_json, at)
    digest = hashlib.sha256(evidence_json).hexdigest()
    at_utc = at.astimezone(UTC)

    def rendered(shown: Dossier) -> bytes:
        html = report_html(
            shown, evidence_sha256=digest, evidence_bytes=len(evidence_json), engine=engine
        )
        pdf, missing = _write(html, evidence_json, at_utc)
        if missing:
            pdf, remaining = _write(_by_number(missing, html), evidence_json, at_utc)
            if remaining:
                raise MissingGlyphs(f"no font draws {sorted(remaining)}")
        return pdf

    try:
        return rendered(dossier)
    except ReportTooLong:
        return rendered(with_short_texts(dossier, SHORT_TEXT))


def _by_number(missing: set[int], html: str) -> str:
    """Show characters that no font here can draw by their number: PDF/A allows no empty boxes."""
    return html.translate({number: f"[U+{number:04X}]" for number in missing})


def _require_same(dossier: Dossier, evidence_json: bytes, at: datetime) -> None:
    """A page that shows one thing over an attachment that says another must not exist."""
    if at != dossier.generated_at:
        raise EvidenceMismatch("the dossier was generated at another time than the report")
    try:
        document: Any = json.loads(evidence_json)
    except ValueError as error:
        raise EvidenceMismatch(f"the attachment is not JSON: {error}") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise EvidenceMismatch(f"the attachment is not of the format {FORMAT}")
    if document.get("dossier") != dossier.to_mapping():
        raise EvidenceMismatch("the attachment holds another dossier than the pages would show")


def _write(html: str, evidence_json: bytes, at: datetime) -> tuple[bytes, set[int]]:
    """Return the PDF, and the code points that no font on this machine can draw."""
    from weasyprint import CSS, HTML, Attachment
    from weasyprint.text.fonts import FontConfiguration

    fetcher = _bundled_only()
    fonts = FontConfiguration()
    base = ASSETS.as_uri() + "/"
    style = CSS(
        string=STYLE.read_text(encoding="utf-8"),
        base_url=base,
        url_fetcher=fetcher,
        font_config=fonts,
    )
    document = HTML(string=html, base_url=base, url_fetcher=fetcher).render(
        font_config=fonts, stylesheets=[style]
    )
    if len(document.pages) > MAX_PAGES:
        raise ReportTooLong(f"{len(document.pages)} pages, and at most {MAX_PAGES} may be made")
    stamp = at.strftime("%Y-%m-%dT%H:%M:%S+00:00")
    document.metadata.created = document.metadata.modified = stamp
    attachment = Attachment(
        string=evidence_json,
        name=NAME,
        description="Signed statements, log proofs and every value that the pages show",
        created=at,
        modified=at,
        relationship="Data",
        url_fetcher=fetcher,
    )
    with warnings.catch_warnings(), _unsupported_characters() as missing:
        # WeasyPrint 70 leaves its colour profile's file to the garbage collector.
        warnings.simplefilter("ignore", ResourceWarning)
        pdf: bytes = document.write_pdf(
            finisher=_tidy,
            attachments=[attachment],
            pdf_variant="pdf/a-3b",
            pdf_identifier=hashlib.sha256(html.encode() + evidence_json).digest()[:16],
            pdf_tags=True,
        )
    return pdf, missing


@contextmanager
def _unsupported_characters() -> Iterator[set[int]]:
    """Collect what WeasyPrint would draw as an empty box: it says so in its log and goes on."""
    from weasyprint.logger import LOGGER

    missing: set[int] = set()

    def collect(record: logging.LogRecord) -> bool:
        if "notdef" not in str(record.msg) or not isinstance(record.args, tuple):
            return True
        missing.add(int(str(record.args[-1])))
        return False

    # Whoever configures logging may have silenced it; for this moment it must speak.
    silenced, level = LOGGER.disabled, LOGGER.level
    LOGGER.disabled = False
    LOGGER.setLevel(logging.WARNING)
    LOGGER.addFilter(collect)
    try:
        yield missing
    finally:
        LOGGER.removeFilter(collect)
        LOGGER.disabled = silenced
        LOGGER.setLevel(level)


def _tidy(_document: Any, pdf: Any) -> None:
    """Name the attachment once among the associated files: WeasyPrint 70 names it twice."""
    associated = pdf.catalog.get("AF")
    if associated is not None:
        pdf.catalog["AF"][:] = list(dict.fromkeys(associated))


def _bundled_only() -> URLFetcher:
    from weasyprint.urls import FatalURLFetchingError, URLFetcher, URLFetcherResponse

    allowed = {path.as_uri(): path for path in _assets()}

    class BundledOnly(URLFetcher):  # type: ignore[misc, unused-ignore]
        """Serves the bundled style and fonts; anything else ends the rendering."""

        def fetch(self, url: str, headers: dict[str, str] | None = None) -> URLFetcherResponse:
            path = allowed.get(url)
            if path is None:
                raise FatalURLFetchingError(f"a report loads nothing: {url[:200]}")
            return URLFetcherResponse(url, path.read_bytes())

    return BundledOnly()


def _assets() -> Iterator[Path]:
    yield from (ASSETS / "fonts").glob("*.ttf")
