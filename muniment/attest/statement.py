"""in-toto Statements: what is claimed, about what, and where in its model's stream.

Source: https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from muniment.attest.digest import Digest, canonical_json
from muniment.attest.errors import DigestError, StatementError
from muniment.attest.strict_json import parse_object

STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
MAX_STATEMENT_BYTES: Final = 1_000_000
STREAM_KEYS: Final = ("stream", "stream_seq", "previous")
_MODEL_PREFIX: Final = "muniment://"
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Subject:
    """What a statement is about: a name, and the digest of its content."""

    name: str
    digest: Digest

    def __post_init__(self) -> None:
        if not self.name:
            raise StatementError("a subject has a name", code="statement.subject")


@dataclass(frozen=True, slots=True)
class StreamPosition:
    """Where a statement stands among all statements about one registered model.

    Attributes:
        stream: the model URI.
        stream_seq: 0, 1, 2, … without gaps.
        previous: SHA-256 of the exact bytes of the stream's envelope before this one; None
            at 0 and only there.
    """

    stream: str
    stream_seq: int
    previous: Digest | None

    def __post_init__(self) -> None:
        if not self.stream.startswith(_MODEL_PREFIX):
            raise StatementError(f"not a model URI: {self.stream[:200]!r}", code="statement.stream")
        if self.stream_seq < 0 or (self.stream_seq == 0) != (self.previous is None):
            raise StatementError(
                "a stream starts at 0 without a previous envelope, and every later statement "
                "names one",
                code="statement.stream",
            )
        if self.previous is not None and self.previous.algorithm != "sha256":
            raise StatementError(
                "the previous envelope is named by SHA-256", code="statement.stream"
            )

    def as_predicate(self) -> dict[str, object]:
        """Return the three keys as they stand inside a predicate."""
        previous = None if self.previous is None else self.previous.as_set()
        return {"stream": self.stream, "stream_seq": self.stream_seq, "previous": previous}


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement as read.

    Attributes:
        subjects: at least one.
        predicate: as written, stream keys and unknown keys included.
        position: None for a statement that is not about a model.
    """

    subjects: tuple[Subject, ...]
    predicate_type: str
    predicate: Mapping[str, Any]
    position: StreamPosition | None


def build_statement(
    *,
    subjects: Sequence[Subject],
    predicate_type: str,
    predicate: Mapping[str, object],
    position: StreamPosition | None = None,
) -> bytes:
    """Return the canonical JSON of a statement, ready to be signed.

    Args:
        subjects: at least one.
        predicate_type: one of ``PREDICATE_TYPES``.
        predicate: without the stream's three keys; those come from ``position``.
        position: for every statement about a registered model.

    Raises:
        StatementError: no subject, an unknown predicate type, or a predicate that its JSON
            Schema does not allow (an unknown key included); the message holds the path.
    """
    from muniment.attest.predicates import require_predicate

    if not subjects:
        raise StatementError("a statement has a subject", code="statement.subject")
    clashing = [key for key in STREAM_KEYS if key in predicate]
    if clashing:
        raise StatementError(
            f"{', '.join(clashing)} come from the stream position", code="statement.stream"
        )
    whole = {**predicate, **(position.as_predicate() if position is not None else {})}
    try:
        content = canonical_json(
            {
                "_type": STATEMENT_TYPE,
                "subject": [
                    {"name": subject.name, "digest": subject.digest.as_set()}
                    for subject in subjects
                ],
                "predicateType": predicate_type,
                "predicate": whole,
            }
        )
    except DigestError as error:
        raise StatementError(error.message, code="statement.json") from error
    require_predicate(predicate_type, whole)
    return content


def parse_statement(content: bytes) -> Statement:
    """Read a statement. Unknown members are ignored, at the top and in the predicate.

    The predicate's own shape is not checked here: see ``predicates.require_readable``.

    Raises:
        StatementError: not strict JSON, another ``_type``, no subject, a malformed one, a
            predicate that is not an object, or stream keys that are incomplete or contradict
            each other.
    """
    parsed = parse_object(
        content, error=StatementError, what="the statement", max_bytes=MAX_STATEMENT_BYTES
    )
    if parsed.get("_type") != STATEMENT_TYPE:
        raise StatementError("not an in-toto Statement v1", code="statement.type")
    listed = parsed.get("subject")
    if not isinstance(listed, list) or not listed:
        raise StatementError("a statement has a subject", code="statement.subject")
    predicate_type = parsed.get("predicateType")
    if not isinstance(predicate_type, str) or not predicate_type:
        raise StatementError("a statement has a predicateType")
    predicate = parsed.get("predicate")
    if not isinstance(predicate, dict):
        raise StatementError("a predicate is a JSON object")
    subjects = tuple(_parse_subject(item) for item in listed)
    return Statement(subjects, predicate_type, predicate, _parse_position(predicate))


def require_own_stream(statement: Statement) -> None:
    """Accept a statement about a registered model, or a version of one, only in its stream.

    Otherwise it would stand in the log and be missed by whoever follows the stream.

    Raises:
        StatementError: no stream, or another's.
    """
    for subject in statement.subjects:
        if not subject.name.startswith(_MODEL_PREFIX):
            continue
        stream = statement.position.stream if statement.position else None
        if stream is None or not f"{subject.name}/".startswith(f"{stream}/"):
            where = "in no stream" if stream is None else f"in the stream {stream[:200]}"
            raise StatementError(
                f"a statement about {subject.name[:200]} stands {where}", code="statement.stray"
            )


def format_time(at: datetime) -> str:
    """Write a time as statements do: RFC 3339, UTC, six decimals, ``Z``.

    Law: ``parse_time(format_time(at)) == at``.

    Raises:
        StatementError: a time without a zone.
    """
    if at.tzinfo is None:
        raise StatementError("a time without a zone", code="statement.time")
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f").rjust(26, "0") + "Z"


def parse_time(text: str) -> datetime:
    """Read a time that ``format_time`` wrote.

    Raises:
        StatementError: any other form, or no such time.
    """
    if _TIME.fullmatch(text) is None:
        raise StatementError(f"not a time: {text[:40]!r}", code="statement.time")
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise StatementError(f"no such time: {text}", code="statement.time") from error


def _parse_subject(item: object) -> Subject:
    if not isinstance(item, dict) or not isinstance(item.get("name"), str):
        raise StatementError("a subject has a name and a digest", code="statement.subject")
    try:
        return Subject(item["name"], Digest.from_set(item.get("digest")))
    except DigestError as error:
        raise StatementError(
            f"the subject {item['name'][:200]!r}: {error.message}", code="statement.subject"
        ) from error


def _parse_position(predicate: Mapping[str, Any]) -> StreamPosition | None:
    present = [key for key in STREAM_KEYS if key in predicate]
    if not present:
        return None
    if len(present) != len(STREAM_KEYS):
        raise StatementError(
            f"a statement has all of {', '.join(STREAM_KEYS)} or none", code="statement.stream"
        )
    stream, stream_seq, previous = (predicate[key] for key in STREAM_KEYS)
    if not isinstance(stream, str) or type(stream_seq) is not int:
        raise StatementError("stream is text and stream_seq a number", code="statement.stream")
    try:
        digest = None if previous is None else Digest.from_set(previous)
    except DigestError as error:
        raise StatementError(f"previous: {error.message}", code="statement.stream") from error
    return StreamPosition(stream, stream_seq, digest)
