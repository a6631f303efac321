"""The kernel's keyrings, which a program inherits from whoever started it."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
from typing import Final

from lineage.recompute.errors import SandboxUnavailable

_KEYCTL: Final = {
    "x86_64": 250,
    "aarch64": 219,
    "riscv64": 219,
    "ppc64le": 271,
    "s390x": 280,
}
_JOIN_SESSION_KEYRING: Final = 1
# Without keyrings, or where a filter keeps all from them: what is started has none either.
_WITHOUT: Final = (errno.ENOSYS, errno.EPERM)


def leave_keyring() -> None:
    """Give this thread, and what it starts from now on, an empty session keyring of its own.

    No namespace of bubblewrap's separates keyrings: who holds one reads the keys in it, whatever
    user they are.

    Raises:
        SandboxUnavailable: it cannot be done here.
    """
    number = _KEYCTL.get(platform.machine())
    if number is None:
        raise SandboxUnavailable(
            f"The sandbox is not known to be closed on {platform.machine()}: set docker or podman."
        )
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(number, _JOIN_SESSION_KEYRING, None) < 0:
        failed = ctypes.get_errno()
        if failed not in _WITHOUT:
            raise SandboxUnavailable(f"No keyring of its own can be made: {os.strerror(failed)}.")
