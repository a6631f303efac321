"""The CI side of the gate: a thin HTTP client on the standard library alone."""

from __future__ import annotations

from muniment.gate.client import (
    EXIT_STATUS,
    Endpoint,
    GateAnswer,
    GateError,
    ask_gate,
    endpoint_from,
)
from muniment.gate.formats import FORMATS, render

__all__ = [
    "EXIT_STATUS",
    "FORMATS",
    "Endpoint",
    "GateAnswer",
    "GateError",
    "ask_gate",
    "endpoint_from",
    "render",
]
