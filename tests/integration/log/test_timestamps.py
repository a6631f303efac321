"""Checkpoints get tokens of a real TSA; one that lies, hangs or is away stops nothing."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.utils import timezone

from audits.models import Alarm, LogCheckpoint, LogTimestamp
from audits.services.alarms import LOG_NOT_TIMESTAMPED
from audits.services.timestamps import BATCH, timestamp_checkpoints
from muniment.attest.timestamp import REPLY_TYPE, verify_timestamp
from tests.integration.log.loopback import Loopback, Reply, serving
from tests.integration.log.tsa import answering
from tests.integration.log.writing import append, sequence_all
from tests.timestamp_authority import TimestampAuthority

LATER = timedelta(seconds=31)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> TimestampAuthority:
    return TimestampAuthority(tmp_path_factory.mktemp("tsa"), uses_rsa=True)


@pytest.fixture
def tsa(authority: TimestampAuthority, settings: Any) -> Iterator[Loopback]:
    with serving(answering(authority)) as server:
        settings.TSA_URL = f"{server.url}/tsr"
        settings.TSA_CA_FILE = str(authority.root_file)
        yield server


def _checkpoint(count: int = 1) -> None:
    for number in range(count):
        with transaction.atomic():
            append(after={"n": number})
        sequence_all(timezone.now())


def _open_alarm() -> str | None:
    alarm = Alarm.objects.filter(code=LOG_NOT_TIMESTAMPED, cleared_at__isnull=True).first()
    return alarm.message if alarm else None


def test_every_checkpoint_gets_a_token_that_openssl_accepts(
    authority: TimestampAuthority, tsa: Loopback
) -> None:
    _checkpoint(3)
    assert timestamp_checkpoints(now=timezone.now()) == 3
    assert timestamp_checkpoints(now=timezone.now()) == 0
    for checkpoint in LogCheckpoint.objects.all():
        [timestamp] = checkpoint.timestamps.all()
        token, note = bytes(timestamp.token), bytes(checkpoint.note)
        assert authority.openssl_accepts(token, note)
        told = verify_timestamp(token, note, authority.root_pem)
        assert told == timestamp.stamped_at
        assert abs(told - timezone.now()) < timedelta(minutes=1)
    assert _open_alarm() is None


def test_without_a_tsa_nothing_happens() -> None:
    _checkpoint()
    assert timestamp_checkpoints(now=timezone.now()) == 0
    assert not LogTimestamp.objects.exists()
    assert not Alarm.objects.exists()


def test_a_log_without_checkpoints_asks_nobody(tsa: Loopback) -> None:
    assert timestamp_checkpoints(now=timezone.now()) == 0
    assert tsa.asked == 0


def test_a_quiet_log_is_stamped_again_every_hour(tsa: Loopback) -> None:
    _checkpoint(2)
    timestamp_checkpoints(now=timezone.now())
    with connections["owner"].cursor() as cursor:
        cursor.execute("ALTER TABLE audits_log_timestamp_record DISABLE TRIGGER USER")
        cursor.execute(
            "UPDATE audits_log_timestamp_record SET stamped_at = stamped_at - interval '59 minutes'"
        )
    assert timestamp_checkpoints(now=timezone.now()) == 0
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "UPDATE audits_log_timestamp_record SET stamped_at = stamped_at - interval '1 minute'"
        )
    assert timestamp_checkpoints(now=timezone.now()) == 1
    assert timestamp_checkpoints(now=timezone.now()) == 0
    newest = LogCheckpoint.objects.latest("tree_size")
    assert newest.timestamps.count() == 2


def test_after_an_outage_the_newest_come_first(
    authority: TimestampAuthority, tsa: Loopback
) -> None:
    tsa.respond = lambda path, query: Reply(503)
    _checkpoint(BATCH + 3)
    now = timezone.now()
    assert timestamp_checkpoints(now=now) == 0
    message = _open_alarm()
    assert message is not None
    assert f"127.0.0.1 gave no timestamp for the checkpoint over {BATCH + 3} entries" in message
    assert "HTTP 503" in message
    asked = tsa.asked
    assert timestamp_checkpoints(now=now) == 0
    assert tsa.asked == asked  # a TSA that is down is left alone for a while
    tsa.respond = answering(authority)
    assert timestamp_checkpoints(now=now + LATER) == BATCH
    stamped = LogTimestamp.objects.order_by("-checkpoint_id").values_list("checkpoint_id")
    assert [size for (size,) in stamped] == list(range(BATCH + 3, 3, -1))
    assert _open_alarm() is None
    assert timestamp_checkpoints(now=now + LATER) == 3
    assert timestamp_checkpoints(now=now + LATER) == 0


def test_sequencing_goes_on_while_the_tsa_is_away(settings: Any, tsa: Loopback) -> None:
    tsa.stop()
    _checkpoint()
    timestamp_checkpoints(now=timezone.now())
    message = _open_alarm()
    assert message is not None
    assert "cannot be reached" in message
    _checkpoint()
    assert LogCheckpoint.objects.count() == 2


def _token_of_something_else(authority: TimestampAuthority) -> Callable[[str, bytes], Reply]:
    from asn1crypto import tsp

    def respond(path: str, query: bytes) -> Reply:
        request = tsp.TimeStampReq.load(query)
        request["message_imprint"]["hashed_message"] = hashlib.sha256(b"other").digest()
        return Reply(200, authority.reply(request.dump(force=True)), {"Content-Type": REPLY_TYPE})

    return respond


def _of(content: bytes, **more: Any) -> Callable[[TimestampAuthority], Callable[..., Reply]]:
    return lambda authority: (
        lambda path, query: Reply(content=content, headers={"Content-Type": REPLY_TYPE}, **more)
    )


def _as_html(authority: TimestampAuthority) -> Callable[[str, bytes], Reply]:
    honest = answering(authority)
    return lambda path, query: Reply(
        200, honest(path, query).content, {"Content-Type": "text/html"}
    )


def _redirecting(authority: TimestampAuthority) -> Callable[[str, bytes], Reply]:
    def respond(path: str, query: bytes) -> Reply:
        assert path == "/tsr", "the redirect was followed"
        return Reply(307, b"", {"Location": "/elsewhere"})

    return respond


@pytest.mark.parametrize(
    ("lie", "reason"),
    [
        (_token_of_something_else, "over other content"),
        (_of(b""), "not an answer of a TSA"),
        (_of(b"\x30\x80garbage"), "not an answer of a TSA"),
        (_of(bytes(10_000_000)), "larger than 100,000 bytes"),
        (_of(b"", status=204), "HTTP 204"),
        (_as_html, "with 'text/html', not application/timestamp-reply"),
        (_redirecting, "HTTP 307"),
    ],
)
def test_what_is_not_its_token_is_never_stored(
    authority: TimestampAuthority,
    tsa: Loopback,
    lie: Callable[[TimestampAuthority], Callable[[str, bytes], Reply]],
    reason: str,
) -> None:
    _checkpoint()
    tsa.respond = lie(authority)
    assert timestamp_checkpoints(now=timezone.now()) == 0
    assert not LogTimestamp.objects.exists()
    message = _open_alarm()
    assert message is not None
    assert reason in message
    tsa.respond = answering(authority)
    assert timestamp_checkpoints(now=timezone.now() + LATER) == 1
    assert _open_alarm() is None


def test_the_answer_to_another_question_is_not_stored(
    authority: TimestampAuthority, tsa: Loopback
) -> None:
    _checkpoint()
    honest, replies = answering(authority), []

    def respond(path: str, query: bytes) -> Reply:
        replies.append(honest(path, query))
        return replies[0]

    tsa.respond = respond
    timestamp_checkpoints(now=timezone.now())
    _checkpoint()
    timestamp_checkpoints(now=timezone.now())
    assert LogTimestamp.objects.count() == 1
    assert "answers another request" in (_open_alarm() or "")


def test_a_slow_drip_ends_in_time(tsa: Loopback) -> None:
    _checkpoint()
    tsa.respond = lambda path, query: Reply(drips=True)
    started = time.monotonic()
    assert timestamp_checkpoints(now=timezone.now()) == 0
    assert time.monotonic() - started < 10
    assert "no whole answer within 5 s" in (_open_alarm() or "")


def test_a_clock_that_is_wrong_is_not_believed(
    authority: TimestampAuthority, tsa: Loopback
) -> None:
    from asn1crypto import cms, tsp

    def respond(path: str, query: bytes) -> Reply:
        # The right question, answered by a clock that is a day ahead.
        from muniment.attest.timestamp import TimestampRequest

        request = tsp.TimeStampReq.load(query)
        asked = TimestampRequest(query, request["nonce"].native)
        token = authority.token_for(asked, timezone.now() + timedelta(days=1))
        response = tsp.TimeStampResp(
            {"status": {"status": "granted"}, "time_stamp_token": cms.ContentInfo.load(token)}
        )
        return Reply(200, response.dump(), {"Content-Type": REPLY_TYPE})

    _checkpoint()
    tsa.respond = respond
    assert timestamp_checkpoints(now=timezone.now()) == 0
    assert not LogTimestamp.objects.exists()
    assert "one of the two is wrong" in (_open_alarm() or "")


def test_another_authoritys_token_is_not_stored(
    tmp_path: Path, tsa: Loopback, settings: Any
) -> None:
    _checkpoint()
    tsa.respond = answering(TimestampAuthority(tmp_path / "other"))
    assert timestamp_checkpoints(now=timezone.now()) == 0
    assert not LogTimestamp.objects.exists()
    assert "does not chain to a given root" in (_open_alarm() or "")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("TSA_CA_FILE", "", "MUNIMENT_TSA_CA_FILE is not"),
        ("TSA_CA_FILE", "/nowhere/ca.pem", "cannot read /nowhere/ca.pem"),
        ("TSA_URL", "ftp://tsa.example/", "MUNIMENT_TSA_URL is not an http or https address"),
        ("TSA_URL", "http://tsa.example:port/", "MUNIMENT_TSA_URL is not an address"),
    ],
)
def test_settings_that_cannot_be_followed_are_an_alarm(
    tsa: Loopback, settings: Any, name: str, value: str, words: str
) -> None:
    _checkpoint()
    setattr(settings, name, value)
    assert timestamp_checkpoints(now=timezone.now()) == 0
    assert tsa.asked == 0
    assert words in (_open_alarm() or "")


def test_a_password_in_the_address_is_not_shown(tsa: Loopback, settings: Any) -> None:
    _checkpoint()
    settings.TSA_URL = f"http://user:s3cret@127.0.0.1:{tsa.port}/tsr"
    tsa.respond = lambda path, query: Reply(401)
    timestamp_checkpoints(now=timezone.now())
    assert "HTTP 401" in (_open_alarm() or "")
    assert "s3cret" not in (_open_alarm() or "")


def test_one_run_at_a_time(tsa: Loopback) -> None:
    _checkpoint()
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [0x6D756E69747361])
    assert timestamp_checkpoints(now=timezone.now()) == 0
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT pg_advisory_unlock(%s)", [0x6D756E69747361])
    assert timestamp_checkpoints(now=timezone.now()) == 1
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database"
            " WHERE locktype = 'advisory' AND datname = current_database()"
        )
        assert cursor.fetchone() == (0,)


def test_what_is_complete_is_not_searched_again(
    tsa: Loopback, django_assert_max_num_queries: Callable[[int], Any]
) -> None:
    _checkpoint(3)
    now = timezone.now()
    timestamp_checkpoints(now=now)
    timestamp_checkpoints(now=now)
    with django_assert_max_num_queries(5):  # the lock twice, the newest, what is after it, the last
        timestamp_checkpoints(now=now)
    _checkpoint()
    assert timestamp_checkpoints(now=datetime.now(now.tzinfo)) == 1
