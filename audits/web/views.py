"""Pages of the log and of evidence. They read; nothing here writes."""

from __future__ import annotations

from uuid import UUID

from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_safe

from audits.models import Evidence, LogEntry
from audits.selectors import latest_checkpoint
from audits.services.signing import keyring
from audits.web.log_pages import LogFilter, entry_page, log_page
from audits.web.names import subject_words
from audits.web.panels import evidence_panel


@require_safe
def log(request: HttpRequest) -> HttpResponse:
    """List the log, newest first."""
    wanted = LogFilter.from_query(request.GET.dict())
    found = log_page(wanted)
    context = {
        "wanted": wanted,
        "log": found,
        "is_event_known": not wanted.event or found.has_event(wanted.event),
        "vkey": keyring().log.vkey,
    }
    return render(request, "audits/log.html", context)


@require_safe
def log_entry(request: HttpRequest, sha256: str) -> HttpResponse:
    """Show one entry: its statement, and the proof that it is in the log."""
    entry = get_object_or_404(LogEntry.objects.select_related("leaf"), sha256=sha256)
    context = {"page": entry_page(entry), "vkey": keyring().log.vkey}
    return render(request, "audits/log_entry.html", context)


@require_safe
def log_leaf(request: HttpRequest, leaf_index: int) -> HttpResponse:
    """Lead from a leaf index to its entry."""
    entry = get_object_or_404(LogEntry.objects.only("sha256"), leaf__leaf_index=leaf_index)
    return redirect("audits:log-entry", sha256=entry.sha256)


@require_safe
def envelope(request: HttpRequest, sha256: str) -> HttpResponse:
    """Hand out an entry's exact bytes."""
    entry = get_object_or_404(LogEntry, sha256=sha256)
    answer = HttpResponse(bytes(entry.envelope), content_type="application/json")
    answer["Content-Disposition"] = f'attachment; filename="{sha256[:16]}.dsse.json"'
    return answer


@require_safe
def inclusion(request: HttpRequest, sha256: str) -> HttpResponse:
    """Hand out the proof that an entry stands under the newest checkpoint."""
    entry = get_object_or_404(LogEntry.objects.select_related("leaf"), sha256=sha256)
    page = entry_page(entry)
    if not page.is_included:
        raise Http404("No checkpoint covers this entry yet.")
    answer = HttpResponse(page.proof, content_type="text/plain; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{sha256[:16]}.tlog-proof"'
    return answer


@require_safe
@login_not_required
def checkpoint(request: HttpRequest) -> HttpResponse:
    """Hand out the newest signed tree head to anybody: auditors keep it elsewhere."""
    newest = latest_checkpoint()
    if newest is None:
        return HttpResponse(
            "There is no checkpoint yet.\n", status=404, content_type="text/plain; charset=utf-8"
        )
    answer = HttpResponse(bytes(newest.note), content_type="text/plain; charset=utf-8")
    answer["Cache-Control"] = "no-store"
    return answer


@require_safe
def evidence(request: HttpRequest, evidence_id: UUID) -> HttpResponse:
    """Show one piece of evidence, whole."""
    found = get_object_or_404(Evidence.objects.select_related("entry__leaf"), pk=evidence_id)
    newer = (
        Evidence.objects.filter(
            version_uri=found.version_uri, kind=found.kind, entry_id__gt=found.entry_id
        )
        .order_by("-entry_id")
        .first()
    )
    context = {
        "panel": evidence_panel(found),
        "subject": subject_words(found.version_uri),
        "newer": newer,
        "checkpoint": latest_checkpoint(),
        "raw": {
            "version_uri": found.version_uri,
            "subject_digest": found.subject_digest,
            "kind": found.kind,
            "origin": found.origin,
            "conclusion": found.conclusion,
            "reasons": found.reasons,
            "criteria": found.criteria,
            "measurements": found.measurements,
            "inputs": found.inputs,
        },
    }
    return render(request, "audits/evidence.html", context)
