"""`python -m config.embedded`: every part, without the demo's story, until Ctrl-C."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from config.embedded import EmbeddedError, EmbeddedStack
from config.embedded.processes import BASE_DIR
from config.embedded.progress import Progress
from config.embedded.supervisor import StopRequested, stopping_on_signals


def main() -> int:
    """Start the stack, say where it is, and stay; return the exit status."""
    progress = Progress()
    home = Path(os.environ.get("MUNIMENT_HOME") or BASE_DIR / ".muniment")
    try:
        with (
            stopping_on_signals(),
            EmbeddedStack(home, overrides=os.environ, progress=progress) as stack,
        ):
            progress.say(f"Muniment is at {stack.addresses.web_url}")
            progress.say(f"MLflow is at {stack.addresses.mlflow_url}")
            progress.say("Ctrl-C stops everything")
            stack.wait()
    except (KeyboardInterrupt, StopRequested):
        progress.say("stopped")
        return 0
    except EmbeddedError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
