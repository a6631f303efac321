"""The packages that recomputations install, out of the cache that set this checkout up."""

from __future__ import annotations

import subprocess
from pathlib import Path

from uv import find_uv_bin

from config.embedded.environments import SOURCE
from config.embedded.home import Home


def share_package_cache(home: Home) -> None:
    """Let the embedded instance's one source use uv's cache of whoever started it.

    What a lock names is mostly there already: nothing is downloaded twice on one machine.
    """
    link = home.path / "recompute" / "packages" / SOURCE
    if link.is_symlink() or link.exists():
        return
    cache = subprocess.run(
        [find_uv_bin(), "cache", "dir", "--color", "never"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(Path(cache), target_is_directory=True)
