"""Pages of the log and of evidence. They read; nothing here writes."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from audits.log_health import log_health
from audits.models import Evidence, LogEntry
from audits.selectors import latest_checkpoint
from audits.services.signing import keyring
from audits.web.entry_page import entry_page, proof_bundle
from audits.web.health_page import health_page
from audits.web.log_filter import LogFilter
from audits.web.log_pages import log_page
from audits.web.names import subject_words
from audits.web.panels import evidence_panel


@require_safe
def log(request: HttpRequest) -> HttpResponse:
    """List the log, newest first."""
    wanted = LogFilter.from_query(request.GET.dict())
    found = log_page(wanted)
    is_event_known = not wanted.event or found.has_event(wanted.event)
    context = {
        "wanted": wanted,
        "log": found,
        "is_event_known": is_event_known,
        "notices": list(_notices(wanted, is_event_known, found.is_actor_known)),
        "vkey": keyring().log.vkey,
    }
    return render(request, "audits/log.html", context)


def _notices(wanted: LogFilter, is_event_known: bool, is_actor_known: bool) -> Iterator[str]:
    """Say why nothing can fit, where the filters alone tell."""
    if not is_event_known:
        yield (
            f"The log holds no entry of the event “{wanted.event}”. The list of events above "
            "names all that it holds."
        )
    if not is_actor_known:
        yield (
            f"Nobody called “{wanted.actor}” did anything that the log holds. The list of names "
            "above has everybody who did; a person's pseudonymous id will do as well."
        )
    if wanted.is_backwards:
        yield "The first day comes after the last: no entry can fit. Swap them."


@require_safe
def log_entry(request: HttpRequest, sha256: str) -> HttpResponse:
    """Show one entry: its statement, and the proof that it is in the log."""
    context = {"page": entry_page(_entry(sha256)), "vkey": keyring().log.vkey}
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
    page = entry_page(_entry(sha256))
    if not page.is_included:
        raise Http404("No checkpoint covers this entry yet.")
    answer = HttpResponse(page.proof, content_type="text/plain; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{sha256[:16]}.tlog-proof"'
    return answer


@require_safe
def bundle(request: HttpRequest, sha256: str) -> HttpResponse:
    """Hand out an entry with all that proves it, as one file."""
    content = proof_bundle(_entry(sha256))
    if content is None:
        raise Http404("No checkpoint covers this entry yet.")
    answer = HttpResponse(content, content_type="application/json")
    answer["Content-Disposition"] = f'attachment; filename="{sha256[:16]}.bundle.json"'
    return answer


@require_safe
def health(request: HttpRequest) -> HttpResponse:
    """Show whether the log is whole, current and looked after."""
    page = health_page(log_health(now=timezone.now()))
    return render(request, "audits/log_health.html", {"page": page, "health": page.health})


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


def _entry(sha256: str) -> LogEntry:
    return get_object_or_404(LogEntry.objects.select_related("leaf", "pending"), sha256=sha256)


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
