"""What is wrong with the log, or with an entry that it refuses, in words."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

_ALARMS: Mapping[str, str] = {
    "log.behind_checkpoint": (
        "The log has stopped: its database is not the one that its last checkpoint was signed over."
    ),
    "log.entries_refused": "The log refuses entries that no permitted key signed as they stand.",
    "log.not_sequenced": "New entries get no place in the log: the sequencer is not running.",
    "log.verification_failed": "The log does not verify: what it holds is not what was signed.",
    "log.not_timestamped": "New checkpoints get no timestamp from the independent clock.",
    "log.not_witnessed": "New checkpoints get too few cosignatures from the log's witnesses.",
}

_REFUSALS: Mapping[str, str] = {
    "key_not_permitted": (
        "No permitted key signed it: the key is known, but may not sign statements of this type."
    ),
    "columns_differ": (
        "Its columns are not what its signed statement says: somebody changed what it is filed as."
    ),
    "envelope.unknown_key": "No permitted key signed it: the key that it names is not enrolled.",
    "envelope.signature": (
        "No permitted key signed it: the signature is not that key's over these bytes."
    ),
    "envelope.keyid": "No permitted key signed it: a signature names another key than its own.",
    "envelope.payload_type": "What was signed is not a statement: it was meant for another use.",
    "envelope.too_large": "It is larger than an entry of the log may be.",
}
_FAMILIES: Mapping[str, str] = {
    "envelope": "It is not a readable DSSE envelope, so that nobody can be said to have signed it.",
    "statement": "What was signed is not a readable statement.",
    "digest": "What was signed is not a readable statement: a digest in it is malformed.",
}


def alarm_title(code: str, message: str) -> str:
    """Return what happened, in one sentence; of a code without one the alarm's own message."""
    return _ALARMS.get(code) or message


def refusal_words(code: str) -> str:
    """Return why the sequencer refused an entry, for whoever has to find out what happened."""
    family = _FAMILIES.get(code.partition(".")[0])
    return _REFUSALS.get(code) or family or f"The sequencer refused it with the code {code}."


def duration_words(duration: timedelta) -> str:
    """Return how long something took or waits, in one unit: ``0.4 s``, ``12 s``, ``3 min``."""
    seconds = max(0.0, duration.total_seconds())
    if seconds < 10:
        return f"{seconds:.1f} s"
    for unit, length, limit in (("s", 1, 120), ("min", 60, 7200), ("hours", 3600, 172_800)):
        if seconds < limit:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds / 86_400:.0f} days"
