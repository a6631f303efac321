"""What came before a log's newest checkpoint: earlier ones, wherever kept, and their timestamps."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from muniment.attest.checkpoint import Checkpoint
from muniment.attest.errors import AttestError
from muniment.attest.limits import MAX_NOTE_BYTES
from muniment.attest.log_source import FolderSource, LogSource
from muniment.verify.errors import LogError
from muniment.verify.findings import Findings, counted, known
from muniment.verify.log_hashes import HashedLog
from muniment.verify.trust import LogTrust

CHECKPOINTS: Final = "checkpoints"
TIMESTAMPS: Final = "timestamps"
MAX_TOKEN_BYTES: Final = 100_000
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")

NO_TIMESTAMPS: Final = (
    "When the entries were there: no timestamp of an independent authority stands beside the log."
)
TIMESTAMPS_UNREAD: Final = (
    "When the entries were there: timestamps stand beside the log, and were not looked at without "
    "--tsa-ca."
)
NOT_IN_A_URL: Final = (
    "What the log signed before, and timestamps: they lie in an exported folder, not under an "
    "address."
)


def require_prefix(
    name: str, checkpoint: Checkpoint, head: Checkpoint | None, hashed: HashedLog | None
) -> str:
    """Return in words that the log begins with the tree that a checkpoint signs.

    Args:
        name: of the checkpoint, for people.
        hashed: with the root of a tree of the checkpoint's size, if it is not larger than the log.

    Raises:
        LogError: another log's, larger than the log (omitted tail), or over other entries (fork).
        AttestError: there is no head or no hashed log to compare with.
    """
    newest = known(head, "the log's checkpoint")
    if checkpoint.origin != newest.origin:
        raise LogError(
            f"{name} is of the log {checkpoint.origin}, this one is {newest.origin}",
            code="log.origin",
        )
    if checkpoint.tree_size > newest.tree_size:
        raise LogError(
            f"omitted tail: {name} was signed over {checkpoint.tree_size} entries, the log shows "
            f"{newest.tree_size}",
            code="log.omitted_tail",
        )
    if known(hashed, "the tiles").roots[checkpoint.tree_size] != checkpoint.root_hash:
        raise LogError(
            f"fork: the first {checkpoint.tree_size} entries of the log are others than {name} was "
            "signed over",
            code="log.fork",
        )
    later = newest.tree_size - checkpoint.tree_size
    size = counted(checkpoint.tree_size, "entry", "entries")
    return f"{size}, and {later} more since"


class EarlierCheckpoints:
    """What an exported folder holds beside the tiles: all earlier checkpoints, and timestamps."""

    def __init__(self, source: LogSource | None, trust: LogTrust) -> None:
        """Look nowhere yet; without a source, or under an address, nothing is found."""
        self.roots: dict[int, bytes] = {}
        self._source = source if isinstance(source, FolderSource) else None
        self._is_folder = source is None or self._source is not None
        self._trust = trust
        self._origins: set[str] = set()
        self._fault: AttestError | None = None

    def read(self) -> None:
        """Open every earlier checkpoint; a fault is kept until it is asked for."""
        if self._source is None:
            return
        try:
            for name in self._source.names(CHECKPOINTS):
                self._read(self._source, name)
        except AttestError as error:
            self._fault = error

    def look(
        self,
        findings: Findings,
        tsa_ca: bytes | None,
        head: Checkpoint | None,
        hashed: HashedLog | None,
    ) -> list[str]:
        """Add what is found, and return what it cannot show."""
        if not self._is_folder:
            return [NOT_IN_A_URL]
        if self.roots or self._fault is not None:
            self._look_at_checkpoints(findings, head, hashed)
        return self._look_at_timestamps(findings, tsa_ca)

    def _read(self, source: FolderSource, name: str) -> None:
        path = f"{CHECKPOINTS}/{name}"
        if _SIZE.fullmatch(name) is None:
            raise LogError(f"{path}: not named by a tree size", code="log.checkpoint")
        try:
            checkpoint = self._trust.open_earlier(source.read(path, MAX_NOTE_BYTES))
        except AttestError as error:
            if error.code == "note.unknown_key":
                raise LogError(
                    f"{path}: {error.message}; if the log had another key then, give that as "
                    "--vkey as well",
                    code=error.code,
                ) from error
            raise _at(path, error) from error
        if checkpoint.tree_size != int(name):
            raise LogError(
                f"{path}: it is signed over {checkpoint.tree_size} entries", code="log.checkpoint"
            )
        self.roots[checkpoint.tree_size] = checkpoint.root_hash
        self._origins.add(checkpoint.origin)

    def _look_at_checkpoints(
        self, findings: Findings, head: Checkpoint | None, hashed: HashedLog | None
    ) -> None:
        with findings.look_at(
            "log.checkpoints",
            "Every earlier checkpoint is signed, and the log begins with its tree",
        ) as note:
            if self._fault is not None:
                raise self._fault
            newest = known(head, "the log's checkpoint")
            if self._origins != {newest.origin}:
                raise LogError(
                    f"{CHECKPOINTS}/ holds checkpoints of {', '.join(sorted(self._origins))}",
                    code="log.origin",
                )
            for size, root in self.roots.items():
                earlier = Checkpoint(newest.origin, size, root)
                require_prefix(f"{CHECKPOINTS}/{size}", earlier, newest, hashed)
            note.detail = counted(len(self.roots), "checkpoint")

    def _look_at_timestamps(self, findings: Findings, tsa_ca: bytes | None) -> list[str]:
        source = self._source
        if source is None:
            return [NO_TIMESTAMPS]
        if tsa_ca is None:
            return [TIMESTAMPS_UNREAD if _holds_any(source, TIMESTAMPS) else NO_TIMESTAMPS]
        with findings.look_at(
            "log.timestamps", "Every timestamp is an authority's, over the checkpoint it stands by"
        ) as note:
            note.detail = _require_timestamps(source, source.names(TIMESTAMPS), tsa_ca)
        return []


def _holds_any(source: FolderSource, path: str) -> bool:
    try:
        return bool(source.names(path))
    except AttestError:
        return True  # something that cannot be listed is there


def _require_timestamps(source: FolderSource, sizes: Sequence[str], tsa_ca: bytes) -> str:
    from muniment.attest.timestamp import verify_timestamp

    times = []
    for size in sizes:
        folder = f"{TIMESTAMPS}/{size}"
        names = source.names(folder)
        if not names:
            raise LogError(f"{folder}: holds no timestamp", code="log.timestamp")
        for name in names:
            path = f"{folder}/{name}"
            try:
                note = source.read(f"{CHECKPOINTS}/{size}", MAX_NOTE_BYTES)
                token = source.read(path, MAX_TOKEN_BYTES)
                times.append(verify_timestamp(token, note, tsa_ca))
            except AttestError as error:
                raise _at(path, error) from error
    if not times:
        raise LogError("--tsa-ca was given, and there is no timestamp", code="log.no_timestamp")
    first, last = (f"{time:%Y-%m-%dT%H:%M:%SZ}" for time in (min(times), max(times)))
    return f"{counted(len(times), 'timestamp')}, from {first} to {last}"


def _at(path: str, error: AttestError) -> LogError:
    message = error.message if error.message.startswith(path) else f"{path}: {error.message}"
    return LogError(message, code=error.code)
