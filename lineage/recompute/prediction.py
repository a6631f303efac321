"""Asking a model for predictions, in a sandbox: loading it is running whatever it holds.

Nothing comes out but predictions that were checked. What the model writes on its output is not
kept: it has seen the rows, and nobody who asks may read them through it.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Final

from lineage.domain.placing import WORK
from lineage.domain.predictions import (
    MAX_BYTES,
    Predictions,
    PredictionsInvalid,
    parse_predictions,
)
from lineage.recompute.collecting import read_small, remove_folder
from lineage.recompute.environment import Environment
from lineage.recompute.errors import RecomputationCancelled, RecomputeError
from lineage.recompute.inside import predict as inside
from lineage.recompute.limits import Limits, Why
from lineage.recompute.mounts import interpreter_mounts
from lineage.recompute.sandbox import Sandbox

_MODEL: Final = "model"
_PROGRAM: Final = "predict.py"
_TABLE: Final = "table.json"
_OUTPUT: Final = "predictions.json"
_MOST_SECONDS: Final = 900.0


def predict(
    model: Path,
    table: Path,
    *,
    environment: Environment,
    sandbox: Sandbox,
    limits: Limits,
    work: Path,
    cancelled: Callable[[], bool] = lambda: False,
) -> Predictions:
    """Return what a model predicts for each row of a table.

    Args:
        model: an MLflow model's folder.
        table: ``[{"name", "type", "values"}, …]`` as JSON, with the columns that the model may
            see and no others: neither labels nor groups.
        work: a folder for this alone; it is gone afterwards.

    Raises:
        RecomputationCancelled: it was stopped.
        RecomputeError: ``prediction.failed``: it does not load, does not end well, or what came
            out are no predictions for these rows.
    """
    rows = len(json.loads(table.read_bytes())[0]["values"])
    work.mkdir(parents=True)
    try:
        # Copies, which the job's user may read whoever owns the originals.
        shutil.copytree(model, work / _MODEL)
        shutil.copyfile(inside.__file__, work / _PROGRAM)
        shutil.copyfile(table, work / _TABLE)
        ended = sandbox.run(
            [
                *(str(environment.python), "-B", str(WORK / _PROGRAM)),
                *(str(WORK / name) for name in (_MODEL, _TABLE, _OUTPUT)),
            ],
            work=work,
            mounts=interpreter_mounts(environment.python),
            environment={
                "HOME": str(WORK),
                "PYTHONHASHSEED": "0",
                "OMP_NUM_THREADS": "1",
                "OPENBLAS_NUM_THREADS": "1",
                "MLFLOW_TRACKING_URI": f"sqlite:///{WORK}/mlflow.db",
            },
            limits=replace(limits, wall_seconds=min(limits.wall_seconds, _MOST_SECONDS)),
            cancelled=cancelled,
        )
        if ended.why is Why.CANCELLED:
            raise RecomputationCancelled
        if not ended.succeeded:
            how = "" if ended.why is Why.EXITED else f" ({ended.why.replace('_', ' ')})"
            raise _failed(f"The model does not load or does not predict{how}.")
        content = read_small(work, PurePosixPath(_OUTPUT), at_most_bytes=MAX_BYTES)
        return parse_predictions(content, rows=rows)
    except PredictionsInvalid as error:
        raise _failed(error.message) from error
    finally:
        remove_folder(work)


def _failed(message: str) -> RecomputeError:
    return RecomputeError(message, code="prediction.failed")
