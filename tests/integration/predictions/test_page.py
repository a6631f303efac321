"""The command on docs/bias-audits.md does what the page says."""

from __future__ import annotations

import json
import re
import shlex
from io import StringIO
from pathlib import Path

import pandas as pd
from django.core.management import call_command

PAGE = Path(__file__).parents[3] / "docs" / "bias-audits.md"


def test_the_command_of_the_page_audits_the_file_of_the_page(
    applications: pd.DataFrame, tmp_path: Path
) -> None:
    [command] = re.findall(r"```\n(manage\.py audit_bias .*?)```", PAGE.read_text(), re.DOTALL)
    applications.to_csv(tmp_path / "predictions.csv", index=False)
    here = str(tmp_path / "predictions.csv")
    written = shlex.split(command.replace("\\\n", " ").replace("predictions.csv", here))
    out = StringIO()
    call_command(*written[1:], stdout=out)
    said = json.loads(out.getvalue())
    assert said["conclusion"] == "fail"
    assert {"attributes", "standard", "reasons", "criteria"} <= said.keys()
    assert said["standard"] == "screening"
