"""What people state about a version: its documentation, and attestations that a policy asks for."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from accounts.errors import ReauthenticationFailed
from audits.models import Disclosure
from audits.selectors import current_evidence
from registry.errors import InvalidRequest, ReviewNotAllowed
from registry.models import ModelVersion
from registry.selectors.lookups import version_named
from registry.services.policies import document_of
from registry.services.signature_strength import least_signature
from registry.services.stated_evidence import (
    MAX_STATEMENT,
    MAX_TEXT,
    WRITERS,
    attest_version,
    attestations_asked,
    documentation_asked,
    write_documentation,
)
from registry.web.people import actor_from, person_of
from registry.web.signing import TRY_AGAIN, sign_from, signed_form, signing_ways

FIELD = "field-"


@require_safe
def statements(request: HttpRequest, name: str, number: int) -> HttpResponse:
    """Show what the policy asks people to state, and what was stated."""
    return _page(request, _version(request, name, number), {}, status=200)


@require_POST
def document(request: HttpRequest, name: str, number: int) -> HttpResponse:
    """Record the version's documentation."""
    version = _version(request, name, number)
    texts = {
        key.removeprefix(FIELD): request.POST[key] for key in request.POST if key.startswith(FIELD)
    }
    try:
        write_documentation(
            version=version, texts=texts, actor=actor_from(request), now=timezone.now()
        )
    except InvalidRequest as error:
        messages.error(request, f"Nothing was recorded. {error}")
        return _page(request, version, {"entered_texts": texts}, status=int(error.status))
    messages.success(request, "The documentation is recorded.")
    return _back(request, version)


@require_POST
@signed_form
def attest(request: HttpRequest, name: str, number: int) -> HttpResponse:
    """Sign an attestation."""
    version = _version(request, name, number)
    wanted = request.POST.get("name", "")
    holds = {"yes": True, "no": False}.get(request.POST.get("holds", ""))
    try:
        if holds is None:
            raise InvalidRequest("Choose whether it holds.")
        sign_from(
            request,
            lambda **by: attest_version(
                version=version,
                name=wanted,
                holds=holds,
                statement=request.POST.get("statement", ""),
                **by,
            ),
        )
    except (*TRY_AGAIN, ReviewNotAllowed) as error:
        entered = {
            "entered_name": wanted,
            "entered_holds": request.POST.get("holds", ""),
            "entered_statement": request.POST.get("statement", ""),
            "form_error": str(error),
            "is_password_wrong": isinstance(error, ReauthenticationFailed),
        }
        messages.error(request, f"Nothing was signed. {error}")
        return _page(request, version, entered, status=int(error.status))
    messages.success(request, "The attestation is signed.")
    return _back(request, version)


def _version(request: HttpRequest, name: str, number: int) -> ModelVersion:
    return version_named(name, number, request.GET.get("source", ""))


def _back(request: HttpRequest, version: ModelVersion) -> HttpResponse:
    known = version.registered_model
    answer = redirect("registry:statements", known.name, version.version)
    answer["Location"] += known.source_query
    return answer


def _page(
    request: HttpRequest, version: ModelVersion, entered: dict[str, Any], *, status: int
) -> HttpResponse:
    binding = getattr(version.registered_model, "binding", None)
    policy = document_of(binding.policy) if binding is not None else None
    actor = actor_from(request)
    evidence = {item.kind: item for item in current_evidence(version.uri)}
    written = evidence.get("documentation")
    fields = written.measurements.get("fields", {}) if written else {}
    texts = _texts(fields[name].get("commitment", "") for name in fields)
    typed = entered.get("entered_texts", {})
    asked = attestations_asked(policy) if policy is not None else {}
    context = {
        "version": version,
        "model": version.registered_model,
        "policy": policy,
        "signing": signing_ways(least_signature(binding), person_of(request)),
        "written": written,
        "fields": [
            (
                name,
                name.replace("_", " ").capitalize(),
                typed.get(name, texts.get(fields.get(name, {}).get("commitment", ""), "")),
            )
            for name in (documentation_asked(policy) if policy is not None else ())
        ],
        "may_write": not actor.roles.isdisjoint(WRITERS),
        "attestations": [
            (gate, evidence.get(gate.evidence_kind), not actor.roles.isdisjoint(gate.by_role))
            for gate in asked.values()
        ],
        "most_letters": MAX_TEXT,
        "most_stated": MAX_STATEMENT,
        **entered,
    }
    return render(request, "registry/statements.html", context, status=status)


def _texts(commitments: Any) -> dict[str, str]:
    rows = Disclosure.objects.filter(commitment__in=list(commitments))
    return dict(rows.values_list("commitment", "text"))
