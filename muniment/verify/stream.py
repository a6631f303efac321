"""Completeness: a model's stream of statements, without a gap and without a fork."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from muniment.attest.statement import Statement, StreamPosition
from muniment.verify.errors import ReportError


@dataclass(frozen=True, slots=True)
class StreamEntry:
    """A statement of a stream.

    Attributes:
        sha256: of its envelope's exact bytes, in hexadecimal: what the next one names.
        payload_sha256: of the statement's own bytes.
    """

    leaf_index: int
    sha256: str
    payload_sha256: str
    statement: Statement


def require_whole_stream(stream: str, entries: Sequence[StreamEntry]) -> list[StreamEntry]:
    """Return the stream in order if it starts at 0 and each statement names the one before.

    Args:
        stream: the model URI.
        entries: statements with a stream position, in any order.

    Raises:
        ReportError: none at all, a statement of another stream, a number missing (gap), a
            number twice or a wrong predecessor (fork), or a place in the log before its
            predecessor's.
    """
    if not entries:
        raise ReportError(f"no statement about {stream}", code="stream.empty")
    placed: dict[int, tuple[StreamEntry, StreamPosition]] = {}
    for entry in entries:
        position = entry.statement.position
        if position is None or position.stream != stream:
            where = "no stream" if position is None else position.stream
            raise ReportError(
                f"leaf {entry.leaf_index} is of {where}, not of {stream}", code="stream.foreign"
            )
        other, _ = placed.setdefault(position.stream_seq, (entry, position))
        if other is not entry:
            raise ReportError(
                f"fork: leaves {other.leaf_index} and {entry.leaf_index} are both "
                f"number {position.stream_seq} of the stream",
                code="stream.fork",
            )
    ordered: list[StreamEntry] = []
    for number, (entry, position) in enumerate(placed[key] for key in sorted(placed)):
        if position.stream_seq != number:
            raise ReportError(
                f"gap: number {number} of the stream is missing, "
                f"{position.stream_seq} follows {number - 1 if number else 'nothing'}",
                code="stream.gap",
            )
        if ordered:
            _require_follows(entry, position, ordered[-1])
        ordered.append(entry)
    return ordered


@dataclass(slots=True)
class StreamHeads:
    """Every stream of a log, followed along the log: only the last statement of each is kept.

    Attributes:
        lengths: the number of statements of each stream, by its URI.
    """

    lengths: dict[str, int] = field(default_factory=dict)
    _last: dict[str, tuple[int, str]] = field(default_factory=dict)

    def follow(self, entry: StreamEntry) -> None:
        """Take the next entry that has a stream position, in log order.

        After a refusal the stream goes on from the refused entry, so that one fault is told once.

        Raises:
            ReportError: a number left out (gap), a number again or another predecessor (fork).
        """
        position = entry.statement.position
        if position is None:
            return
        stream, number = position.stream, position.stream_seq
        expected = self.lengths.get(stream, 0)
        before = self._last.get(stream)
        self.lengths[stream] = number + 1
        self._last[stream] = (entry.leaf_index, entry.sha256)
        if number > expected:
            raise ReportError(
                f"gap: leaf {entry.leaf_index} is number {number} of {stream[:200]}, where "
                f"number {expected} had to follow",
                code="stream.gap",
            )
        if number < expected:
            raise ReportError(
                f"fork: leaf {entry.leaf_index} is number {number} of {stream[:200]} again, where "
                f"number {expected} had to follow",
                code="stream.fork",
            )
        if before is not None and (position.previous is None or position.previous.hex != before[1]):
            raise ReportError(
                f"fork: leaf {entry.leaf_index}, number {number} of {stream[:200]}, follows "
                f"another envelope than the one before it (leaf {before[0]})",
                code="stream.fork",
            )


def _require_follows(entry: StreamEntry, position: StreamPosition, before: StreamEntry) -> None:
    if position.previous is None or position.previous.hex != before.sha256:
        raise ReportError(
            f"fork: number {position.stream_seq} of the stream (leaf {entry.leaf_index}) follows "
            f"another envelope than the one before it (leaf {before.leaf_index})",
            code="stream.fork",
        )
    # It holds the digest of its predecessor's bytes, which must have been there first.
    if entry.leaf_index <= before.leaf_index:
        raise ReportError(
            f"number {position.stream_seq} of the stream stands in the log before its predecessor",
            code="stream.order",
        )
