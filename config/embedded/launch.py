"""Become a service: tie its life to the supervisor's, drop root, then exec.

Run as a script by the supervisor (`launch.py SUPERVISOR_PID DEATH_SIGNAL USER -- COMMAND...`), so
that nothing has to run between fork and exec in a process that may have threads. Standard library
only.

PostgreSQL refuses to run as root, and the folders above its data (a home, a checkout under /root)
are rightly closed to any other user. Opening them to everyone would be worse than this: the
service's own user is given one capability, to pass and read what its own paths lead through.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import signal
import sys

_PR_SET_PDEATHSIG = 1
_PR_SET_KEEPCAPS = 8
_PR_CAPBSET_READ = 23
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_CAPABILITY_VERSION_3 = 0x20080522
_CAP_DAC_OVERRIDE = 1
_CAP_DAC_READ_SEARCH = 2


class _Header(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class _Sets(ctypes.Structure):
    _fields_ = [
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    ]


def _call(libc: ctypes.CDLL, name: str, *arguments: object) -> int:
    result: int = getattr(libc, name)(*arguments)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return result


def _become(user: str, libc: ctypes.CDLL) -> None:
    account = pwd.getpwnam(user)
    # Docker's default set has only the wider of the two.
    capability = next(
        (
            number
            for number in (_CAP_DAC_READ_SEARCH, _CAP_DAC_OVERRIDE)
            if _call(libc, "prctl", _PR_CAPBSET_READ, number, 0, 0, 0) == 1
        ),
        None,
    )
    _call(libc, "prctl", _PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)
    os.environ["HOME"] = account.pw_dir
    header = _Header(_CAPABILITY_VERSION_3, 0)
    mask = 0 if capability is None else 1 << capability
    sets = (_Sets * 2)(_Sets(mask, mask, mask), _Sets(0, 0, 0))
    _call(libc, "capset", ctypes.byref(header), ctypes.byref(sets))
    if capability is not None:
        _call(libc, "prctl", _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability, 0, 0)


def main(arguments: list[str]) -> None:
    """Parse, prepare, exec; never returns."""
    supervisor, death_signal, user = int(arguments[0]), int(arguments[1]), arguments[2]
    command = arguments[arguments.index("--") + 1 :]
    os.umask(0o077)
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if user:
            _become(user, libc)
        # After the change of user, which clears it.
        _call(libc, "prctl", _PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
        if os.getppid() != supervisor:  # it died before the line above
            raise SystemExit(1)
    # Python ignores SIGPIPE and an ignored signal outlives exec.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.execvpe(command[0], command, os.environ)  # noqa: S606 - without a shell is the point


if __name__ == "__main__":
    main(sys.argv[1:])
