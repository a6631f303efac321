"""What the log and the evidence services refuse, with stable codes."""

from __future__ import annotations


class AuditsError(Exception):
    """Root of this app's errors."""

    code = "audits_error"


class NotInTransaction(AuditsError):
    """A statement was appended outside the transaction of what it states."""

    code = "not_in_transaction"


class LogBehindCheckpoint(AuditsError):
    """The database holds less than a checkpoint that was already published."""

    code = "log_behind_checkpoint"


class LogUnverified(AuditsError):
    """The log in the database is not what was signed."""

    code = "log_unverified"


class NotLookedAt(AuditsError):
    """This process was not given what it needs to look at a part of the log."""

    code = "not_looked_at"


class LogRestoreRefused(AuditsError):
    """What is to be restored is not what the database lacks."""

    code = "log_restore_refused"


class KeyUnavailable(AuditsError):
    """This process was not given the key that the operation needs."""

    code = "key_unavailable"


class SettingsRefused(AuditsError):
    """What the settings say of an independent party cannot be followed as it stands."""

    code = "settings_refused"


class RoleRequired(AuditsError):
    """The actor's roles do not permit the operation."""

    code = "role_required"

    def __init__(self, operation: str, needed: tuple[str, ...]) -> None:
        super().__init__(f"To {operation} you need the role {' or '.join(needed)}.")
        self.operation = operation
        self.needed = needed
