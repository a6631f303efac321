"""What independent parties keep or said of checkpoints, looked at again."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings

from audits.errors import LogUnverified, NotLookedAt
from audits.log_tree import tree_reader
from audits.models import LogCosignature, LogTimestamp
from audits.services.published import published_checkpoint
from muniment.attest.errors import AttestError
from muniment.attest.note import add_signatures, open_note, parse_vkey


def require_published(tree_size: int) -> str:
    """Accept the file outside the database only if this tree begins with what it covers.

    Raises:
        NotLookedAt: this process was not told where the file is.
        AuditsError: the file covers more than the database, or other entries.
        AttestError: it does not hold a checkpoint of this log.
    """
    if not settings.PUBLISHED_CHECKPOINT_FILE:
        raise NotLookedAt("MUNIMENT_PUBLISHED_CHECKPOINT is not set for this process.")
    published = published_checkpoint()
    if published is None:
        if tree_size:
            raise LogUnverified(f"{settings.PUBLISHED_CHECKPOINT_FILE} is missing.")
        return "Nothing was signed yet."
    # The sequencer may have signed once more since this verification began.
    root = tree_reader(published.tree_size).root_hash()
    if root != published.root_hash:
        raise LogUnverified(
            f"{settings.PUBLISHED_CHECKPOINT_FILE} covers {published.tree_size} entries, which "
            "are not the first of the database."
        )
    return f"It covers {published.tree_size} entries."


def require_timestamps(ca_file: str) -> str:
    """Accept tokens only of the checkpoints that they stand beside.

    Raises:
        NotLookedAt: this process has no certificates to verify them with.
        LogUnverified: a token that is not one over its checkpoint's note, with its place.
    """
    stamps = LogTimestamp.objects.select_related("checkpoint").order_by("stamped_at")
    if not stamps.exists():
        return "There are none."
    if not ca_file:
        raise NotLookedAt("MUNIMENT_TSA_CA_FILE is not set for this process.")
    from muniment.attest.timestamp import verify_timestamp

    ca_pem = Path(ca_file).read_bytes()
    count = 0
    for stamp in stamps.iterator(chunk_size=500):
        size = stamp.checkpoint_id
        try:
            at = verify_timestamp(bytes(stamp.token), bytes(stamp.checkpoint.note), ca_pem)
        except AttestError as error:
            raise LogUnverified(
                f"A timestamp of the checkpoint over {size} entries: {error.message}."
            ) from error
        if at != stamp.stamped_at:
            raise LogUnverified(
                f"A timestamp of the checkpoint over {size} entries says {at}, its column "
                f"{stamp.stamped_at}."
            )
        count += 1
    return f"{count} of them."


def require_cosignatures() -> str:
    """Accept cosignatures only of the checkpoints that they stand beside.

    Raises:
        LogUnverified: one that its witness's key did not make, with its place.
    """
    count = 0
    rows = LogCosignature.objects.select_related("checkpoint").order_by("checkpoint_id")
    for row in rows.iterator(chunk_size=500):
        note = bytes(row.checkpoint.note)
        try:
            open_note(add_signatures(note, [row.line]), [parse_vkey(row.vkey)])
        except AttestError as error:
            raise LogUnverified(
                f"A cosignature of the checkpoint over {row.checkpoint_id} entries: "
                f"{error.message}."
            ) from error
        count += 1
    return f"{count} of them."
