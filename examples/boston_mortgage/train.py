"""Train one variant of the loan-approval classifier into an MLflow server.

The server is the one that `MLFLOW_TRACKING_URI` names. What the training was made of (commit, data,
environment, command) is recorded by `muniment run` around this script; here stand parameters and
seed, metrics on the training rows, and the classifier. How it does on others, and what that means
for groups of people, is measured by whoever holds rows that this script has not seen.

Prints one JSON object on stdout: the run, the registered version and the metrics.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import sys
import warnings
from pathlib import Path

import pandas as pd
from applicants import TARGET
from fitting import SEED, VARIANTS, FittedVariant, Variant, features_of, fit_variant

HERE = Path(__file__).resolve().parent
DATASET_NAME = "loanapp"


def read_applications(content: bytes) -> pd.DataFrame:
    """Parse the training half that `prepare_data.py` wrote."""
    return pd.read_csv(io.BytesIO(content))


def log_training(
    *,
    name: str,
    variant: Variant,
    fitted: FittedVariant,
    content: bytes,
    path: Path,
    registered_model: str,
) -> dict[str, object]:
    """Write one run and register its classifier; return what identifies both."""
    # stdout is for the JSON alone.
    os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"
    import mlflow
    import mlflow.sklearn
    from mlflow.models import infer_signature

    applications = read_applications(content)
    dataset = mlflow.data.from_pandas(
        applications, source=path.as_uri(), name=DATASET_NAME, targets=TARGET
    )
    mlflow.set_experiment(registered_model)
    with mlflow.start_run(run_name=name) as run:
        mlflow.log_params(
            {
                "seed": SEED,
                "variant": name,
                "algorithm": "LogisticRegression"
                if variant.parity_bound is None
                else "ExponentiatedGradient(LogisticRegression), largest-weight member",
                "regularisation_c": variant.regularisation,
                "parity_bound": variant.parity_bound,
                "features": ",".join(variant.features),
            }
        )
        mlflow.log_metrics(fitted.metrics)
        mlflow.log_input(dataset, context="training")
        inputs = features_of(variant, applications)
        logged = mlflow.sklearn.log_model(
            fitted.classifier,
            name="model",
            registered_model_name=registered_model,
            serialization_format="cloudpickle",
            signature=infer_signature(inputs, fitted.classifier.predict(inputs)),
            # Given, not inferred: MLflow would pin the top level only, after loading the model.
            pip_requirements=str(HERE / "requirements.txt"),
        )
        return {
            "run_id": run.info.run_id,
            "model_uri": logged.model_uri,
            "registered_model": registered_model,
            "version": str(logged.registered_model_version),
            "dataset_sha256": hashlib.sha256(content).hexdigest(),
            "metrics": fitted.metrics,
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--variant", choices=sorted(VARIANTS), required=True)
    parser.add_argument("--registered-model", default="boston-mortgage")
    parser.add_argument("--data", type=Path, default=HERE / "data" / "training.csv")
    arguments = parser.parse_args()
    # Hints about integer columns in the dataset's schema, which is recorded as it is.
    warnings.filterwarnings("ignore", category=UserWarning, module=r"mlflow\.")
    path = arguments.data.resolve()
    try:
        # Read once: what is hashed is what is fitted.
        content = path.read_bytes()
    except OSError as error:
        sys.exit(
            f"{path}: {error.strerror}. Write it with: python prepare_data.py --training {path}"
        )
    variant = VARIANTS[arguments.variant]
    fitted = fit_variant(variant, read_applications(content))
    logged = log_training(
        name=arguments.variant,
        variant=variant,
        fitted=fitted,
        content=content,
        path=path,
        registered_model=arguments.registered_model,
    )
    print(json.dumps(logged))


if __name__ == "__main__":
    main()
