"""The command as people run it: a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
Done = subprocess.CompletedProcess[str]
Muniment = Callable[..., Done]


@pytest.fixture
def muniment(tmp_path: Path) -> Muniment:
    """Run ``muniment`` with nothing of this process's environment but PATH."""

    def run(*arguments: object, env: Mapping[str, str] | None = None) -> Done:
        return subprocess.run(
            [sys.executable, "-m", "muniment", *map(str, arguments)],
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(ROOT),
                "LANG": "C.UTF-8",
                **(env or {}),
            },
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    return run
