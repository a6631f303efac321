"""What opening a data set can run into, with stable codes."""

from __future__ import annotations

from muniment.attest.errors import AttestError


class DatasetError(AttestError):
    """A data set cannot be had as its reference says."""

    default_code = "dataset.failed"


class DatasetChanged(DatasetError):
    """The bytes are not those that the reference names."""

    default_code = "dataset.changed"


class DatasetMissing(DatasetError):
    """There is nothing where the reference points."""

    default_code = "dataset.missing"


class DatasetRefused(DatasetError):
    """It will not be opened: nobody allowed it, or it is not what it must be."""

    default_code = "dataset.refused"


class DatasetUnreachable(DatasetError):
    """Whoever holds it did not answer as it should: what may pass by itself."""

    default_code = "dataset.unreachable"
