"""A time-stamping authority on loopback: HTTP in front of `openssl ts -reply`."""

from __future__ import annotations

import threading
from collections.abc import Callable

from muniment.attest.timestamp import REPLY_TYPE
from tests.integration.log.loopback import Reply
from tests.timestamp_authority import TimestampAuthority


def answering(authority: TimestampAuthority) -> Callable[[str, bytes], Reply]:
    """Return what answers every query as the authority does."""
    one_at_a_time = threading.Lock()

    def respond(path: str, query: bytes) -> Reply:
        with one_at_a_time:
            return Reply(200, authority.reply(query), {"Content-Type": REPLY_TYPE})

    return respond
