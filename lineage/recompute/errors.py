"""Why a recomputation could not be carried out, with stable codes."""

from __future__ import annotations

from lineage.errors import LineageError


class RecomputeError(LineageError):
    """A step could not be carried out; its sentence says why, for whoever reads the verdict.

    Attributes:
        code: stable, ``code.commit_missing``.
        leg: ``code``, ``data``, ``environment`` or ``configuration``, whichever is to blame;
            empty where none is.
    """

    code = "recompute_error"

    def __init__(self, message: str, *, code: str, leg: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.leg = leg


class SandboxUnavailable(LineageError):
    """Nothing here can hold hostile code, so nothing is run; its sentence says what to install."""

    code = "sandbox_unavailable"


class RecomputationCancelled(LineageError):
    """Somebody cancelled it, or its worker is to stop: nothing came of it."""

    code = "recomputation_cancelled"
