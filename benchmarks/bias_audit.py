"""A bias audit of 10 million predictions, race × sex, six metrics.

Ours: the whole audit of a Parquet file, from opening it in a process of its own to the measurements
that evidence would hold (race, sex and race × sex; intervals, tests and verdicts too), median of 5.
The rows have no `row_id`, so no digest of the people is taken. Peer: fairlearn's MetricFrame on the
same rows, for race × sex alone, the columns already in memory. Both have fairlearn imported.

`ratio` is the peer's time over ours: how many times faster. The peer runs on all rows if a tenth of
them says that it takes under five minutes, else its time is that of the tenth, times ten
(`peer_rows`). Either way every number of the peer is in ours, to the last bit.

`--full` also audits 100 million rows, and says how much memory that takes.
"""

from __future__ import annotations

import resource
import statistics
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks.bench import is_full, result, say, seconds, temporary_folder

ROWS, FULL_ROWS = 10_000_000, 100_000_000
RUNS = 5
MAX_PEER_SECONDS = 300
MAX_MEGABYTES = 2_000
METRICS = ("selection_rate", "accuracy", "tpr", "fpr", "fnr", "ppv")

# Deterministic, and with groups down to one in twenty.
_PEOPLE = """
    SELECT CASE WHEN hash(i) % 20 < 12 THEN 'White' WHEN hash(i) % 20 < 16 THEN 'Black'
                WHEN hash(i) % 20 < 19 THEN 'Hispanic' ELSE 'Asian' END AS race,
           CASE WHEN hash(i + 1e10) % 100 < 52 THEN 'Female' ELSE 'Male' END AS sex,
           CAST(hash(i + 2e10) % 10 < 7 AS TINYINT) AS label,
           CAST(hash(i + 3e10) % 100 < 60 + hash(i) % 20 AS TINYINT) AS prediction
    FROM (SELECT CAST(range AS DOUBLE) AS i FROM range({rows}))"""


def main() -> None:
    is_large = is_full()
    more: dict[str, object] = {}
    with temporary_folder() as folder:
        ours, megabytes, measured = _alone(_write(folder, ROWS), RUNS)
        peer_rows, peer = _peer(folder, measured)
        if is_large:
            took, peak, _ = _alone(_write(folder, FULL_ROWS), 1)
            assert peak < MAX_MEGABYTES, f"{FULL_ROWS} rows took {peak} MB"
            more = {"full_rows": FULL_ROWS, "full_seconds": round(took, 2), "full_megabytes": peak}
    result(
        workload=f"audit {ROWS} predictions, race × sex, 6 metrics",
        ours=ours,
        peer=peer,
        ratio=round(peer / ours, 1),
        unit="s",
        peer_rows=peer_rows,
        peak_megabytes=megabytes,
        **more,
    )


def _write(folder: Path, rows: int) -> Path:
    import duckdb

    path = folder / f"{rows}.parquet"
    if not path.exists():
        say(f"writing {rows} rows")
        duckdb.execute(f"COPY ({_PEOPLE.format(rows=rows)}) TO '{path}' (FORMAT parquet)")
    return path


def _alone(path: Path, runs: int) -> tuple[float, int, dict[str, Any]]:
    """Audit in a process of its own, so that its peak of memory is its own too."""
    say(f"auditing {path.name}")
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_audit, path, runs).result()


def _audit(path: Path, runs: int) -> tuple[float, int, dict[str, Any]]:
    import fairlearn.metrics  # noqa: F401  # imported on both sides before the clock runs

    from audits.domain.criteria import BiasCriteria
    from audits.predictions.audit import audit_predictions
    from audits.predictions.cells import PredictionColumns

    columns = PredictionColumns(groups=("race", "sex"), row_id=None)
    found = [audit_predictions(path, BiasCriteria(), columns=columns)]
    took = statistics.median(
        seconds(lambda: found.append(audit_predictions(path, BiasCriteria(), columns=columns)))
        for _ in range(runs)
    )
    assert found[-1].bias.conclusion != "error", found[-1].bias.reasons
    return took, _peak_megabytes(), found[-1].bias.measurements


def _peak_megabytes() -> int:
    # Not getrusage of this process: it inherits there what its parent had at its peak. Of its
    # children, who read the file, that is what the largest of them had.
    status = Path("/proc/self/status").read_text()
    here = int(status.split("VmHWM:")[1].split()[0])
    return max(here, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) // 1024


def _peer(folder: Path, measured: dict[str, Any]) -> tuple[int, float]:
    """Return on how many rows the peer ran, and its time scaled to all of them."""
    tenth = ROWS // 10
    path = _write(folder, tenth)
    say(f"fairlearn on {tenth} rows")
    took = _frame(path, _alone(path, 1)[2])
    if took * 10 > MAX_PEER_SECONDS:
        return tenth, took * 10
    say(f"fairlearn on {ROWS} rows")
    return ROWS, _frame(_write(folder, ROWS), measured)


def _frame(path: Path, measured: dict[str, Any]) -> float:
    """Time MetricFrame on the rows, and hold its numbers against ours."""
    import pandas as pd
    from fairlearn.metrics import (
        MetricFrame,
        false_negative_rate,
        false_positive_rate,
        selection_rate,
        true_positive_rate,
    )
    from sklearn.metrics import accuracy_score, precision_score

    rows = pd.read_parquet(path)
    rates = (selection_rate, accuracy_score, true_positive_rate)
    errors = (false_positive_rate, false_negative_rate, precision_score)
    frames: list[MetricFrame] = []
    took = seconds(
        lambda: frames.append(
            MetricFrame(
                metrics=dict(zip(METRICS, (*rates, *errors), strict=True)),
                y_true=rows["label"],
                y_pred=rows["prediction"],
                sensitive_features=rows[["race", "sex"]],
            )
        )
    )
    groups = measured["attributes"]["race × sex"]["groups"]
    by_group = frames[0].by_group
    assert len(by_group) == len(groups) == 8
    for (race, sex), expected in by_group.iterrows():
        ours = groups[f"{race} × {sex}"]
        for metric in METRICS:
            assert ours[metric] == expected[metric], (race, sex, metric)
    return took


if __name__ == "__main__":
    main()
