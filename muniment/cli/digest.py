"""``muniment digest``: what a file or a folder is called in statements."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from muniment.attest.digest import dir_hash, sha256_file
from muniment.attest.errors import DigestError
from muniment.cli.output import print_json, printable, say


def run(paths: Sequence[str], *, as_json: bool) -> int:
    """Print each path's digest; return 0, or 1 if any could not be hashed."""
    results: list[dict[str, object]] = []
    failed = False
    for path in paths:
        try:
            digest = dir_hash(path) if Path(path).is_dir() else sha256_file(path)
        except DigestError as error:
            failed = True
            results.append({"path": path, "error": {"code": error.code, "message": error.message}})
            print(f"muniment digest: {printable(error.message)}", file=sys.stderr)
        else:
            results.append({"path": path, "digest": str(digest)})
            if not as_json:
                say(f"{digest}  {printable(path)}")
    if as_json:
        print_json({"command": "digest", "holds": not failed, "digests": results})
    return 1 if failed else 0
