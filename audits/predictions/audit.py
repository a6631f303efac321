"""Everything that one file of predictions gives evidence of, in one call for the audit worker."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import Literal

from audits.domain.criteria import BiasCriteria
from audits.domain.judgement import Conclusion
from audits.predictions.apart import count_apart
from audits.predictions.cells import PredictionColumns, PredictionsError
from audits.predictions.metrics import audit_cells, performance


@dataclass(frozen=True, slots=True)
class EvidenceDraft:
    """A finding that is not yet signed: what its evidence will say, in plain JSON values."""

    kind: Literal["bias", "performance"]
    conclusion: Conclusion
    reasons: tuple[str, ...]
    criteria: dict[str, object] = field(default_factory=dict)
    measurements: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PredictionsAudit:
    """The bias and the performance of one set of predictions."""

    bias: EvidenceDraft
    performance: EvidenceDraft


def audit_predictions(
    path: str | os.PathLike[str],
    criteria: BiasCriteria,
    *,
    columns: PredictionColumns | None = None,
) -> PredictionsAudit:
    """Audit a file of predictions: its bias by the criteria, and its performance.

    What kinds of file are read, `count_cells` says. The criteria name the columns of weights and
    of persons, and say what becomes of scores.

    Bad input never raises: both findings then conclude ``error`` with the reasons and hold no
    measurements. Performance is measured and not judged here: its conclusion ``pass`` says that it
    could be measured, and a gate's own bounds decide.
    """
    wanted = columns or PredictionColumns(groups=criteria.columns)
    wanted = replace(wanted, weight=criteria.weight, person=criteria.person)
    cells = count_apart(path, wanted, cutoff=criteria.cutoff)
    if isinstance(cells, PredictionsError):
        return PredictionsAudit(
            bias=EvidenceDraft("bias", "error", cells.reasons, criteria.to_mapping()),
            performance=EvidenceDraft("performance", "error", cells.reasons),
        )
    judgement, measurements = audit_cells(cells, criteria)
    measured = performance(cells)
    conclusion: Conclusion = "pass"
    reason = f"measured on {cells.n:,} people; a gate's bounds decide"
    if measured["balanced_accuracy"] is None:
        conclusion = "insufficient"
        reason = "every label is the same, so balanced accuracy is undefined"
    return PredictionsAudit(
        bias=EvidenceDraft(
            "bias",
            judgement.conclusion,
            judgement.reasons,
            criteria.to_mapping(),
            measurements,
        ),
        performance=EvidenceDraft("performance", conclusion, (reason,), {}, measured),
    )
