"""The release that this is."""

from __future__ import annotations

VERSION = "0.1.0"
GENERATOR = f"Muniment {VERSION}"
