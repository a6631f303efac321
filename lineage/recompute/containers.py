"""The sandbox of Docker or Podman, where a worker may start containers."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

from lineage.domain.placing import WORK
from lineage.recompute.errors import SandboxUnavailable
from lineage.recompute.launch import Job, Launch, find_program
from lineage.recompute.users import free_user, give_away

CONTAINER_PROGRAMS: Final = ("docker", "podman")
_KILLED: Final = 137
_KILL_SECONDS: Final = 30


@dataclass(frozen=True, slots=True)
class Container:
    """Build sandboxes with ``docker run`` or ``podman run``.

    Attributes:
        program: ``docker`` or ``podman``.
        image: by its digest or name; it is never pulled.
        users: what jobs run as where the worker is root.
    """

    program: str
    image: str
    users: Sequence[int]

    @contextmanager
    def launching(self, job: Job) -> Iterator[Launch]:
        """Make ready the job's user, and end its container afterwards.

        Raises:
            SandboxUnavailable: the program is not there, no image is set, or no user is free.
        """
        program = find_program(self.program, self.program)
        if not self.image:
            raise SandboxUnavailable(f"No image is set for the sandbox of {self.program}.")
        name = f"muniment-{uuid4().hex}"

        def kill() -> None:
            # Of one that has ended already it says so, which is as good.
            subprocess.run(
                [program, "kill", name], capture_output=True, check=False, timeout=_KILL_SECONDS
            )

        with ExitStack() as stack:
            uid = os.geteuid()
            if uid == 0:
                uid = stack.enter_context(free_user(self.users)).uid
                give_away(job.work, uid)
            command = container_command(program, self.image, job, name=name, uid=uid)
            yield Launch(command, kill=kill, status_of_memory=_KILLED)


def container_command(program: str, image: str, job: Job, *, name: str, uid: int) -> list[str]:
    """Return the command that runs a job in a container.

    Raises:
        SandboxUnavailable: a path holds a comma, which separates what a mount is made of.
    """
    limits = job.limits
    mib = 1024 * 1024
    options = ["run", "--rm", "--interactive", "--pull=never", f"--name={name}", "--init"]
    options += ["--network=none", "--ipc=private", "--read-only", "--cap-drop=ALL"]
    options += ["--security-opt=no-new-privileges", f"--user={uid}:{uid}", "--hostname=sandbox"]
    options += [f"--memory={limits.memory_bytes}", f"--memory-swap={limits.memory_bytes}"]
    options += [f"--pids-limit={limits.processes}", f"--shm-size={limits.scratch_bytes}"]
    options += [f"--tmpfs=/tmp:size={limits.scratch_bytes // mib}m,mode=1777", "--log-driver=none"]
    mounts = [(str(job.work), str(WORK), "")]
    mounts += [(str(mount.source), str(mount.target), ",readonly") for mount in job.mounts]
    for source, target, ending in mounts:
        if "," in source + target:
            raise SandboxUnavailable(f"A mount's path cannot hold a comma: {source}")
        options.append(f"--mount=type=bind,source={source},target={target}{ending}")
    options += [f"--env={name}={value}" for name, value in job.environment.items()]
    return [program, *options, f"--workdir={job.folder}", image, *job.guarded()]
