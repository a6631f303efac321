"""Witnesses: independent parties who saw that the log only grew, and say so under its checkpoints.

Source: https://c2sp.org/tlog-witness.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog
from django.core.cache import cache
from django.db import transaction

from audits.advisory_lock import try_advisory_lock
from audits.errors import AuditsError
from audits.independent import witness_policy
from audits.log_tree import tree_reader
from audits.models import LogCheckpoint, LogCosignature, LogPublication
from audits.outbound import Answer, NoAnswer, Post, post_all
from audits.selectors import cosigned_note, latest_checkpoint
from audits.services import alarms
from muniment.attest.encoding import encode_base64
from muniment.attest.errors import NoteError, TileError
from muniment.attest.log_policy import LogPolicy, PolicyWitness
from muniment.attest.note import parse_note

MAX_ANSWER_BYTES: Final = 16_384
# A witness whose clock is further from ours says nothing about when.
MAX_SKEW: Final = timedelta(minutes=5)
REST_AFTER_FAILURE: Final = timedelta(seconds=30)
_REST_SECONDS: Final = REST_AFTER_FAILURE.total_seconds()
SIZE_TYPE: Final = "text/x.tlog.size"
_SIZE = re.compile(rb"(0|[1-9][0-9]{0,18})\n")
_REFUSALS: Final = {
    403: "it does not trust this log's key: give its operator the log's vkey",
    404: "it does not know this log: give its operator the log's vkey",
    422: "it refuses the consistency proof: what it saw earlier is not the beginning of this log",
}
_RECENT = 1000  # cosignatures that are looked through for where each witness is
_LOCK = 0x6D756E697769746E  # "muniwitn"

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Said:
    """A cosignature that verified, of the checkpoint at hand."""

    line: str
    at: datetime


@dataclass(frozen=True, slots=True)
class _IsAt:
    """The witness last cosigned another size than we assumed."""

    tree_size: int


@dataclass(frozen=True, slots=True)
class _Failed:
    """Nothing that counts; `reason` is for people."""

    reason: str


_Outcome = _Said | _IsAt | _Failed


def collect_cosignatures(*, now: datetime) -> int:
    """Ask the policy's witnesses to cosign the newest checkpoint; return how many did.

    What verifies is stored, and once the quorum is reached, so is the checkpoint with its
    cosignatures. A witness that fails is named in an alarm and left alone for half a minute; it
    holds up nobody else. With another such run at work, or without a policy, this does nothing.
    """
    try:
        policy = witness_policy()
    except AuditsError as error:
        alarms.raise_alarm(alarms.LOG_NOT_WITNESSED, str(error), now=now)
        return 0
    if policy is None:
        return 0
    with try_advisory_lock(_LOCK) as is_only:
        checkpoint = LogCheckpoint.objects.order_by("-tree_size").first()
        if not is_only or checkpoint is None:
            return 0
        try:
            return _collect(policy, checkpoint, now)
        except (NoteError, TileError) as error:
            alarms.raise_alarm(
                alarms.LOG_NOT_WITNESSED,
                f"The checkpoint over {checkpoint.tree_size} entries cannot be witnessed: "
                f"{error.message}. What the database holds is not what was signed: run `manage.py "
                "log verify`.",
                now=now,
            )
            return 0


def _collect(policy: LogPolicy, checkpoint: LogCheckpoint, now: datetime) -> int:
    cosigned = set(checkpoint.cosignatures.values_list("vkey", flat=True))
    missing = [
        witness
        for witness in policy.witnesses
        if witness.url is not None and witness.verifier.vkey not in cosigned
    ]
    reasons = _resting(missing, now)
    asked = [witness for witness in missing if witness not in reasons]
    said: dict[str, _Said] = {}
    for witness, outcome in zip(asked, _ask(asked, checkpoint, now), strict=True):
        if isinstance(outcome, _Said):
            said[witness.verifier.vkey] = outcome
        elif isinstance(outcome, _Failed):
            reasons[witness] = outcome.reason
            cache.set(_failure_key(witness), (now, outcome.reason), _REST_SECONDS)
            logger.warning("log.not_witnessed", witness=witness.printed_name, reason=outcome.reason)
    _store(policy, checkpoint, said, now)
    if reasons:
        _alarm(policy, checkpoint, reasons, now)
    else:
        alarms.clear_alarm(alarms.LOG_NOT_WITNESSED, now=now)
    return len(said)


def _ask(
    witnesses: Sequence[PolicyWitness], checkpoint: LogCheckpoint, now: datetime
) -> list[_Outcome]:
    """Ask all at once; those that are at another size once more, from there."""
    if not witnesses:
        return []
    sizes = _last_sizes(checkpoint.tree_size)
    starts = [sizes.get(witness.verifier.vkey, 0) for witness in witnesses]
    outcomes = _submit(witnesses, starts, checkpoint, now)
    behind = [place for place, outcome in enumerate(outcomes) if isinstance(outcome, _IsAt)]
    again = _submit(
        [witnesses[place] for place in behind],
        [outcome.tree_size for outcome in outcomes if isinstance(outcome, _IsAt)],
        checkpoint,
        now,
    )
    for place, outcome in zip(behind, again, strict=True):
        outcomes[place] = (
            _Failed(f"it says that it is at {outcome.tree_size} entries, and then that it is not")
            if isinstance(outcome, _IsAt)
            else outcome
        )
    return outcomes


def _submit(
    witnesses: Sequence[PolicyWitness],
    starts: Sequence[int],
    checkpoint: LogCheckpoint,
    now: datetime,
) -> list[_Outcome]:
    reader = tree_reader(checkpoint.tree_size)
    note = bytes(checkpoint.note)
    posts = []
    for witness, start in zip(witnesses, starts, strict=True):
        proof = "".join(f"{encode_base64(value)}\n" for value in reader.consistency_proof(start))
        posts.append(
            Post(
                f"{(witness.url or '').rstrip('/')}/add-checkpoint",
                f"old {start}\n{proof}\n".encode() + note,
                "text/plain; charset=utf-8",
                "*/*",
                MAX_ANSWER_BYTES,
            )
        )
    return [
        _judge(witness, start, checkpoint, answer, now)
        for witness, start, answer in zip(witnesses, starts, post_all(posts), strict=True)
    ]


def _judge(
    witness: PolicyWitness,
    start: int,
    checkpoint: LogCheckpoint,
    answer: Answer | NoAnswer,
    now: datetime,
) -> _Outcome:
    if isinstance(answer, NoAnswer):
        return _Failed(answer.reason)
    if answer.status == 200:
        return _cosignature(witness, checkpoint, answer.content, now)
    if answer.status != 409:
        reason = _REFUSALS.get(answer.status, "which is no answer that a witness gives")
        return _Failed(f"HTTP {answer.status}, {reason}")
    size = _SIZE.fullmatch(answer.content) if answer.content_type == SIZE_TYPE else None
    if size is None and start != checkpoint.tree_size:
        return _Failed("HTTP 409, without the size of the log that it has seen")
    tree_size = start if size is None else int(size[1])
    if tree_size > checkpoint.tree_size:
        return _Failed(
            f"it has seen {tree_size} entries of this log, and here are only "
            f"{checkpoint.tree_size}: the database is not the newest; see docs/log-recovery.md"
        )
    if tree_size != start:
        return _IsAt(tree_size)
    if start != checkpoint.tree_size:
        return _Failed(f"HTTP 409, though it was asked from the {start} entries that it has seen")
    return _Failed(
        f"it has seen another tree of {start} entries: there are two histories of this log; "
        "see docs/log-recovery.md"
    )


def _cosignature(
    witness: PolicyWitness, checkpoint: LogCheckpoint, content: bytes, now: datetime
) -> _Outcome:
    """Keep the witness's own line, if it verifies over exactly this checkpoint."""
    note = bytes(checkpoint.note)
    try:
        signed, answered = parse_note(note), parse_note(note + content)
    except NoteError as error:
        return _Failed(f"it did not answer with signature lines: {error.message}")
    # An empty line in the answer would make the note's text end elsewhere.
    if answered.text != signed.text:
        return _Failed("it did not answer with signature lines alone")
    verifier = witness.verifier
    reason = "its answer holds no signature by its key"
    for signature in answered.signatures[len(signed.signatures) :]:
        if (signature.name, signature.key_hash) != (verifier.name, verifier.key_hash):
            continue
        try:
            at = _time(verifier.verify(signed.text, signature.signature))
        except NoteError as error:
            reason = error.message
            continue
        if checkpoint.signed_at - MAX_SKEW <= at <= now + MAX_SKEW:
            return _Said(signature.line, at)
        reason = f"it says that it signed at {at:%Y-%m-%d %H:%M:%S} UTC: its clock or ours is wrong"
    return _Failed(reason)


def _time(timestamp: int | None) -> datetime:
    try:
        return datetime.fromtimestamp(timestamp or 0, UTC)
    except (OverflowError, ValueError, OSError) as error:
        raise NoteError("it says that it signed at no time there is", code="note.time") from error


def _store(
    policy: LogPolicy, checkpoint: LogCheckpoint, said: dict[str, _Said], now: datetime
) -> None:
    with transaction.atomic():
        LogCosignature.objects.bulk_create(
            LogCosignature(checkpoint=checkpoint, vkey=vkey, line=item.line, cosigned_at=item.at)
            for vkey, item in said.items()
        )
        if policy.quorum is None or LogPublication.objects.filter(checkpoint=checkpoint).exists():
            return
        note = cosigned_note(checkpoint, policy)
        try:
            policy.open_checkpoint(note)
        except NoteError as error:
            if error.code != "policy.quorum_not_reached":
                raise
        else:
            LogPublication.objects.create(checkpoint=checkpoint, note=note, published_at=now)


def _last_sizes(tree_size: int) -> dict[str, int]:
    """Return the last size that each witness cosigned, as far as it is recent.

    One that is not found is asked from 0, and tells where it is.
    """
    recent = LogCosignature.objects.filter(checkpoint_id__lte=tree_size).order_by("-checkpoint_id")
    sizes: dict[str, int] = {}
    for vkey, size in recent.values_list("vkey", "checkpoint_id")[:_RECENT]:
        sizes.setdefault(vkey, size)
    return sizes


def _failure_key(witness: PolicyWitness) -> str:
    return f"audits.witnesses.failure.{witness.verifier.public_key.hex()}"


def _resting(witnesses: Sequence[PolicyWitness], now: datetime) -> dict[PolicyWitness, str]:
    """Return those that failed just now, and why."""
    resting = {}
    for witness in witnesses:
        failed_at, reason = cache.get(_failure_key(witness), (None, ""))
        if failed_at is not None and now < failed_at + REST_AFTER_FAILURE:
            resting[witness] = reason
    return resting


def _alarm(
    policy: LogPolicy,
    checkpoint: LogCheckpoint,
    reasons: Mapping[PolicyWitness, str],
    now: datetime,
) -> None:
    names = "; ".join(f"{witness.printed_name}: {why}" for witness, why in reasons.items())
    shown = latest_checkpoint()
    if policy.quorum is None:
        effect = "No cosignature is required: the log goes on"
    elif shown is not None and shown.tree_size == checkpoint.tree_size:
        effect = f"The quorum ({policy.words}) is reached without: the log goes on"
    else:
        size = 0 if shown is None else shown.tree_size
        effect = (
            f"The quorum ({policy.words}) is not reached: nothing after entry {size} is shown as "
            "proven, and no promotion that rests on it is executed"
        )
    alarms.raise_alarm(
        alarms.LOG_NOT_WITNESSED,
        f"The checkpoint over {checkpoint.tree_size} entries is not cosigned by every witness. "
        f"{names}. {effect}. They are asked again every half minute: see whether they answer, and "
        "talk to who runs them.",
        now=now,
    )
