"""The tests' own instance: real parts in a temporary state folder, started when first asked for.

Django reads its settings before any fixture runs, so the ports and passwords are chosen here, at
import, and the parts are started on them later.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

from config.embedded import OVERRIDE_NAMES, EmbeddedStack
from config.embedded.environments import instance_environment

# Each test copies a database of hundreds of files and drops it again: in memory, where there is
# room, that neither waits for a disk nor wears it out.
MEMORY: Final = Path("/dev/shm")
ROOM_BYTES: Final = 8 * 1024**3


def state_folder(prefix: str) -> Path:
    """Make a temporary folder for the state of an instance."""
    roomy = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM_BYTES
    return Path(tempfile.mkdtemp(prefix=prefix, dir=MEMORY if roomy else None))


class Instance:
    """One process's instance.

    Attributes:
        stack: entered, with no part started.
    """

    def __init__(self) -> None:
        self._folder = state_folder("muniment-tests-")
        self.stack = EmbeddedStack(self._folder / "home", parts=())
        self.stack.__enter__()
        self._started: set[str] = set()
        self._found = dict(os.environ)

    def set_environment(self) -> None:
        """Put what settings read into `os.environ`; what the shell had of it is dropped.

        Tests exercise every role in one process, so that this holds every role's share.
        """
        for name in list(os.environ):
            if name.startswith(("MUNIMENT_", "DJANGO_", "MLFLOW_")) or name in OVERRIDE_NAMES:
                del os.environ[name]
        stack = self.stack
        os.environ.update(instance_environment(stack.home, stack.keys, stack.addresses))
        for role in ("worker", "sequencer", "migrate"):
            os.environ.update(
                {
                    name: value
                    for name, value in stack.environment(role).items()
                    if name.startswith("MUNIMENT_") or name in OVERRIDE_NAMES
                }
            )
        # A refusal by the session's MLflow, or by a store in this process, is told as soon as
        # Muniment answers, and so would reach the log of a later test.
        del os.environ["MUNIMENT_GATEKEEPER_SECRET"]
        os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"

    def require(self, *parts: str) -> EmbeddedStack:
        """Start parts that are not running yet; return the stack."""
        for part in parts:
            if part not in self._started:
                self.stack.start(part)
                self._started.add(part)
        return self.stack

    def close(self) -> None:
        """Stop everything, remove the state folder, and leave the environment as it was found."""
        if self._folder.exists():
            self.stack.__exit__(None, None, None)
            shutil.rmtree(self._folder)
            os.environ.clear()
            os.environ.update(self._found)


INSTANCE: Final = Instance()
INSTANCE.set_environment()
