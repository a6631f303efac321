"""The plan: what enforcing would break today, and the modes that say what is enforced."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.http import require_POST, require_safe

from accounts.models import Role
from registry.domain.modes import Mode
from registry.domain.plan import LATELY, Problem
from registry.errors import InvalidRequest, UnknownSource
from registry.models import ModeRule, RegistrySource
from registry.selectors.plan import PlanFilter, PlanRow, load_plan
from registry.services.modes import covered_by, remove_mode, set_mode
from registry.services.sources import find_source
from registry.web.binding_choices import binding_choices
from registry.web.csv_lines import csv_answer
from registry.web.people import actor_from, person_of

PAGE_SIZE = 25
TALLY_WORDS = {
    "": "All models",
    "none": "Nothing would break",
    Problem.NO_POLICY.value: "Without a policy",
    Problem.NO_LINEAGE.value: "Lineage not recorded yet",
    Problem.NO_COMMIT.value: "Run without a commit",
    Problem.MISSING_LEG.value: "A leg missing",
    Problem.WEAK_LEG.value: "A leg weak",
    Problem.MOVED.value: "Alias moved without a grant",
}
CSV_COLUMNS = (
    *("source", "model", "mode", "prevented", "policy", "risk_tier", "governed_aliases"),
    *("lineage", "problems", "unexplained_moves", "watched_since"),
    *("versions", "versions_recorded", "versions_without_commit"),
)


@require_safe
def plan(request: HttpRequest) -> HttpResponse:
    """Show of each model how it is watched and what enforcing would break."""
    return _page(request)


def _page(request: HttpRequest, *, mode_error: str = "", status: int = 200) -> HttpResponse:
    wanted = PlanFilter.from_query(request.GET.dict())
    found = load_plan(wanted, now=timezone.now())
    page = Paginator(found.rows, PAGE_SIZE).get_page(request.GET.get("page"))
    is_admin = Role.ADMIN in person_of(request).roles
    counts = {"": found.covered, **found.counts}
    context = {
        "wanted": wanted,
        "plan": found,
        "tally": [
            (problem, words, counts.get(problem, 0)) for problem, words in TALLY_WORDS.items()
        ],
        "page_obj": page,
        "rows": page.object_list,
        "sources": list(RegistrySource.objects.order_by("pk").values_list("pk", flat=True)),
        "modes": [mode.value for mode in Mode],
        "mode_counts": [(mode.value, found.modes.get(mode.value, 0)) for mode in Mode],
        "rules": list(ModeRule.objects.select_related("set_by").order_by("source", "pattern")),
        "is_admin": is_admin,
        "choices": binding_choices() if is_admin else [],
        "mode_error": mode_error,
        "entered": request.POST,
        "days": LATELY.days,
    }
    return render(request, "registry/plan.html", context, status=status)


@require_safe
def plan_csv(request: HttpRequest) -> StreamingHttpResponse:
    """Stream the filtered plan as CSV."""
    found = load_plan(PlanFilter.from_query(request.GET.dict()), now=timezone.now())
    name = f"muniment-plan-{timezone.now():%Y-%m-%d}"
    return csv_answer(name, CSV_COLUMNS, _lines(found.rows))


def _lines(rows: Sequence[PlanRow]) -> Iterator[tuple[object, ...]]:
    for row in rows:
        yield (
            *(row.source, row.name, row.mode.value, row.is_prevented, row.policy, row.risk_tier),
            "; ".join(f"{holder.alias}=v{holder.version}" for holder in row.holders),
            "; ".join(
                f"v{holder.version} "
                + (
                    ", ".join(f"{leg} {grade}" for leg, grade in holder.grades.items())
                    if holder.grades is not None
                    else "not recorded"
                )
                for holder in row.holders
            ),
            "; ".join(row.problems),
            *(len(row.moves), row.watched_since),
            *(row.versions, row.recorded, row.without_commit),
        )


@require_POST
def change_mode(request: HttpRequest) -> HttpResponse:
    """Set or remove the mode of a pattern; the service asks for the role."""
    actor, now = actor_from(request), timezone.now()
    actor.require_role("set a mode", Role.ADMIN.value)
    pattern, entered = request.POST.get("pattern", ""), request.POST.get("mode", "")
    try:
        source = find_source(request.POST.get("source") or None)
        if entered == "remove":
            remove_mode(source=source, pattern=pattern, actor=actor, now=now)
            messages.success(request, f"{pattern.strip()} has no mode of its own any more.")
        else:
            rule = set_mode(source=source, pattern=pattern, mode=entered, actor=actor, now=now)
            covered = covered_by(source=source, pattern=rule.pattern, mode=Mode(rule.mode))
            messages.success(
                request,
                f"{rule.pattern} of {source.name} now has the mode {rule.mode}; it matches "
                f"{len(covered)} model{'' if len(covered) == 1 else 's'}.",
            )
    except (InvalidRequest, UnknownSource) as error:
        messages.error(request, f"No mode was changed. {error}")
        return _page(request, mode_error=str(error), status=int(error.status))
    return redirect(f"{reverse('registry:plan')}?{urlencode({'pattern': pattern.strip()})}#modes")
