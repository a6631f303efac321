"""Progress lines on stderr, with the time since the start."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, TextIO

EVERY_SECONDS: Final = 5.0


class Progress:
    """Says what is going on: one line a step, `[  3.2 s] text`.

    Args:
        stream: where to; None is silence (tests), stderr unless told.
    """

    def __init__(self, stream: TextIO | None = sys.stderr) -> None:
        self._stream = stream
        self._started = time.monotonic()

    @property
    def elapsed_seconds(self) -> float:
        """Seconds since this object was made."""
        return time.monotonic() - self._started

    def say(self, text: str) -> None:
        """Write one line."""
        if self._stream is not None:
            print(f"[{self.elapsed_seconds:6.1f} s] {text}", file=self._stream, flush=True)

    @contextmanager
    def during(self, text: str) -> Iterator[None]:
        """Write a line at the start, and again every few seconds while the work goes on."""
        self.say(text)
        done = threading.Event()

        def repeat() -> None:
            while not done.wait(EVERY_SECONDS):
                self.say(f"still {text}")

        repeater = threading.Thread(target=repeat, daemon=True)
        repeater.start()
        try:
            yield
        finally:
            done.set()
            repeater.join()
