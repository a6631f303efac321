"""``python -m muniment.cli``: the same command, by the name of its package."""

from __future__ import annotations

import sys

from muniment.cli import main

if __name__ == "__main__":
    sys.exit(main())
