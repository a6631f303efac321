"""What can go wrong when the embedded parts are started, each with a stable code."""

from __future__ import annotations


class EmbeddedError(Exception):
    """Root of this package's errors; `str(error)` is a sentence for a person."""

    code = "embedded"


class HomeInUse(EmbeddedError):
    """Another process holds the state folder."""

    code = "embedded.home_in_use"


class HomeUnusable(EmbeddedError):
    """The state folder, or a file in it, is not what it should be."""

    code = "embedded.home_unusable"


class PartMissing(EmbeddedError):
    """A program or an address that a part needs is not there."""

    code = "embedded.part_missing"


class ServiceFailed(EmbeddedError):
    """A service did not become ready, or ended by itself.

    Attributes:
        service: its name.
    """

    code = "embedded.service_failed"

    def __init__(self, service: str, message: str) -> None:
        super().__init__(message)
        self.service = service
