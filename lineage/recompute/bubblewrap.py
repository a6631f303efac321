"""The sandbox of bubblewrap: namespaces of its own, and nothing of the host but its programs."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lineage.domain.placing import WORK
from lineage.recompute.keyring import leave_keyring
from lineage.recompute.launch import Job, Launch, find_program
from lineage.recompute.users import JobUser, free_user, give_away

_USER: Final = 1000
_FILES: Final = {
    "/etc/passwd": f"muniment:x:{_USER}:{_USER}::{WORK}:/bin/sh\n",
    "/etc/group": f"muniment:x:{_USER}:\n",
    "/etc/hosts": "127.0.0.1 localhost\n::1 localhost\n",
    "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
}
# Links into it stand in /usr; nothing of it is secret.
_OF_ETC: Final = ("/etc/ld.so.cache", "/etc/alternatives")
# Root's own mounts, where what is mounted lies behind folders that the job's user may not enter.
# Nothing but the descriptors is passed on: not even the folder that the worker runs in.
_STAGE: Final = (
    'set -e; while [ "$1" != -- ]; do mount --bind -- "$1" "$2"; shift 2; done; shift; '
    'exec env -i "$@"'
)
_REDUCE: Final = (
    "--clear-groups",
    "--no-new-privs",
    "--inh-caps=-all",
    "--bounding-set=-all",
)


@dataclass(frozen=True, slots=True)
class Bubblewrap:
    """Build sandboxes with ``bwrap``; as root with a user of its own for each job.

    Attributes:
        users: what jobs run as where the worker is root; without meaning otherwise.
    """

    users: Sequence[int]

    @contextmanager
    def launching(self, job: Job) -> Iterator[Launch]:
        """Make ready the job's user and its mounts, and put them away afterwards.

        Raises:
            SandboxUnavailable: a program that it needs is not there, or no user is free.
        """
        bwrap = find_program("bwrap", "bubblewrap")
        leave_keyring()
        with ExitStack() as stack:
            sources = [Path(os.path.realpath(mount.source)) for mount in job.mounts]
            sources.append(job.work)
            before: list[str] = []
            if os.geteuid() == 0:
                user = stack.enter_context(free_user(self.users))
                give_away(job.work, user.uid)
                staged = [user.stage / str(number) for number in range(len(sources))]
                before = _as_user(user, sources, staged)
                stack.callback(_clear, user)
                _make_places(user, sources, staged)
                sources = staged
            said, says = os.pipe()
            passed = [says]
            stack.callback(os.close, said)
            stack.callback(_close, passed)
            os.set_blocking(said, False)
            options = ["--json-status-fd", str(says), *_options(job, sources, passed)]
            passed.append(_in_memory("".join(f"{option}\0" for option in options)))
            command = [*before, bwrap, "--args", str(passed[-1]), "--", *job.guarded()]
            yield Launch(command, passed, lambda: _first_of(said))


def _options(job: Job, sources: Sequence[Path], passed: list[int]) -> list[str]:
    options = ["--unshare-all", "--unshare-user", "--disable-userns", "--cap-drop", "ALL"]
    options += ["--uid", str(_USER), "--gid", str(_USER), "--hostname", "sandbox"]
    options += ["--die-with-parent", "--new-session", "--clearenv"]
    for name, value in job.environment.items():
        options += ["--setenv", name, value]
    options += ["--ro-bind", "/usr", "/usr"]
    for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
        place = Path("/", name)
        if place.is_symlink():
            options += ["--symlink", str(place.readlink()), str(place)]
        elif place.is_dir():
            options += ["--ro-bind", str(place), str(place)]
    options += ["--proc", "/proc", "--dev", "/dev"]
    size = str(job.limits.scratch_bytes)
    for place in (Path("/dev/shm"), Path("/tmp")):  # noqa: S108 # inside, and empty
        options += ["--size", size, "--perms", "1777", "--tmpfs", str(place)]
    options += ["--perms", "0755", "--dir", "/etc"]
    for name in _OF_ETC:
        options += ["--ro-bind-try", name, name]
    for name, content in _FILES.items():
        passed.append(_in_memory(content))
        options += ["--perms", "0644", "--ro-bind-data", str(passed[-1]), name]
    # The work folder first, then what stands in it.
    options += ["--bind", str(sources[-1]), str(WORK)]
    targets = sorted(
        zip(job.mounts, sources, strict=False), key=lambda one: len(one[0].target.parts)
    )
    for mount, source in targets:
        options += ["--ro-bind", str(source), str(mount.target)]
    # What bwrap made for itself is memory that nobody counts.
    return [*options, "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", str(job.folder)]


def _as_user(user: JobUser, sources: Sequence[Path], staged: Sequence[Path]) -> list[str]:
    command = [find_program("unshare", "util-linux"), "--mount", "--propagation", "private"]
    command += ["/bin/sh", "-c", _STAGE, "stage"]
    for source, place in zip(sources, staged, strict=True):
        command += [str(source), str(place)]
    command += ["--", find_program("setpriv", "util-linux")]
    return [*command, "--reuid", str(user.uid), "--regid", str(user.uid), *_REDUCE]


def _make_places(user: JobUser, sources: Sequence[Path], staged: Sequence[Path]) -> None:
    _clear(user)
    for source, place in zip(sources, staged, strict=True):
        if source.is_dir():
            place.mkdir()
        else:
            place.touch()


def _clear(user: JobUser) -> None:
    """Take the places of mounts away; empty ones alone: a mount that still stood would show."""
    for place in user.stage.iterdir():
        if place.is_dir():
            place.rmdir()
        elif place.stat().st_size == 0:
            place.unlink()


def _first_of(said: int) -> int | None:
    try:
        number = json.loads(os.read(said, 65_536).splitlines()[0])["child-pid"]
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return number if isinstance(number, int) else None


def _close(descriptors: Sequence[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def _in_memory(content: str) -> int:
    descriptor = os.memfd_create("muniment", os.MFD_CLOEXEC)
    with os.fdopen(os.dup(descriptor), "wb") as file:
        file.write(content.encode())
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor
