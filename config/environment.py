"""Where settings come from: the process environment, then the running instance's env.json."""

from __future__ import annotations

import json
import os
from pathlib import Path

ENV_FILE_NAME = "env.json"


def read_instance_environment(home: str | None) -> None:
    """Add what `$MUNIMENT_HOME/env.json` knows to the environment; what is already set wins.

    Args:
        home: the state folder of a running embedded instance, or None.

    Raises:
        ValueError: the file is there and is not a flat JSON object of strings.
    """
    if not home:
        return
    path = Path(home) / ENV_FILE_NAME
    if not path.is_file():
        return
    values = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(values, dict) or not all(isinstance(v, str) for v in values.values()):
        raise ValueError(f"{path} must hold one flat JSON object of strings")
    for name, value in values.items():
        os.environ.setdefault(name, value)
