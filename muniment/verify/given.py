"""What an auditor gives to be verified, recognised by its content."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from muniment.attest.bundle import MAX_BUNDLE_FILE_BYTES
from muniment.attest.errors import AttestError
from muniment.attest.note import parse_note
from muniment.attest.proof import HEADER
from muniment.attest.strict_json import parse_object
from muniment.verify.errors import GivenError

REPORT: Final = "report"
BUNDLE: Final = "bundle"
ENTRY: Final = "entry"
CHECKPOINTS: Final = "checkpoints"
LOG: Final = "log"
_ENVELOPE: Final = "envelope"
_PROOF: Final = "proof"
_CHECKPOINT: Final = "checkpoint"
_PDF: Final = b"%PDF-"
_NAMES: Final = {
    REPORT: "a report",
    LOG: "a log",
    BUNDLE: "a bundle",
    _ENVELOPE: "an envelope",
    _PROOF: "an inclusion proof",
    _CHECKPOINT: "a checkpoint",
}


@dataclass(frozen=True, slots=True)
class Given:
    """What was given.

    Attributes:
        kind: ``report``, ``bundle``, ``entry``, ``checkpoints`` or ``log``.
        places: as they were named; of an entry the envelope first, then the proof.
        contents: of the files, in that order; empty of a log, and of a report, which is larger.
    """

    kind: str
    places: tuple[str, ...]
    contents: tuple[bytes, ...] = ()


def is_log(place: str) -> bool:
    """Whether a place is a log: an http(s) address, or a folder."""
    return place.lower().startswith(("http://", "https://")) or Path(place).is_dir()


def recognise(places: Sequence[str]) -> Given:
    """Look into one or two places and say what is there.

    Raises:
        GivenError: a file that cannot be read or is nothing that is known, one that needs another
            beside it, or two that do not belong together.
    """
    looked = [(place, *_look(place)) for place in places]
    if len(looked) == 1:
        [(place, kind, content)] = looked
        if kind in (REPORT, LOG):
            return Given(kind, (place,))
        if kind == BUNDLE:
            return Given(BUNDLE, (place,), (content,))
        needed = {
            _ENVELOPE: "its inclusion proof (.tlog-proof)",
            _PROOF: "its envelope (.dsse.json)",
            _CHECKPOINT: "a second one (or give the log, and this one as --checkpoint)",
        }[kind]
        raise GivenError(
            f"{place} is {_NAMES[kind]}: give {needed} as well", code="given.incomplete"
        )
    kinds = sorted(kind for _, kind, _ in looked)
    if kinds == [_CHECKPOINT, _CHECKPOINT]:
        return Given(CHECKPOINTS, tuple(places), tuple(content for _, _, content in looked))
    if kinds == [_ENVELOPE, _PROOF]:
        looked.sort(key=lambda item: item[1])
        return Given(
            ENTRY,
            tuple(place for place, _, _ in looked),
            tuple(content for _, _, content in looked),
        )
    found = " and ".join(f"{place} is {_NAMES[kind]}" for place, kind, _ in looked)
    raise GivenError(
        f"{found}: two things go together if they are two checkpoints, or an envelope and its "
        "proof; a log beside a report or bundle is given as --log",
        code="given.pair",
    )


def _look(place: str) -> tuple[str, bytes]:
    try:
        if is_log(place):
            return LOG, b""
        with Path(place).open("rb") as stream:
            content = stream.read(len(_PDF))
            if content == _PDF:
                return REPORT, b""
            content += stream.read(MAX_BUNDLE_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a path"
        raise GivenError(f"cannot read {place}: {reason}", code="given.unreadable") from error
    if len(content) > MAX_BUNDLE_FILE_BYTES:
        raise GivenError(
            f"{place} has more than {MAX_BUNDLE_FILE_BYTES} bytes and is not a PDF",
            code="given.too_large",
        )
    return _kind_of(place, content), content


def _kind_of(place: str, content: bytes) -> str:
    if content.startswith(HEADER.encode() + b"\n"):
        return _PROOF
    if content.lstrip(b" \t\r\n").startswith(b"{"):
        # Only to tell one from the other; each is parsed again by what it is verified by.
        parsed = parse_object(
            content, error=GivenError, what=place, max_bytes=MAX_BUNDLE_FILE_BYTES
        )
        return _ENVELOPE if "payloadType" in parsed else BUNDLE
    try:
        parse_note(content)
    except AttestError as error:
        raise GivenError(
            f"{place} is no report (PDF), bundle, envelope, inclusion proof or checkpoint",
            code="given.unknown",
        ) from error
    return _CHECKPOINT
