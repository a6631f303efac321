"""Recomputations as the pages show them: the newest in full, the others in the list."""

from __future__ import annotations

from typing import Any, Final

from audits.domain.dossier import Dossier
from audits.domain.reproduction import VERDICTS, tell_reproduction
from audits.report.text import printable, rest
from audits.report.view_decision import Fact
from audits.report.view_record import heading

MAX_METRICS: Final = 12
MAX_PARAMETERS: Final = 8
_OUTCOMES: Final = {
    "held": ("Held", "good"),
    "failed": ("Failed", "bad"),
    "not_reached": ("Not reached", "none"),
    "not_recorded": ("Not recorded", "none"),
}
_TONES: Final = {"identical": "good", "within_tolerance": "good"}


def reproduction(dossier: Dossier) -> dict[str, Any]:
    """Return the newest recomputation; `recorded` is false where there is none."""
    found = sorted(
        (one for one in dossier.evidence if one.kind == "recomputation"),
        key=lambda one: one.produced_at,
        reverse=True,
    )
    if not found:
        return {"recorded": False}
    told = tell_reproduction(found[0].measurements)
    return {
        "recorded": True,
        "finding": heading(found[0]),
        "verdict": VERDICTS.get(told.verdict, ""),
        "tone": _TONES.get(told.verdict, "bad"),
        "legs": [
            {
                "name": leg.name.capitalize(),
                "outcome": _OUTCOMES.get(leg.outcome, (printable(leg.outcome, 40), "none"))[0],
                "tone": _OUTCOMES.get(leg.outcome, ("", "none"))[1],
                "reason": printable(leg.reason),
            }
            for leg in told.legs
        ],
        "facts": (
            *(Fact(name, printable(value)) for name, value in told.facts),
            Fact("Log of the training, sha256", printable(told.log_sha256, 80), mono=True),
            Fact("Trained from record", printable(told.record_sha256, 80), mono=True),
        ),
        "metrics": [
            {
                "name": printable(one.name, 60),
                "recorded": one.recorded,
                "recomputed": one.recomputed,
                "difference": one.difference,
            }
            for one in told.metrics[:MAX_METRICS]
        ],
        "more_metrics": rest(len(told.metrics), MAX_METRICS),
        "parameters": [
            tuple(printable(part, 80) for part in parts)
            for parts in told.parameters[:MAX_PARAMETERS]
        ],
        "more_parameters": rest(len(told.parameters), MAX_PARAMETERS),
    }
