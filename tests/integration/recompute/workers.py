"""Workers in processes of their own: as root, where the tests are root, and as an ordinary user."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lineage.recompute.limits import Ended, Why

ROOT = Path(__file__).parents[3]
PYTHON = Path(sys.executable)
NOBODY = 65_534
KINDS = ("root", "ordinary") if os.geteuid() == 0 else ("ordinary",)


@dataclass(frozen=True)
class Worker:
    """One kind of worker, with a folder of its own.

    Attributes:
        place: a folder that nobody else may enter.
    """

    kind: str
    place: Path

    @property
    def uid(self) -> int:
        return NOBODY if self.kind == "ordinary" and os.geteuid() == 0 else os.geteuid()

    def own(self, path: Path) -> Path:
        """Give a path to the worker's user, with all below it."""
        for one in (path, *path.rglob("*")):
            os.chown(one, self.uid, self.uid, follow_symlinks=False)
        return path

    def folder(self, name: str) -> Path:
        """Make a folder of the worker's."""
        (self.place / name).mkdir(mode=0o700)
        return self.own(self.place / name)

    def command(self, *arguments: str) -> list[str]:
        """Return the command that runs something as this worker's user."""
        if self.kind == "root" or os.geteuid() != 0:
            return list(arguments)
        return ["unshare", "--mount", "sh", "-c", _as_nobody(self.place, arguments)]

    def start(
        self, order: Mapping[str, Any], environment: Mapping[str, str] | None = None, **popen: Any
    ) -> subprocess.Popen[str]:
        """Start a worker that runs one program in the sandbox; `worker.py` says how."""
        return subprocess.Popen(
            self.command(
                str(PYTHON), str(Path(__file__).with_name("worker.py")), json.dumps(order)
            ),
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **(environment or {})}
            | {"PYTHONDONTWRITEBYTECODE": "1"},
            stdout=subprocess.PIPE,
            text=True,
            cwd="/",
            **popen,
        )

    def run(self, order: Mapping[str, Any], environment: Mapping[str, str] | None = None) -> Ended:
        """Run one program in the sandbox, as `worker.py` says, and return how it ended."""
        with self.start(order, environment) as process:
            output, _ = process.communicate(timeout=60)
        said = json.loads(output)
        return Ended(**(said | {"why": Why(said["why"])}))


def _as_nobody(place: Path, arguments: tuple[str, ...]) -> str:
    """Return a script that is root's and ends as nobody's, with what lies in closed folders."""
    needed = sorted({Path(sys.base_prefix), Path(sys.prefix), ROOT})
    closed = {
        folder
        for path in needed
        for folder in reversed(path.parents)
        if not folder.stat().st_mode & 0o001
    }
    outermost = {one for one in closed if not closed.intersection(one.parents)}
    within = [path for path in needed if outermost.intersection(path.parents)]
    lines = ["set -e"]
    for number, path in enumerate(within):
        hold = place.parent / f"{place.name}-hold-{number}"
        lines += [shlex.join(["mkdir", "-p", str(hold)])]
        lines += [shlex.join(["mount", "--bind", str(path), str(hold)])]
    for folder in sorted(outermost):
        lines += [shlex.join(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", str(folder)])]
    for number, path in enumerate(within):
        hold = place.parent / f"{place.name}-hold-{number}"
        lines += [shlex.join(["mkdir", "-p", str(path)])]
        lines += [shlex.join(["mount", "--move", str(hold), str(path)])]
    user = ["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups"]
    lines += [shlex.join(["exec", *user, "--inh-caps=-all", "--bounding-set=-all", *arguments])]
    return "\n".join(lines)
