"""Run every benchmark, one after the other, and write RESULTS.md: `make bench`.

`python -m benchmarks NAME…` runs those alone, and leaves the other rows as they are.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.bench import say

FOLDER = Path(__file__).parent
SHARED = {"__init__", "__main__", "bench", "entries", "http_load"}


def main() -> None:
    every = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in SHARED)
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", metavar="NAME", help="some of them; else all")
    parser.add_argument("--full", action="store_true", help="the larger sizes")
    asked = parser.parse_args()
    if unknown := set(asked.names) - set(every):
        parser.error(f"no benchmark is called {', '.join(sorted(unknown))}: {', '.join(every)}")
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    rows, notes, written_on = _written() if asked.names else ({}, {}, today)
    for name in asked.names or every:
        say(f"== {name}")
        done = subprocess.run(
            [sys.executable, "-m", f"benchmarks.{name}", *(["--full"] if asked.full else [])],
            cwd=FOLDER.parent,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        found = json.loads(done.stdout.splitlines()[-1])
        say(json.dumps(found))
        rows[name] = (
            f"| `{name}` | {found['workload']} | {found['ours']:,} | {found['peer']:,} "
            f"| {found['unit']} | {found['ratio']} |"
        )
        more = [
            f"{key} {value:,}"
            for key, value in found.items()
            if key not in ("workload", "ours", "peer", "ratio", "unit")
        ]
        if asked.names:
            more.append(f"on {today}")
        if more:
            notes[name] = f"- `{name}`: {', '.join(more)}"
    text = "\n".join(
        [
            "# Results",
            "",
            (
                f"Written by `make bench` on {written_on}: {os.cpu_count()} cores, "
                f"Python {platform.python_version()}, {platform.system()} {platform.machine()}. "
                "What a peer is stands at the head of its module. `ratio` is ours over the peer, "
                "unless the module says otherwise."
            ),
            "",
            "| benchmark | workload | ours | peer | unit | ratio |",
            "|---|---|---|---|---|---|",
            *(rows[name] for name in sorted(rows)),
            "",
            *(notes[name] for name in sorted(notes)),
            "",
        ]
    )
    (FOLDER / "RESULTS.md").write_text(text, encoding="utf-8")
    say(f"wrote {FOLDER / 'RESULTS.md'}")


def _written() -> tuple[dict[str, str], dict[str, str], str]:
    """Return the rows and the notes that stand there, by benchmark, and the day of the file."""
    lines = (FOLDER / "RESULTS.md").read_text(encoding="utf-8").splitlines()
    rows, notes = (
        {line.split("`")[1]: line for line in lines if line.startswith(start)}
        for start in ("| `", "- `")
    )
    return rows, notes, re.findall(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", lines[2])[0]


if __name__ == "__main__":
    main()
