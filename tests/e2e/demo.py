"""The demo as a subprocess: what `make demo` runs, in a state folder of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from config.embedded.environments import common_environment
from config.embedded.processes import BASE_DIR

START_SECONDS: Final = 420


@dataclass(frozen=True, slots=True)
class Demo:
    """A demo that is up.

    Attributes:
        facts: what `demo.json` says.
        output: the file that its standard output and error go to.
    """

    home: Path
    facts: dict[str, Any]
    output: Path

    def api(self, path: str, *, token: str | None = "engineer") -> httpx.Response:
        """Ask the REST API, as the holder of a token or as a stranger."""
        headers = {"Authorization": f"Bearer {self.facts['tokens'][token]}"} if token else {}
        return httpx.get(f"{self.facts['web_url']}{path}", headers=headers, timeout=60)

    def gate(self, version: int) -> dict[str, Any]:
        """Return the gate's answer for a version of the demo's model."""
        path = f"/api/v1/models/{self.facts['model']}/versions/{version}/gate?alias=champion"
        answer: dict[str, Any] = self.api(path).raise_for_status().json()
        return answer

    def environment(self) -> dict[str, str]:
        """Return the environment in which `manage.py` and `muniment` find this instance."""
        return {**common_environment(), "MUNIMENT_HOME": str(self.home)}

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the project's against this instance."""
        return subprocess.run(
            [sys.executable, *command],
            env=self.environment(),
            cwd=BASE_DIR,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )


def start_demo(home: Path) -> tuple[subprocess.Popen[bytes], Demo]:
    """Start the demo and wait until it has written `demo.json`, which it does last."""
    output = home.with_suffix(".out")
    environment = {**common_environment(), "MUNIMENT_HOME": str(home)}
    with output.open("wb") as sink:
        running = subprocess.Popen(
            [sys.executable, "-m", "config.demo"],
            env=environment,
            cwd=BASE_DIR,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    deadline = time.monotonic() + START_SECONDS
    written = home / "demo.json"
    while not written.is_file():
        if running.poll() is not None or time.monotonic() > deadline:
            stop_demo(running)
            raise AssertionError(f"the demo did not come up:\n{output.read_text()[-6000:]}")
        time.sleep(0.2)
    facts = json.loads(written.read_text(encoding="utf-8"))
    return running, Demo(home=home, facts=facts, output=output)


def stop_demo(running: subprocess.Popen[bytes]) -> int:
    """Press Ctrl-C and return the exit status."""
    if running.poll() is None:
        os.killpg(running.pid, signal.SIGINT)
    return running.wait(timeout=60)
