"""What reading a version's origins can run into, with stable codes."""

from __future__ import annotations


class LineageError(Exception):
    """Root of this app's errors."""

    code = "lineage_error"


class MlflowUnavailable(LineageError):
    """MLflow did not answer, or answered that it cannot now: what may pass by itself.

    Attributes:
        status: the HTTP status of the last answer; None where there was none.
    """

    code = "mlflow_unavailable"

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class MlflowGarbage(MlflowUnavailable):
    """Something answered, but not as MLflow does: a proxy's page, a redirect, a broken row."""

    code = "mlflow_garbage"


class CaptureUnfinished(MlflowUnavailable):
    """The training is still being recorded: its lineage file comes when it has ended."""

    code = "capture_unfinished"


class MlflowRefused(LineageError):
    """MLflow understood and said no.

    Attributes:
        status: the HTTP status, 400 to 499.
        error_code: MLflow's own word (``PERMISSION_DENIED``); empty where it gave none.
    """

    code = "mlflow_refused"

    def __init__(self, message: str, *, status: int, error_code: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.error_code = error_code


class MlflowMissing(MlflowRefused):
    """MLflow says that there is no such thing."""

    code = "mlflow_missing"


class ArtifactMissing(LineageError):
    """An artifact is not there, or cannot be read through the MLflow server.

    It says so for good: asking again does not help.
    """

    code = "artifact_missing"


class ArtifactRefused(ArtifactMissing):
    """An artifact that we will not read: a hostile name, too large, or out of our reach."""

    code = "artifact_refused"


class PlaceInvalid(LineageError):
    """What is to be allowed is no place, or says of one what it does not take."""

    code = "place_invalid"


class PlaceUnknown(LineageError):
    """There is no such allowed place."""

    code = "place_unknown"
