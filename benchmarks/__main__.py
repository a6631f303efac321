"""Run every benchmark, one after the other, and write RESULTS.md: `make bench`."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.bench import say

FOLDER = Path(__file__).parent
SHARED = {"__init__", "__main__", "bench", "entries", "http_load"}


def main() -> None:
    names = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in SHARED)
    rows, notes = [], []
    for name in names:
        say(f"== {name}")
        done = subprocess.run(
            [sys.executable, "-m", f"benchmarks.{name}", *sys.argv[1:]],
            cwd=FOLDER.parent,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        found = json.loads(done.stdout.splitlines()[-1])
        say(json.dumps(found))
        rows.append(
            f"| `{name}` | {found['workload']} | {found['ours']:,} | {found['peer']:,} "
            f"| {found['unit']} | {found['ratio']} |"
        )
        more = {
            key: value
            for key, value in found.items()
            if key not in ("workload", "ours", "peer", "ratio", "unit")
        }
        if more:
            notes.append(
                f"- `{name}`: {', '.join(f'{key} {value:,}' for key, value in more.items())}"
            )
    text = "\n".join(
        [
            "# Results",
            "",
            (
                f"Written by `make bench` on {datetime.now(UTC):%Y-%m-%d}: {os.cpu_count()} cores, "
                f"Python {platform.python_version()}, {platform.system()} {platform.machine()}. "
                "What a peer is stands at the head of its module. `ratio` is ours over the peer, "
                "unless the module says otherwise."
            ),
            "",
            "| benchmark | workload | ours | peer | unit | ratio |",
            "|---|---|---|---|---|---|",
            *rows,
            "",
            *notes,
            "",
        ]
    )
    (FOLDER / "RESULTS.md").write_text(text, encoding="utf-8")
    say(f"wrote {FOLDER / 'RESULTS.md'}")


if __name__ == "__main__":
    main()
