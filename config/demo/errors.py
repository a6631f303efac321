"""What can go wrong in the demo."""

from __future__ import annotations


class StepFailed(Exception):
    """A step of the demo did not do what it should; the message says which and how."""

    code = "demo_step_failed"
