"""The newest checkpoint that the log signed, kept in a file outside the database.

A database that is restored to an earlier state cannot take it back, and that is how the sequencer
finds out: two checkpoints of one log that contradict each other must never be signed.
"""

from __future__ import annotations

import os
from pathlib import Path

from django.conf import settings

from audits.errors import KeyUnavailable
from audits.services.signing import keyring
from muniment.attest.checkpoint import Checkpoint, verify_checkpoint


def published_file() -> Path:
    """Return where the file is.

    Raises:
        KeyUnavailable: this process was not told.
    """
    if not settings.PUBLISHED_CHECKPOINT_FILE:
        raise KeyUnavailable(
            "MUNIMENT_PUBLISHED_CHECKPOINT is not set: the file that keeps the newest checkpoint "
            "outside the database."
        )
    return Path(settings.PUBLISHED_CHECKPOINT_FILE)


def published_checkpoint() -> Checkpoint | None:
    """Return the checkpoint that the file holds; None where there is no file yet.

    Raises:
        NoteError: the file holds anything but a checkpoint of this log.
    """
    file = published_file()
    if not file.exists():
        return None
    return verify_checkpoint(file.read_bytes(), keyring().log.vkeys)


def publish(note: bytes) -> None:
    """Replace the file, so that it is on the disk whole before this returns.

    Raises:
        OSError: the disk is full, or the file cannot be written; the old one stands.
    """
    file = published_file()
    temporary = file.with_name(f"{file.name}.new")
    with temporary.open("wb") as out:
        out.write(note)
        out.flush()
        os.fsync(out.fileno())
    temporary.replace(file)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
