"""Ends what is left when the supervisor dies without a chance to do it (`kill -9`).

Run as a script in a session of its own. The supervisor holds the other end of its standard input
and writes `+ PID SIGNAL GRACE_SECONDS` when a service starts and `- PID` when it has ended; the end
of that stream is the supervisor's end. Services lead their process groups, so that what they
started ends with them. It also holds the state folder's lock, so that no other instance starts
there before all of this one is gone. Standard library only.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from pathlib import Path


def _is_alive(pid: int) -> bool:
    with contextlib.suppress(FileNotFoundError):
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        return stat.rpartition(")")[2].split()[0] not in ("Z", "X")
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def main() -> None:
    """Follow the stream; when it ends, end the services."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    running: dict[int, tuple[int, float]] = {}
    for line in sys.stdin:
        sign, pid, *rest = line.split()
        if sign == "+":
            running[int(pid)] = int(rest[0]), float(rest[1])
        else:
            running.pop(int(pid), None)
    for pid, (stop_signal, _) in running.items():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, stop_signal)
    told = time.monotonic()
    while running:
        for pid, (_, grace_seconds) in list(running.items()):
            if not _is_alive(pid) or time.monotonic() - told > grace_seconds:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(pid, signal.SIGKILL)
                del running[pid]
        time.sleep(0.05)


if __name__ == "__main__":
    main()
