"""What the gatekeeper's messages are read as, and what is not taken for one."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.mlflow.messenger import RefusedChange
from registry.domain.gatekeeper import MAX_MESSAGE_BYTES, MessageUnreadable, read_message

PRINTABLE = st.text(max_size=256).filter(str.isprintable)


def message(**members: Any) -> bytes:
    sent = {
        "event": "change.refused",
        "source": "default",
        **asdict(RefusedChange("rename_registered_model", "m", "3", "", "why", "ann")),
        "count": 1,
        "first_at": "2026-11-25T13:00:00+00:00",
        "last_at": "2026-11-25T14:00:00+01:00",
        "dropped": 0,
    }
    return json.dumps(sent | members).encode()


@given(model=PRINTABLE, alias=PRINTABLE, user=PRINTABLE, version=st.integers(0, 999_999_999))
def test_what_a_store_says_is_read_as_it_was_meant(
    model: str, alias: str, user: str, version: int
) -> None:
    read = read_message(message(model=model, alias=alias, user=user, version=str(version)))
    assert read.source == "default"
    assert read.refused is not None
    assert (read.refused.model, read.refused.alias, read.refused.user) == (model, alias, user)
    assert (read.refused.version, read.refused.count) == (version, 1)
    assert read.refused.first_at == read.refused.last_at == datetime(2026, 11, 25, 13, tzinfo=UTC)


def test_a_call_without_a_version_and_a_member_of_a_newer_store_are_read() -> None:
    read = read_message(message(version="", newer=True))
    assert read.refused is not None
    assert read.refused.version is None
    assert read_message(message(event="store.guarding")).refused is None


@pytest.mark.parametrize(
    "members",
    [
        {"event": "change.allowed"},
        {"event": None},
        {"source": 7},
        {"model": None},
        {"model": "m" * 257},
        {"model": "a\nb"},
        {"user": "nul\x00"},
        {"alias": "\ud800"},
        {"version": 3},
        {"version": "-1"},
        {"version": "\uff13"},
        {"version": "9" * 10},
        {"count": 0},
        {"count": True},
        {"count": 2**31},
        {"count": 1.5},
        {"dropped": -1},
        {"first_at": "yesterday"},
        {"last_at": "2026-11-25T13:00:00"},
    ],
    ids=str,
)
def test_a_member_of_another_kind_is_refused(members: dict[str, Any]) -> None:
    with pytest.raises(MessageUnreadable):
        read_message(message(**members))


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"1", b"\xff", b"[" * 10_000, b" " * (MAX_MESSAGE_BYTES + 1)]
)
def test_what_is_no_message_is_refused(body: bytes) -> None:
    with pytest.raises(MessageUnreadable):
        read_message(body)


@pytest.mark.parametrize("member", sorted(json.loads(message())))
def test_every_member_is_needed(member: str) -> None:
    sent = json.loads(message())
    del sent[member]
    with pytest.raises(MessageUnreadable):
        read_message(json.dumps(sent).encode())
