"""Fit one variant of the loan-approval classifier. Pure: the same rows give the same numbers.

Nothing here knows about MLflow, files or time.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from applicants import FEATURES, RACE_COLUMNS, TARGET, race_of
from fairlearn.reductions import DemographicParity, ExponentiatedGradient
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, balanced_accuracy_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

SEED: Final = 0


@dataclass(frozen=True, slots=True)
class Variant:
    """How one variant is fitted.

    Attributes:
        features: input columns at prediction, in order.
        regularisation: `C` of the logistic regression, the inverse of its strength.
        parity_bound: largest difference in selection rates between races that the reduction
            aims for while it fits; None fits without such a constraint.
    """

    features: tuple[str, ...]
    regularisation: float
    parity_bound: float | None


WITHOUT_RACE: Final = tuple(name for name in FEATURES if name not in RACE_COLUMNS)
VARIANTS: Final = {
    "v1": Variant(FEATURES, regularisation=1.0, parity_bound=None),
    "v2": Variant(WITHOUT_RACE, regularisation=1.0, parity_bound=0.02),
    "v3": Variant(WITHOUT_RACE, regularisation=0.1, parity_bound=0.02),
}


@dataclass(frozen=True, slots=True)
class FittedVariant:
    """A fitted classifier and what it says about the rows that it was fitted on.

    Attributes:
        classifier: takes the variant's features as a data frame.
        metrics: measured on the training rows, and named so: they flatter.
    """

    classifier: Pipeline
    metrics: dict[str, float]


def fit_variant(variant: Variant, training: pd.DataFrame) -> FittedVariant:
    """Fit on every row that is given; whoever judges the classifier holds others."""
    race = race_of(training)
    inputs = features_of(variant, training)
    classifier = _fit(variant, inputs, training[TARGET].to_numpy(), race.to_numpy())
    predictions = pd.DataFrame(
        {"label": training[TARGET], "prediction": classifier.predict(inputs), "race": race}
    )
    metrics = {f"training_{name}": value for name, value in measure(predictions).items()}
    return FittedVariant(classifier, metrics)


def features_of(variant: Variant, applications: pd.DataFrame) -> pd.DataFrame:
    """Return the variant's inputs, every column as a float, blanks as NaN."""
    return applications[list(variant.features)].astype("float64")


def measure(predictions: pd.DataFrame) -> dict[str, float]:
    """Return accuracies, and per race the selection rate and its ratio to the highest rate.

    Args:
        predictions: `label` and `prediction` (1 is approved) and `race`, one row an applicant.
    """
    rates = predictions.groupby("race")["prediction"].mean()
    return {
        "accuracy": float(accuracy_score(predictions["label"], predictions["prediction"])),
        "balanced_accuracy": float(
            balanced_accuracy_score(predictions["label"], predictions["prediction"])
        ),
        "impact_ratio": float(rates.min() / rates.max()),
        **{f"selection_rate_{group.lower()}": float(rate) for group, rate in rates.items()},
    }


def _fit(
    variant: Variant, inputs: pd.DataFrame, labels: np.ndarray[Any, Any], race: np.ndarray[Any, Any]
) -> Pipeline:
    regression = LogisticRegression(C=variant.regularisation, max_iter=1000)
    classifier = Pipeline(
        [
            ("impute", SimpleImputer(strategy="median")),
            ("scale", StandardScaler()),
            ("classify", regression),
        ]
    )
    if variant.parity_bound is None:
        return classifier.fit(inputs, labels)
    prepared = classifier[:-1].fit_transform(inputs)
    reduction = ExponentiatedGradient(
        regression, DemographicParity(difference_bound=variant.parity_bound)
    )
    with warnings.catch_warnings():
        # fairlearn 0.15 grows its pandas results in a way that pandas 4 will not have.
        warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"fairlearn\.")
        reduction.fit(prepared, labels, sensitive_features=race)
    # The reduction draws one of its members at random for every applicant. The member of the
    # largest weight, alone, gives identical applicants identical answers.
    member = reduction.predictors_[reduction.weights_.idxmax()]
    return Pipeline([*classifier.steps[:-1], ("classify", member)])
