"""What the log and the evidence services refuse, with stable codes."""

from __future__ import annotations


class AuditsError(Exception):
    """Root of this app's errors."""

    code = "audits_error"


class NotInTransaction(AuditsError):
    """A statement was appended outside the transaction of what it states."""

    code = "not_in_transaction"


class EntryTooLarge(AuditsError):
    """A statement's envelope is over the log's limit; store it beside and log its digest."""

    code = "entry_too_large"

    def __init__(self, size_bytes: int, limit_bytes: int) -> None:
        super().__init__(
            f"The signed statement has {size_bytes} bytes and the log takes {limit_bytes}. "
            "Store the evidence beside the log and state its digest."
        )
        self.size_bytes = size_bytes


class LogBehindCheckpoint(AuditsError):
    """The database holds less than a checkpoint that was already published."""

    code = "log_behind_checkpoint"


class KeyUnavailable(AuditsError):
    """This process was not given the key that the operation needs."""

    code = "key_unavailable"


class RoleRequired(AuditsError):
    """The actor's roles do not permit the operation."""

    code = "role_required"

    def __init__(self, operation: str, needed: tuple[str, ...]) -> None:
        super().__init__(f"To {operation} you need the role {' or '.join(needed)}.")
        self.operation = operation
        self.needed = needed
