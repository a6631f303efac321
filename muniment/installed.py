"""What is installed for an interpreter; run with that interpreter it prints this as JSON.

It imports the standard library alone and keeps to Python 3.8, because the interpreter of a
training is not ours and has no kit.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import os
import platform
import re
import sys
from pathlib import Path
from typing import Any, Iterator  # noqa: UP035 (Python 3.8)

# Files of a distribution that say how it was installed, not what.
_HOW_INSTALLED = ("INSTALLER", "REQUESTED", "RECORD", "direct_url.json", "uv_cache.json")


def tree_sha256_of(dist_info: Path) -> str:
    """Return the SHA-256 over the files that a distribution installed, as its RECORD names them.

    It is that of one line a file, ``<sha256>  <name>``, sorted by name as bytes. Left out: what
    says how it was installed, compiled files, and what lies outside of site-packages (console
    scripts, which name their interpreter). Two installers give the same digest of one wheel.

    Returns:
        64 hexadecimal digits; empty where there is no RECORD that can be read.
    """
    try:
        content = (Path(dist_info) / "RECORD").read_text(encoding="utf-8", errors="strict")
        rows = list(csv.reader(io.StringIO(content)))
    except (OSError, ValueError, csv.Error):
        return ""
    lines = []
    for row in rows:
        name = row[0].replace("\\", "/") if row else ""
        if not name or _is_left_out(name):
            continue
        lines.append((name.encode(), _hex_of(row[1] if len(row) > 1 else "")))
    if not lines:
        return ""
    whole = hashlib.sha256()
    for name_bytes, digits in sorted(lines):
        whole.update(digits.encode() + b"  " + name_bytes + b"\n")
    return whole.hexdigest()


def normalised_name(name: str) -> str:
    """Return a distribution's name as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def describe_interpreter() -> dict[str, Any]:
    """Return this interpreter, its platform, and every distribution on its path, as JSON.

    ``distributions`` are sorted by name; of two of one name the first on the path counts, as it
    does for an import. Of each: ``name``, ``version``, ``tree_sha256``, ``origin`` (of its
    ``direct_url.json``, None where it comes from an index), ``roots`` (what its ``.pth`` files
    put on the path).
    """
    return {
        "executable": sys.executable,
        "python": platform.python_version(),
        "implementation": sys.implementation.name,
        "platform": _platform(),
        "distributions": sorted(_distributions(), key=lambda found: str(found["name"])),
    }


def _distributions() -> Iterator[dict[str, Any]]:
    from importlib import metadata

    seen: set[str] = set()
    for found in metadata.distributions():
        try:
            raw_name, version = found.metadata["Name"], found.version
        except (OSError, KeyError, ValueError):
            continue
        if not raw_name or not version or normalised_name(raw_name) in seen:
            continue
        seen.add(normalised_name(raw_name))
        folder: Path | None = getattr(found, "_path", None)
        yield {
            "name": normalised_name(raw_name),
            "version": version,
            "tree_sha256": "" if folder is None else tree_sha256_of(Path(str(folder))),
            "origin": _origin(found) or _origin_of_source(folder),
            "roots": _roots(found),
        }


def _origin(found: Any) -> dict[str, Any] | None:
    try:
        origin = json.loads(found.read_text("direct_url.json") or "null")
    except (OSError, ValueError):
        return None
    return origin if isinstance(origin, dict) else None


def _origin_of_source(folder: Path | None) -> dict[str, Any] | None:
    """Tell a source tree that stands on the path, as old editable installs and scripts have it."""
    if folder is None or folder.suffix != ".egg-info":
        return None
    place = Path(str(folder)).absolute().parent
    if place.name in ("site-packages", "dist-packages"):
        return None
    return {"url": place.as_uri(), "dir_info": {"editable": True}}


def _roots(found: Any) -> list[str]:
    roots = []
    for file in found.files or ():
        if str(file).endswith(".pth") and len(file.parts) == 1:
            try:
                lines = Path(str(found.locate_file(file))).read_text().splitlines()
            except (OSError, ValueError):
                continue
            roots += [line for line in lines if os.path.isabs(line)]  # noqa: PTH117 (as site does)
    return roots


def _is_left_out(name: str) -> bool:
    parts = name.split("/")
    return (
        name.startswith("/")
        or ".." in parts
        or name.endswith(".pyc")
        or (len(parts) == 2 and parts[0].endswith(".dist-info") and parts[1] in _HOW_INSTALLED)
    )


def _hex_of(recorded: str) -> str:
    algorithm, _, digest = recorded.partition("=")
    if algorithm != "sha256":
        return recorded
    try:
        return base64.urlsafe_b64decode(digest + "=" * (-len(digest) % 4)).hex()
    except ValueError:
        return recorded


def _platform() -> str:
    libc: tuple[str, str] = platform.libc_ver()
    return "-".join(
        part for part in (sys.platform, platform.machine().lower(), "".join(libc)) if part
    )


if __name__ == "__main__":
    json.dump(describe_interpreter(), sys.stdout)
