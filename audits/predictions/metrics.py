"""Group metrics by fairlearn, on counted cells: the same bits as on the rows."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from audits.domain.bias import judge
from audits.domain.counts import Confusion, Counts
from audits.domain.criteria import BiasCriteria
from audits.domain.judgement import BiasJudgement
from audits.domain.measurements import AttributeMetrics, GroupMetrics, to_json
from audits.domain.names import UNKNOWN, intersection_name
from audits.predictions.cells import Cells, attributes_of, counts_of

if TYPE_CHECKING:
    from fairlearn.metrics import MetricFrame


# Evidence is one entry of the log, which holds at most 65,535 bytes.
MAX_CALIBRATED_GROUPS = 40


def audit_cells(cells: Cells, criteria: BiasCriteria) -> tuple[BiasJudgement, dict[str, object]]:
    """Judge counted predictions and return the judgement with its measurements."""
    counts = counts_of(cells, criteria)
    judgement = judge(counts, criteria)
    measurements = to_json(judgement, _metrics(cells, counts, criteria))
    if cells.cutoff is not None:
        measurements["cutoff_score"] = cells.cutoff.value
        measurements["ties"] = cells.cutoff.ties
    return judgement, measurements


def measure(cells: Cells, criteria: BiasCriteria) -> dict[str, object]:
    """Return the bias measurements of counted predictions, as plain JSON."""
    return audit_cells(cells, criteria)[1]


def performance(cells: Cells) -> dict[str, object]:
    """Return the performance measurements, with label 1 as the positive class.

    Accuracy and balanced accuracy (the mean of both classes' recall; Brodersen et al. 2010) are in
    [0, 1], ideal 1. Balanced accuracy is None where a class has nobody in it.
    """
    matrix = dict.fromkeys(((1, 1), (0, 1), (0, 0), (1, 0)), 0)
    for cell in cells.cells:
        matrix[cell.label, cell.prediction] += cell.n
    tp, fp, tn, fn = matrix[1, 1], matrix[0, 1], matrix[0, 0], matrix[1, 0]
    n = cells.n
    balanced = None
    if tp + fn and tn + fp:
        balanced = (tp / (tp + fn) + tn / (tn + fp)) / 2
    return {
        "n": n,
        "accuracy": (tp + tn) / n if n else None,
        "balanced_accuracy": balanced,
        "tp": tp,
        "fp": fp,
        "tn": tn,
        "fn": fn,
        "rows_digest": cells.rows_digest,
    }


def metric_frame(cells: Cells, attribute: tuple[str, ...], favourable: int) -> MetricFrame:
    """Build fairlearn's frame for one attribute or intersection, each cell weighing its people."""
    import numpy as np
    from fairlearn.metrics import (
        MetricFrame,
        false_negative_rate,
        false_positive_rate,
        selection_rate,
        true_positive_rate,
    )
    from sklearn.metrics import accuracy_score, precision_score

    def ppv(y_true: Any, y_pred: Any, *, sample_weight: Any) -> Any:
        return precision_score(y_true, y_pred, sample_weight=sample_weight, zero_division=np.nan)

    metrics = {
        "selection_rate": selection_rate,
        "accuracy": accuracy_score,
        "tpr": true_positive_rate,
        "fpr": false_positive_rate,
        "fnr": false_negative_rate,
        "ppv": ppv,
    }
    weight = np.array([cell.n if cell.weight is None else cell.weight for cell in cells.cells])
    with warnings.catch_warnings():
        # 0/0 warns there; here it is null, decided from the counts.
        warnings.simplefilter("ignore")
        return MetricFrame(
            metrics=metrics,
            y_true=np.array([int(cell.label == favourable) for cell in cells.cells]),
            y_pred=np.array([int(cell.prediction == favourable) for cell in cells.cells]),
            # A list: an array of one cell alone would lose its only dimension there.
            sensitive_features=list(cells.groups_of(attribute)),
            sample_params={name: {"sample_weight": weight} for name in metrics},
        )


def _metrics(cells: Cells, counts: Counts, criteria: BiasCriteria) -> dict[str, AttributeMetrics]:
    counted = {attribute.name: attribute for attribute in counts.attributes}
    groups_in_all = sum(len(attribute.groups) for attribute in counts.attributes)
    found = {}
    for attribute in attributes_of(criteria):
        name = intersection_name(attribute)
        frame = metric_frame(cells, attribute, criteria.favourable)
        rows = frame.by_group.to_dict("index")
        curves = _calibration(cells, attribute) if groups_in_all <= MAX_CALIBRATED_GROUPS else {}
        groups = {
            group.name: replace(
                _group_metrics(group.confusion, rows[group.name]),
                calibration=curves.get(group.name, ()),
            )
            for group in counted[name].groups
            if group.confusion is not None
        }
        known = [group for group in groups if group != UNKNOWN]
        found[name] = AttributeMetrics(
            demographic_parity_difference=_spread(
                [float(rows[group]["selection_rate"]) for group in known]
            ),
            equalized_odds_difference=_largest(
                _spread([groups[group].tpr for group in known]),
                _spread([groups[group].fpr for group in known]),
            ),
            groups=groups,
        )
    return found


def _calibration(
    cells: Cells, attribute: tuple[str, ...]
) -> dict[str, tuple[tuple[float, int, float, float], ...]]:
    """Return, by group, each tenth of the scores: begin, people, mean score, share with label 1."""
    sums: dict[str, dict[int, list[int]]] = {}
    for one in cells.bins:
        tenths = sums.setdefault(cells.group_of(one.groups, attribute), {})
        of_tenth = tenths.setdefault(one.tenth, [0, 0, 0])
        for place, number in enumerate((one.n, one.millionths, one.positives)):
            of_tenth[place] += number
    return {
        group: tuple(
            (tenth / 10, n, round(millionths / n / 1e6, 6), round(positives / n, 6))
            for tenth, (n, millionths, positives) in sorted(tenths.items())
        )
        for group, tenths in sums.items()
    }


def _group_metrics(matrix: Confusion, row: Mapping[str, Any]) -> GroupMetrics:
    def rate(name: str, denominator: int) -> float | None:
        return float(row[name]) if denominator else None

    positives, negatives = matrix.tp + matrix.fn, matrix.fp + matrix.tn
    return GroupMetrics(
        accuracy=rate("accuracy", positives + negatives),
        tpr=rate("tpr", positives),
        fpr=rate("fpr", negatives),
        fnr=rate("fnr", positives),
        ppv=rate("ppv", matrix.tp + matrix.fp),
    )


def _spread(rates: list[float | None] | list[float]) -> float | None:
    """Return the largest less the smallest, as fairlearn's ``between_groups`` difference.

    None where fewer than two groups are known, or one of them has no rate: unknown is not equal.
    """
    values = [rate for rate in rates if rate is not None]
    if len(values) < 2 or len(values) < len(rates):
        return None
    return max(values) - min(values)


def _largest(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else max(one, other)
