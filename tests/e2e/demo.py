"""The demo as a subprocess: what `make demo` runs, in a state folder of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

import httpx

from config.embedded.environments import common_environment
from config.embedded.processes import BASE_DIR

START_SECONDS: Final = 540


class Demo:
    """A demo that is up, and can be stopped and started again on the state it left.

    Attributes:
        home: its MUNIMENT_HOME.
        facts: what `demo.json` says.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self._output = home.with_suffix(".out")
        self.start()

    def start(self) -> None:
        """Start it and wait until it has written `demo.json`, which it does last."""
        with self._output.open("wb") as sink:
            self._running = subprocess.Popen(
                [sys.executable, "-m", "config.demo"],
                env=self.environment(),
                cwd=BASE_DIR,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self.written.is_file():
            if self._running.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise AssertionError(f"the demo did not come up:\n{self.output[-6000:]}")
            time.sleep(0.2)
        self.facts: dict[str, Any] = json.loads(self.written.read_text(encoding="utf-8"))

    def stop(self) -> int:
        """Press Ctrl-C and return the exit status; what it wrote is forgotten."""
        if self._running.poll() is None:
            os.killpg(self._running.pid, signal.SIGINT)
        status = self._running.wait(timeout=60)
        self.written.unlink(missing_ok=True)
        return status

    @property
    def written(self) -> Path:
        """The file that it writes last."""
        return self.home / "demo.json"

    @property
    def output(self) -> str:
        """What it printed, standard error too."""
        return self._output.read_text(encoding="utf-8")

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
