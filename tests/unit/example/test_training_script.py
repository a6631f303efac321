"""What the example's script says where something is missing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "boston_mortgage"


def test_missing_data_set_is_answered_with_the_way_to_make_it(tmp_path: Path) -> None:
    path = tmp_path / "training.csv"
    done = subprocess.run(
        [sys.executable, "train.py", "--variant", "v1", "--data", str(path)],
        cwd=EXAMPLE,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert f"python prepare_data.py --training {path}" in done.stderr
    assert "Traceback" not in done.stderr
