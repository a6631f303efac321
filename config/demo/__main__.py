"""`python -m config.demo`: start everything, do the main job, stay up."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import httpx

from config.demo.errors import StepFailed
from config.demo.story import ALIAS, Ending, tell
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
    web, mlflow = stack.addresses.web_url, stack.addresses.mlflow_url
    vkey = Keyring.load(stack.keys.keyring).log.vkey
    change = f'{{"name": "{MODEL}", "alias": "{ALIAS}", "version": "1"}}'
    waits = ending.decisions[3]["decision"] == "pending"
    third = (
        "Version 3 waits for you: read the evidence, then approve or refuse it."
        if waits
        else f"Version 3 is {ending.decisions[3]['promotion']['status']}: see what was said of it."
    )
    print(
        f"""
Muniment is up: {web}   (MLflow: {mlflow})

  sign in as     password
{_people(ending.credentials.passwords)}

Try first:
  1. Sign in as reviewer and open {web}{ending.promotions[3]}
     {third}
  2. See why version 1 was denied: {web}{ending.promotions[1]}
  3. Try to go around it; MLflow refuses, and says why:
     curl -H 'Content-Type: application/json' -d '{change}' \\
         {mlflow}/api/2.0/mlflow/registered-models/alias
  4. Verify version 2's report offline:
     .venv/bin/muniment verify {ending.report} --vkey '{vkey}'
  5. Change a byte of the training data and have version 2 trained again:
     echo >> {ending.project.dataset}
     MUNIMENT_HOME={stack.home.path} .venv/bin/python manage.py recompute {MODEL} 2 --wait

Everything above is kept in {stack.home.path / "demo.json"} (readable by you alone).
""",
        flush=True,
    )
    progress.say("everything did what it should")
    if os.environ.get("DEMO_EXIT") != "1":
        progress.say("all of it stays up; Ctrl-C stops it, and the next start goes on from here")


def _people(passwords: dict[str, str]) -> str:
    return "\n".join(f"  {name:<13}  {password}" for name, password in passwords.items())


if __name__ == "__main__":
    sys.exit(main())
