"""A lock file of what a training needs, out of the repository's own ``uv.lock``."""

from __future__ import annotations

import tomllib
from pathlib import Path

from packaging.markers import Marker

UV_LOCK = Path(__file__).resolve().parents[3] / "uv.lock"


def lock_of(*roots: str) -> bytes:
    """Return ``name==version --hash=…`` of packages and all that they need on this machine."""
    listed = tomllib.loads(UV_LOCK.read_text(encoding="utf-8"))["package"]
    packages = {
        package["name"]: package
        for package in listed
        if "resolution-markers" not in package
        or any(Marker(marker).evaluate() for marker in package["resolution-markers"])
    }
    wanted, found = list(roots), set[str]()
    while wanted:
        name = wanted.pop()
        if name in found:
            continue
        found.add(name)
        wanted += [
            needed["name"]
            for needed in packages[name].get("dependencies", [])
            if "marker" not in needed or Marker(needed["marker"]).evaluate()
        ]
    lines = []
    for name in sorted(found):
        hashes = "".join(f" --hash={wheel['hash']}" for wheel in packages[name]["wheels"])
        lines.append(f"{name}=={packages[name]['version']}{hashes}\n")
    return "".join(lines).encode()
