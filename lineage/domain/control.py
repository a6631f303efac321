"""The controls and the run-to-run spread: what one retraining alone does not show.

Negative: a program that carries its finished model along retrains to the same bytes whatever the
data say. So it is trained once more on data whose labels were permuted: a model that depends on
its data comes out another one.

Near: a program that recognises the recorded data gives its finished model for these, and trains
honestly on any others. So it is trained once more on data that say the same in other bytes: a model
that depends on what its data say comes out the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from lineage.domain.comparison import Basis, Comparison, Verdict, compare
from lineage.domain.differences import Outcome, Tolerance

MAX_REPEATS: Final = 10
# Labels that are permuted change more than a prediction here and there.
_LEAST_SHARE: Final = 0.05


class ControlResult(StrEnum):
    """What a control came to.

    CHANGED: another model came out. SAME: the same one. FAILED: the program failed on the
    control's data, so that it read them, and no more is known. NOT_POSSIBLE: there were no data to
    make those of the control of, or the two models could not be compared.
    """

    CHANGED = "changed"
    SAME = "same"
    FAILED = "failed"
    NOT_POSSIBLE = "not_possible"


@dataclass(frozen=True, slots=True)
class Control:
    """The result of a control, in one sentence."""

    result: ControlResult
    reason: str

    def as_mapping(self) -> dict[str, str]:
        """Return it as JSON."""
        return {"result": self.result.value, "reason": self.reason}


def judge_near_control(
    recomputed: Outcome, rewritten: Outcome, tolerance: Tolerance | None = None
) -> Control:
    """Say whether the model depends on what its data say alone. Never raises.

    Parameters are not compared: an honest program may write down the digest of what it read.

    Args:
        recomputed: trained on the data. rewritten: trained on the same data in other bytes.
    """
    found = compare(
        replace(recomputed, parameters={}), replace(rewritten, parameters={}), tolerance
    )
    if found.measurements["basis"] == Basis.NOTHING.value:
        return Control(
            ControlResult.NOT_POSSIBLE,
            "The model trained on the same data in other bytes could not be compared.",
        )
    if found.verdict.is_reproduced:
        return Control(
            ControlResult.SAME, "On the same data in other bytes the same model came out."
        )
    return Control(
        ControlResult.CHANGED, f"On the same data in other bytes another came out: {found.reason}"
    )


def judge_control(recomputed: Outcome, permuted: Outcome) -> Control:
    """Say whether the model depends on its data. Never raises.

    Args:
        recomputed: trained on the data. permuted: trained on the same with permuted labels.
    """
    found = compare(recomputed, permuted, Tolerance())
    artifacts, predictions = found.measurements["artifacts"], found.measurements["predictions"]
    if recomputed.predictions and permuted.predictions and predictions is not None:
        if predictions["within_tolerance"]:
            return Control(
                ControlResult.SAME,
                f"With permuted labels the model gives the same predictions on "
                f"{predictions['rows']:,} rows: its output does not depend on the data.",
            )
        if predictions["rows_differing"] < _LEAST_SHARE * predictions["rows"]:
            return Control(
                ControlResult.NOT_POSSIBLE,
                f"With permuted labels only {predictions['rows_differing']:,} of "
                f"{predictions['rows']:,} predictions are others, which shows nothing.",
            )
        return Control(
            ControlResult.CHANGED,
            f"With permuted labels {predictions['rows_differing']:,} of "
            f"{predictions['rows']:,} predictions are others.",
        )
    if artifacts["compared"] and not artifacts["differing_count"]:
        return Control(
            ControlResult.SAME,
            "With permuted labels the model's files are the same: its output does not depend on "
            "the data.",
        )
    # Files that differ show nothing alone: some formats differ at every training.
    return Control(
        ControlResult.NOT_POSSIBLE,
        "The model trained on permuted labels could not be asked for predictions, so the two "
        "could not be compared.",
    )


def conclude(
    found: Comparison,
    control: Control | None,
    spread: Mapping[str, Any] | None,
    near: Control | None = None,
) -> tuple[Verdict, str]:
    """Return the verdict of a recomputation and why, in the light of controls and spread.

    None makes a verdict better: a control that shows nothing is for whoever asks for one.

    Args:
        control: the negative one; None where none was asked for. near: as well.
        spread: as `measure_spread` gives it, or None.
    """
    if control is not None and control.result is ControlResult.SAME:
        return Verdict.NOT_REPRODUCIBLE, f"Output does not depend on the data. {control.reason}"
    if near is not None and near.result is ControlResult.CHANGED:
        return (
            Verdict.NOT_REPRODUCIBLE,
            "The training depends on the bytes of its data, not on what they say. " + near.reason,
        )
    if found.verdict is not Verdict.DIVERGED or spread is None:
        return found.verdict, found.reason
    count = spread["repeats"]
    added = (
        f"{count} retrainings agree with each other, so it is not chance."
        if spread["is_deterministic"]
        else f"{count} retrainings differ from each other too: it was never deterministic."
    )
    return found.verdict, f"{found.reason} {added}"


def measure_spread(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Return how far retrainings of the same record are from each other, as JSON.

    Args:
        outcomes: two or more, each from the same record.

    Returns:
        ``repeats``, ``is_deterministic`` (nothing differs beyond rounding),
        ``artifacts_identical``, ``predictions_max_difference`` (None where labels differ or
        nothing could be compared) and for each metric its least and greatest value.
    """
    first, rest = outcomes[0], outcomes[1:]
    found = [compare(first, other, Tolerance()) for other in rest]
    predictions = [one.measurements["predictions"] for one in found]
    differences = [one["max_difference"] for one in predictions if one is not None]
    values = {
        name: [value for one in outcomes if (value := one.metrics.get(name)) is not None]
        for name in sorted(first.metrics)
    }
    return {
        "repeats": len(outcomes),
        "is_deterministic": all(one.verdict.is_reproduced for one in found),
        "artifacts_identical": all(
            not one.measurements["artifacts"]["differing_count"] for one in found
        ),
        "predictions_max_difference": (
            max(differences) if differences and None not in differences else None
        ),
        "metrics": {name: [min(each), max(each)] for name, each in values.items() if each},
    }
