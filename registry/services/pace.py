"""Reading artifacts no faster than a source allows, all workers together."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache

import redis
from django.conf import settings

from registry.models import RegistrySource

# Books the next bytes behind all that is booked already; says how long to wait for their turn.
_BOOK = """
local clock = redis.call('TIME')
local now = clock[1] + clock[2] / 1000000
local free = tonumber(redis.call('GET', KEYS[1]) or '0')
local start = math.max(now, free)
local finish = start + ARGV[1] / ARGV[2]
redis.call('SET', KEYS[1], string.format('%.6f', finish), 'EX', 3600)
return tostring(start - now)
"""
_PIECE = 256 * 1024


def pace_of(source: RegistrySource) -> Callable[[int], None] | None:
    """Return what a client calls with the size of each piece it read, and which waits its turn.

    None where the source has no limit. The account is kept in Redis, so that the limit is the
    source's whatever the number of workers that hash. Redis away: the error ends the reading, and
    the job is tried again.
    """
    limit = source.hash_bytes_per_second
    if limit is None:
        return None
    key = f"registry:pace:{source.name}"
    book = _connection().register_script(_BOOK)
    held = 0

    def wait(size: int) -> None:
        # Booked in larger pieces: a round trip to Redis for each small one would be the limit.
        nonlocal held
        held += size
        if held >= min(_PIECE, limit):
            time.sleep(float(book(keys=[key], args=[held, limit])))
            held = 0

    return wait


@cache
def _connection() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL)
