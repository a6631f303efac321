"""Inside the sandbox: run a committed notebook from top to bottom, in one fresh interpreter.

    notebook.py NOTEBOOK.ipynb

Cells run in the order in which they stand, whatever order they were run in when somebody trained.
IPython's magics work where IPython is installed; without it a cell must be plain Python. The
first cell that fails ends it, named by its number.
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any


def code_cells(content: str) -> list[str]:
    """Return the sources of a notebook's code cells, in order."""
    cells = json.loads(content)["cells"]
    return [
        source if isinstance(source, str) else "".join(source)
        for source in (cell["source"] for cell in cells if cell["cell_type"] == "code")
    ]


def run_cells(cells: list[str], run: Callable[[str], None]) -> int:
    """Run each cell; return 0, or 1 after saying which one failed."""
    for number, source in enumerate(cells, start=1):
        try:
            run(source)
        except Exception:  # noqa: BLE001 # whatever a cell raises ends the notebook
            traceback.print_exc()
            sys.stderr.write(f"Code cell {number} of {len(cells)} failed.\n")
            return 1
    return 0


def runner() -> Callable[[str], None]:
    """Return what runs one cell: IPython's shell where there is one."""
    try:
        from IPython.core.interactiveshell import InteractiveShell
    except ImportError:
        namespace: dict[str, Any] = {"__name__": "__main__"}
        return lambda source: exec(compile(source, "<cell>", "exec"), namespace)  # noqa: S102
    shell = InteractiveShell.instance()

    def run(source: str) -> None:
        shell.run_cell(source, store_history=True).raise_error()

    return run


if __name__ == "__main__":
    notebook = Path(sys.argv[1]).read_text(encoding="utf-8")
    sys.exit(run_cells(code_cells(notebook), runner()))
