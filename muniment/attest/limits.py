"""How much of something is read at the most, where a module without cryptography asks too."""

from __future__ import annotations

from typing import Final

MAX_NOTE_BYTES: Final = 1_000_000
