"""The report as HTML: every value escaped, nothing to load but the bundled style and fonts."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from django.template import Context, Engine
from django.utils.safestring import mark_safe

from audits.domain.dossier import Dossier
from audits.report import view_bias, view_decision, view_record, view_reproduction, view_reviews
from audits.report.attachment import NAME
from audits.report.picture import lineage_picture
from audits.report.text import instant, printable

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = ROOT / "templates"
TEMPLATE = "pdf/report.html"


@cache
def _engine() -> Engine:
    return Engine(dirs=[str(TEMPLATES)], autoescape=True, debug=False, string_if_invalid="")


def report_html(
    dossier: Dossier, *, evidence_sha256: str, evidence_bytes: int, engine: Engine | None = None
) -> str:
    """Return the report's HTML document.

    Args:
        dossier: what the pages show.
        evidence_sha256: lower hex digest of the attachment, printed on every page.
        evidence_bytes: its length.
        engine: another template engine than the bundled one; it must escape.
    """
    template = (engine or _engine()).get_template(TEMPLATE)
    context = report_context(
        dossier, evidence_sha256=evidence_sha256, evidence_bytes=evidence_bytes
    )
    return str(template.render(Context(context)))


def report_context(
    dossier: Dossier, *, evidence_sha256: str, evidence_bytes: int
) -> dict[str, Any]:
    """Return everything that the templates print, as strings, flags and lists of them."""
    bias = view_bias.bias(dossier)
    for finding in bias["findings"]:
        for attribute in finding["attributes"]:
            # Own SVG, restricted to shapes and text by picture.safe_svg.
            attribute["picture"] = mark_safe(attribute["picture"])  # noqa: S308
    lineage = view_record.lineage(dossier)
    lineage["picture"] = mark_safe(lineage_picture(dossier))  # noqa: S308 - as above
    return {
        "title": f"{printable(dossier.model_name, 80)}, version {printable(dossier.version, 20)}",
        # The head of a page is one line, whatever the name.
        "is_guarded": dossier.gatekeeper_seen_at is not None,
        "running": f"{printable(dossier.model_name, 32)}, version {printable(dossier.version, 8)}",
        "generated_at": instant(dossier.generated_at),
        "generator": printable(dossier.generator, 120),
        "attachment": NAME,
        "evidence_sha256": evidence_sha256,
        "evidence_short": f"{evidence_sha256[:16]}…{evidence_sha256[-8:]}",
        "evidence_bytes": f"{evidence_bytes:,}",
        "cover": view_decision.cover(dossier),
        "decision": view_decision.decision(dossier),
        "lineage": lineage,
        "reproduction": view_reproduction.reproduction(dossier),
        "bias": bias,
        "performance": view_record.performance(dossier),
        "evidence": view_record.evidence_list(dossier),
        "reviews": view_reviews.reviews(dossier),
        "history": view_record.history(dossier),
        "log": view_record.log(dossier),
    }
