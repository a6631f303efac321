"""What a program in the sandbox may use, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

MIB: Final = 1024 * 1024
GIB: Final = 1024 * MIB


@dataclass(frozen=True, slots=True)
class Limits:
    """What a program and everything that it starts may use.

    Attributes:
        memory_bytes: resident, of all its processes together.
        wall_seconds: from its start; processor time is limited to the same for each process.
        processes: with their threads.
        file_bytes: of any one file.
        work_bytes: of the work folder, with what was there at the start.
        work_files: entries of the work folder.
        output_bytes: written on its output and its errors together.
        scratch_bytes: of /tmp, which is memory, and of /dev/shm.
    """

    memory_bytes: int = 4 * GIB
    wall_seconds: float = 3600.0
    processes: int = 512
    file_bytes: int = 8 * GIB
    work_bytes: int = 16 * GIB
    work_files: int = 200_000
    output_bytes: int = 64 * MIB
    scratch_bytes: int = 256 * MIB


class Why(StrEnum):
    """Why a program ended."""

    EXITED = "exited"
    OUT_OF_MEMORY = "out_of_memory"
    OUT_OF_TIME = "out_of_time"
    TOO_MUCH_OUTPUT = "too_much_output"
    TOO_MUCH_WRITTEN = "too_much_written"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended.

    Attributes:
        exit_status: 128 and the signal's number where a signal ended it.
        last_lines: the end of what it wrote, without control characters; hostile text.
        log_sha256: of everything that it wrote, up to where it was ended.
    """

    exit_status: int
    why: Why
    last_lines: str
    log_sha256: str
    seconds: float

    @property
    def succeeded(self) -> bool:
        """Say whether it came to its own end, and said that all went well."""
        return self.why is Why.EXITED and self.exit_status == 0
