"""How the lines of an e-mail are written, and when one is tried again."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime, timedelta

import pytest
from django.core.exceptions import ImproperlyConfigured
from hypothesis import given
from hypothesis import strategies as st

from accounts.domain.alarms import alarm_subject, alarm_topic
from accounts.domain.mail import (
    GIVE_UP_AFTER,
    LONGEST_WAIT,
    MAX_SUBJECT,
    MOVES,
    MailStatus,
    next_try,
    one_line,
    without_links,
)
from accounts.models import NoticeKind, Role
from audits.services import alarms
from config.mail import MailServer

POSTED = datetime(2026, 11, 25, 12, tzinfo=UTC)


@given(st.text(), st.integers(2, 200))
def test_a_line_is_one_line_whatever_it_was(text: str, longest: int) -> None:
    line = one_line(text, longest=longest)
    assert len(line) <= longest
    assert line.splitlines() in ([line], [])
    assert not [character for character in line if unicodedata.category(character)[0] == "C"]
    assert one_line(line, longest=longest) == line


def test_a_header_in_a_name_stays_in_its_line() -> None:
    assert one_line("a\r\nBcc: b\x00\u2028c\u202e", longest=99) == "a Bcc: b c"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://evil.example/login", "https[:]//evil[.]example/login"),
        ("www.evil.example", "www[.]evil[.]example"),
        ("rita@evil.com", "rita@evil[.]com"),
        ("böse.de", "böse[.]de"),
        ("credit v1.2 is 0.94", "credit v1.2 is 0.94"),
        ("MLflow cannot be read. Look.", "MLflow cannot be read. Look."),
    ],
)
def test_what_looks_like_an_address_becomes_no_link(text: str, shown: str) -> None:
    assert without_links(text) == shown


@given(st.text())
def test_no_text_keeps_a_scheme_or_a_host(text: str) -> None:
    assert not re.search(r"://|[a-z]\.[a-z]{2}", without_links(text))


@given(st.integers(1, 10_000), st.timedeltas(timedelta(0), GIVE_UP_AFTER))
def test_an_email_is_tried_again_later_and_not_for_ever(attempts: int, ago: timedelta) -> None:
    now = POSTED + ago
    at = next_try(attempts=attempts, posted_at=POSTED, now=now)
    if at is not None:
        assert timedelta(minutes=1) <= at - now <= LONGEST_WAIT
        assert at <= POSTED + GIVE_UP_AFTER
    assert next_try(attempts=attempts, posted_at=POSTED, now=POSTED + GIVE_UP_AFTER) is None


def test_nothing_leads_back_from_what_may_have_been_sent() -> None:
    for status in (MailStatus.SENT, MailStatus.UNCERTAIN, MailStatus.FAILED, MailStatus.DROPPED):
        assert not MOVES[status]
    assert set(MOVES) == set(MailStatus)


def test_every_alarm_of_ours_has_its_words_its_kind_and_an_audience() -> None:
    codes = [value for name, value in vars(alarms).items() if name.isupper()]
    assert len(codes) > 7
    for code in codes:
        assert code not in alarm_subject(code)
        assert 20 < len(alarm_subject(code)) <= MAX_SUBJECT
        topic = alarm_topic(code)
        assert topic.kind in NoticeKind.values
        assert {"admin", "auditor"} <= set(topic.audience) <= set(Role.values)


def server(**changed: object) -> MailServer:
    values: dict[str, object] = {
        "host": "mail.bank.example",
        "port": 587,
        "security": "starttls",
        "user": "muniment",
        "password": "a password of the server's",
        "sender": "Muniment <muniment@bank.example>",
    }
    return MailServer(**(values | changed))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"security": "ssl"}, "MUNIMENT_EMAIL_SECURITY"),
        ({"security": "none"}, "in the clear"),
        ({"password": ""}, "belong together"),
        ({"user": ""}, "belong together"),
        ({"sender": "Muniment"}, "MUNIMENT_EMAIL_FROM"),
        ({"sender": "M <m@bank.example>\nBcc: b@evil.example"}, "MUNIMENT_EMAIL_FROM"),
    ],
)
def test_a_mail_server_that_cannot_be_right_stops_the_process(
    changed: dict[str, object], named: str
) -> None:
    with pytest.raises(ImproperlyConfigured, match=named) as refused:
        server(**changed)
    assert "a password" not in str(refused.value)
    assert server(host="", **changed).host == ""  # none is asked for


def test_a_mail_servers_password_is_not_printed() -> None:
    assert "a password" not in repr(server())
