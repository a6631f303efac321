"""`python -m config.demo`: start everything, do the main job, stay up."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import httpx

from config.demo.errors import StepFailed
from config.demo.story import Ending, tell
from config.demo.training import MODEL
from config.embedded import EmbeddedError, EmbeddedStack
from config.embedded.home import write_private_file
from config.embedded.processes import BASE_DIR
from config.embedded.progress import Progress
from config.embedded.supervisor import StopRequested, stopping_on_signals
from muniment.attest.keyring import Keyring


def main() -> int:
    """Run the demo; return the exit status, 0 only if every step did what it should."""
    progress = Progress()
    home = Path(os.environ.get("MUNIMENT_HOME") or BASE_DIR / ".muniment")
    try:
        with (
            stopping_on_signals(),
            EmbeddedStack(home, overrides=os.environ, progress=progress) as stack,
        ):
            # Only now is the home ours: a second demo in it was refused above.
            (home / "demo.json").unlink(missing_ok=True)
            ending = tell(stack, progress)
            stack.require_all_running()
            _write(stack, ending)
            _show(stack, ending, progress)
            if os.environ.get("DEMO_EXIT") == "1":
                return 0
            stack.wait()
    except (KeyboardInterrupt, StopRequested):
        progress.say("stopped")
        return 0 if os.environ.get("DEMO_EXIT") != "1" else 1
    except (EmbeddedError, StepFailed, httpx.HTTPError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _write(stack: EmbeddedStack, ending: Ending) -> None:
    content = {
        "web_url": stack.addresses.web_url,
        "mlflow_url": stack.addresses.mlflow_url,
        "database_url": stack.addresses.database_url,
        "model": MODEL,
        "users": ending.credentials.passwords,
        "tokens": ending.credentials.tokens,
        "vkey": Keyring.load(stack.keys.keyring).log.vkey,
        "report": str(ending.report),
        "dataset": str(ending.project.dataset),
        "git_remote": str(ending.project.remote),
    }
    write_private_file(
        stack.home.path / "demo.json", (json.dumps(content, indent=1) + "\n").encode()
    )


def _show(stack: EmbeddedStack, ending: Ending, progress: Progress) -> None:
    web = stack.addresses.web_url
    passwords = ending.credentials.passwords
    print(
        f"""
Muniment is up: {web}   (MLflow: {stack.addresses.mlflow_url})

  sign in as     password
{_people(passwords)}

Try first:
  1. Sign in as reviewer and open {web}{ending.promotions[3]}
     Version 3 waits for you: read the evidence, then approve or refuse it.
  2. See why version 1 was denied: {web}{ending.promotions[1]}
  3. Try to go around it: MLflow refuses to make version 1 champion.
  4. Verify version 2's report offline:
     .venv/bin/muniment verify {ending.report} --vkey '{Keyring.load(stack.keys.keyring).log.vkey}'

Everything above is kept in {stack.home.path / "demo.json"} (readable by you alone).
""",
        flush=True,
    )
    progress.say("everything did what it should")


def _people(passwords: dict[str, str]) -> str:
    return "\n".join(f"  {name:<13}  {password}" for name, password in passwords.items())


if __name__ == "__main__":
    sys.exit(main())
