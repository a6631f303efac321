"""The policy of most tests: `credit-decision`, and the team's own predictions count."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

POLICIES: Final = Path(__file__).resolve().parents[1] / "policies"
SHIPPED: Final = POLICIES / "credit-decision.yaml"


def lenient_credit_decision(version: int = 1) -> str:
    """Return the shipped document as most tests want it.

    They lay evidence without training anything, so that it may be reported; nobody may waive,
    approvals do not grow old and audits are not counted unless a test says so.
    """
    text = SHIPPED.read_text(encoding="utf-8")
    text = re.sub(r"\n +(waivable_by|review_every_days): .*", "", text)
    text = re.sub(r"\nevaluation:\n.*", "", text)
    text = text.replace("accepts: [computed]", "accepts: [reported, computed]")
    return text.replace("\nversion: 1\n", f"\nversion: {version}\n")
