"""Timestamps: an independent clock says by when each checkpoint existed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import structlog
from django.core.cache import cache

from audits.advisory_lock import try_advisory_lock
from audits.errors import SettingsRefused
from audits.independent import TimestampAuthority, timestamp_authority
from audits.models import LogCheckpoint, LogTimestamp
from audits.outbound import Answer, NoAnswer, Post, post_all
from audits.services import alarms
from muniment.attest.errors import TimestampError
from muniment.attest.timestamp import (
    MAX_TOKEN_BYTES,
    QUERY_TYPE,
    REPLY_TYPE,
    TimestampRequest,
    verify_timestamp,
)

# Asked for at the same time; the rest of a backlog waits for the next run, two seconds later.
BATCH: Final = 8
LONGEST_WITHOUT: Final = timedelta(hours=1)
# A clock that is further from ours says nothing that could be relied on: one of the two is wrong.
MAX_SKEW: Final = timedelta(minutes=5)
REST_AFTER_FAILURE: Final = timedelta(seconds=30)
_LOCK = 0x6D756E69747361  # "munitsa"
_COMPLETE_TO = "audits.timestamps.complete_to"
_FAILED_AT = "audits.timestamps.failed_at"

logger = structlog.get_logger(__name__)


def timestamp_checkpoints(*, now: datetime) -> int:
    """Fetch tokens for checkpoints that have none, the newest first; return how many.

    When the last token is older than an hour, the newest checkpoint gets another one. A failure
    raises an alarm and rests half a minute; it holds up nothing else. With another such run at
    work, or without a TSA in the settings, this does nothing.
    """
    try:
        authority = timestamp_authority()
    except SettingsRefused as error:
        _alarm(str(error), now)
        return 0
    if authority is None:
        return 0
    with try_advisory_lock(_LOCK) as is_only:
        failed_at = cache.get(_FAILED_AT)
        if not is_only or (failed_at is not None and now < failed_at + REST_AFTER_FAILURE):
            return 0
        wanted = _wanted(now)
        if not wanted:
            return 0
        tokens, reasons = _fetch(authority, wanted, now)
        LogTimestamp.objects.bulk_create(tokens)
        if reasons:
            cache.set(_FAILED_AT, now, timeout=REST_AFTER_FAILURE.total_seconds())
            newest = wanted[0].tree_size
            _alarm(
                f"{authority.host} gave no timestamp for the checkpoint over {newest} entries: "
                f"{reasons[0]}. Look at whether it answers, at MUNIMENT_TSA_URL and at "
                "MUNIMENT_TSA_CA_FILE",
                now,
            )
        else:
            alarms.clear_alarm(alarms.LOG_NOT_TIMESTAMPED, now=now)
        return len(tokens)


def _wanted(now: datetime) -> list[LogCheckpoint]:
    """Return the checkpoints to ask for, the newest first."""
    newest = LogCheckpoint.objects.order_by("-tree_size").first()
    if newest is None:
        return []
    # Where everything has a token already is remembered, so that a long log is not searched
    # every two seconds; it is forgotten hourly.
    complete_to = cache.get(_COMPLETE_TO, -1)
    missing = list(
        LogCheckpoint.objects.filter(
            tree_size__gt=complete_to, tree_size__lte=newest.tree_size, timestamps__isnull=True
        ).order_by("-tree_size")[:BATCH]
    )
    if not missing and newest.tree_size > complete_to:
        cache.set(_COMPLETE_TO, newest.tree_size, timeout=LONGEST_WITHOUT.total_seconds())
    last = LogTimestamp.objects.order_by("-stamped_at").first()
    is_due = last is None or now - last.stamped_at >= LONGEST_WITHOUT
    return [newest, *missing][:BATCH] if is_due and newest not in missing else missing


def _fetch(
    authority: TimestampAuthority, wanted: Sequence[LogCheckpoint], now: datetime
) -> tuple[list[LogTimestamp], list[str]]:
    """Return the tokens that can be believed, and why others cannot."""
    requests = [TimestampRequest.for_content(bytes(item.note)) for item in wanted]
    answers = post_all(
        [
            Post(authority.url, request.der, QUERY_TYPE, REPLY_TYPE, MAX_TOKEN_BYTES)
            for request in requests
        ]
    )
    tokens, reasons = [], []
    for checkpoint, request, answer in zip(wanted, requests, answers, strict=True):
        try:
            token, stamped_at = _read(authority, checkpoint, request, answer, now)
        except TimestampError as error:
            reasons.append(error.message)
            logger.warning("log.not_timestamped", tree_size=checkpoint.tree_size, code=error.code)
        else:
            tokens.append(LogTimestamp(checkpoint=checkpoint, token=token, stamped_at=stamped_at))
    return tokens, reasons


def _read(
    authority: TimestampAuthority,
    checkpoint: LogCheckpoint,
    request: TimestampRequest,
    answer: Answer | NoAnswer,
    now: datetime,
) -> tuple[bytes, datetime]:
    if isinstance(answer, NoAnswer):
        raise TimestampError(answer.reason, code="timestamp.no_answer")
    if answer.status != 200 or answer.content_type != REPLY_TYPE:
        kind = answer.content_type[:80] or "no content type"
        raise TimestampError(
            f"it answered HTTP {answer.status} with {kind!a}, not {REPLY_TYPE}",
            code="timestamp.no_answer",
        )
    token = request.read_response(answer.content)
    stamped_at = verify_timestamp(token, bytes(checkpoint.note), authority.roots)
    if abs(stamped_at - now) > MAX_SKEW:
        raise TimestampError(
            f"its clock says {stamped_at:%Y-%m-%d %H:%M:%S} and ours {now:%Y-%m-%d %H:%M:%S} UTC: "
            "one of the two is wrong",
            code="timestamp.clock",
        )
    return token, stamped_at


def _alarm(why: str, now: datetime) -> None:
    alarms.raise_alarm(
        alarms.LOG_NOT_TIMESTAMPED,
        f"Checkpoints are not timestamped. {why.rstrip('.')}. The log goes on meanwhile; what is "
        "missing is fetched as soon as that works.",
        now=now,
    )
