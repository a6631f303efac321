"""A worker: run one program in the sandbox and print how it ended, as JSON.

    worker.py '{"arguments": [...], "work": "/folder", "limits": {...}, ...}'

``inherit`` is a file that it has open, in a way that a careless start would pass on.
``announce``: print a line when the program first writes something. ``cancel_after``: seconds.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import time
from pathlib import Path, PurePosixPath

from lineage.recompute.limits import Limits
from lineage.recompute.mounts import Mount, interpreter_mounts
from lineage.recompute.sandbox import Sandbox


def main() -> None:
    order = json.loads(sys.argv[1])
    if "inherit" in order:
        os.set_inheritable(os.open(order["inherit"], os.O_RDONLY), True)
    started = time.monotonic()

    def announce(chunk: bytes) -> None:
        if order.get("announce"):
            print("running", flush=True)

    mounts = [
        Mount(Path(source), PurePosixPath(target))
        for source, target in order.get("mounts", {}).items()
    ]
    ended = Sandbox.find("bubblewrap").run(
        order["arguments"],
        work=Path(order["work"]),
        mounts=[*interpreter_mounts(Path(sys.executable)), *mounts],
        environment=order.get("environment", {}),
        limits=Limits(**order.get("limits", {})),
        on_output=announce,
        cancelled=lambda: time.monotonic() - started > order.get("cancel_after", 1e9),
    )
    print(json.dumps(dataclasses.asdict(ended)))


main()
