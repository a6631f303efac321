"""Recomputing the demo's model, beside running its `train.py` bare.

Ours: a warm recomputation of version 2 of `boston-mortgage` in the demo's own instance, from when
it was ordered until its verdict stands in the database: the code fetched, the data hashed, the
environment found built, trained in the sandbox, compared. Peer: `train.py` alone, with the same
interpreter and packages, into an MLflow database of its own. Medians of five, in turn.

Beside it, in seconds: what the sandbox and everything around the training add (`overhead_seconds`),
the first recomputation, which builds the environment (`cold_seconds`), and one with the negative
control, which trains twice and asks two models (`with_control_seconds`).
"""

from __future__ import annotations

import json
import statistics
import subprocess
from datetime import datetime
from pathlib import Path
from uuid import uuid4

import psycopg

from benchmarks.bench import result, say, seconds, temporary_folder
from config.demo.story import tell
from config.demo.training import MODEL, Project
from config.embedded import EmbeddedStack
from config.embedded.environments import common_environment
from config.embedded.progress import Progress

ROUNDS = 5
GOOD = ("identical", "within_tolerance")


def main() -> None:
    with (
        temporary_folder() as folder,
        EmbeddedStack(folder / "home", progress=Progress()) as stack,
    ):
        ending = tell(stack, Progress())
        cold = _seconds_of_newest(stack)
        with_control = statistics.median(_recompute(stack) for _ in range(3))
        ours, peer = [], []
        for number in range(ROUNDS):
            ours.append(_recompute(stack, "--without-control"))
            peer.append(_train_bare(ending.project, folder))
            say(f"round {number + 1}: {ours[-1]:.2f} s, {peer[-1]:.2f} s")
    result(
        workload=f"the demo's version 2 trained again, medians of {ROUNDS}",
        ours=statistics.median(ours),
        peer=statistics.median(peer),
        unit="s",
        overhead_seconds=round(statistics.median(ours) - statistics.median(peer), 2),
        cold_seconds=round(cold, 2),
        with_control_seconds=round(with_control, 2),
    )


def _recompute(stack: EmbeddedStack, *options: str) -> float:
    """Recompute; return the seconds from the order to the verdict."""
    said = json.loads(
        stack.run_manage("recompute", MODEL, "2", "--wait", "--json", *options, role="web")
    )
    if said["verdict"] not in GOOD:
        raise RuntimeError(f"it came out {said['verdict']}: {said['reason']}")
    return _seconds_of_newest(stack)


def _seconds_of_newest(stack: EmbeddedStack) -> float:
    with psycopg.connect(stack.superuser_url("muniment")) as connection:
        row = connection.execute(
            "SELECT created_at, finished_at FROM lineage_recomputation"
            " WHERE finished_at IS NOT NULL ORDER BY created_at DESC LIMIT 1"
        ).fetchone()
    if row is None:
        raise RuntimeError("nothing was recomputed")
    created: datetime = row[0]
    finished: datetime = row[1]
    return (finished - created).total_seconds()


def _train_bare(project: Project, folder: Path) -> float:
    """Return how long the demo's training takes by itself."""
    place = folder / f"bare-{uuid4().hex}"
    place.mkdir()
    command = [
        *(str(project.environment / "bin" / "python"), "train.py", "--variant", "v2"),
        *("--registered-model", MODEL, "--data", str(project.dataset)),
    ]
    environment = {
        **common_environment(),
        "MLFLOW_TRACKING_URI": f"sqlite:///{place}/mlflow.db",
        "_MLFLOW_SERVER_ARTIFACT_ROOT": str(place / "artifacts"),
        # As in the sandbox, so that the two do the same work.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "GIT_PYTHON_REFRESH": "quiet",
    }

    def train() -> None:
        subprocess.run(
            command, cwd=project.checkout, env=environment, check=True, capture_output=True
        )

    return seconds(train)


if __name__ == "__main__":
    main()
