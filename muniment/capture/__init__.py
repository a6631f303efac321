"""The training side: run a command, or a part of a program, and record what it was made of."""

from __future__ import annotations

from muniment.capture.recording import CaptureRefused, dataset, record

__all__ = ["CaptureRefused", "dataset", "record"]
