"""Real questions put to the parts, to know that they serve and not merely run."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

_SECONDS = 3.0


def sql_answers(url: str) -> Callable[[], bool]:
    """Return a probe: a query is answered at this PostgreSQL URL."""

    def probe() -> bool:
        import psycopg

        try:
            with psycopg.connect(url, connect_timeout=int(_SECONDS)) as connection:
                return connection.execute("SELECT 1").fetchone() == (1,)
        except psycopg.OperationalError:
            return False

    return probe


def redis_answers(url: str) -> Callable[[], bool]:
    """Return a probe: PING is answered at this Redis URL."""

    def probe() -> bool:
        import redis

        with redis.Redis.from_url(
            url, socket_connect_timeout=_SECONDS, socket_timeout=_SECONDS
        ) as client:
            try:
                return bool(client.ping())
            except (redis.ConnectionError, redis.TimeoutError):
                return False

    return probe


def http_answers(url: str) -> Callable[[], bool]:
    """Return a probe: GET of this URL answers 200, with no proxy between."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def probe() -> bool:
        try:
            with opener.open(url, timeout=_SECONDS) as response:
                return bool(response.status == 200)
        except (OSError, urllib.error.URLError):
            return False

    return probe


def celery_answers(broker_url: str, node: str) -> Callable[[], bool]:
    """Return a probe: the Celery worker of this node name answers a ping."""

    def probe() -> bool:
        from celery import Celery
        from kombu.exceptions import OperationalError

        with Celery("probe", broker=broker_url, set_as_current=False) as app:
            try:
                return bool(app.control.ping(destination=[node], timeout=1.0))
            except OperationalError:
                return False

    return probe


def file_is_newer(pattern_of: Path, than: float) -> Callable[[], bool]:
    """Return a probe: a file whose name starts so was written after that time (Unix seconds)."""

    def probe() -> bool:
        return any(
            found.stat().st_mtime >= than for found in pattern_of.parent.glob(f"{pattern_of.name}*")
        )

    return probe
