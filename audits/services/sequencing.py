"""Whether an entry may enter the log: signed by a permitted key, and what its columns say it is."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from muniment.attest.envelope import PublicKey, verify_envelope
from muniment.attest.errors import AttestError
from muniment.attest.keyring import Keyring
from muniment.attest.statement import parse_statement, require_own_stream


@dataclass(frozen=True, slots=True)
class Candidate:
    """A pending entry: the signed bytes, and the columns that we select by."""

    entry_id: int
    envelope: bytes
    sha256: str
    predicate_type: str
    subject_name: str
    stream: str | None
    stream_seq: int | None


def refusal_of(
    entry: Candidate, trusted: Keyring, keys: Mapping[str, PublicKey]
) -> tuple[str | None, str | None]:
    """Return why an entry may not enter the log, and which envelope its statement follows.

    Args:
        keys: the trusted statement keys, loaded: `trusted.public_keys()`.

    Returns:
        The code of the refusal, None where the entry may enter; and the SHA-256 of the envelope
        before it in its stream, None where it has none.
    """
    try:
        verified = verify_envelope(entry.envelope, keys)
        statement = parse_statement(verified.payload)
        require_own_stream(statement)
    except AttestError as error:
        return error.code, None
    position = statement.position
    columns = (
        entry.sha256,
        entry.predicate_type,
        entry.subject_name,
        entry.stream,
        entry.stream_seq,
    )
    stated = (
        hashlib.sha256(entry.envelope).hexdigest(),
        statement.predicate_type,
        statement.subjects[0].name,
        position.stream if position else None,
        position.stream_seq if position else None,
    )
    if columns != stated:
        return "columns_differ", None
    if not trusted.permits(verified.keyid, entry.predicate_type):
        return "key_not_permitted", None
    previous = position.previous.hex if position and position.previous else None
    return None, previous


# Below this, starting processes costs more than they save.
_WORTH_SHARING = 512


def refusals_of(entries: Sequence[Candidate], trusted: Keyring) -> list[str | None]:
    """Return why each entry may not enter the log, None where it may; in the given order.

    Verifying signatures is what sequencing spends its time on, so that many of them are shared
    between the processor's cores.

    Raises:
        ChildProcessError: a process that verified its share did not finish.
    """
    keys = trusted.public_keys()
    cores = len(os.sched_getaffinity(0)) if len(entries) >= _WORTH_SHARING else 1

    def judge(first: int) -> list[str | None]:
        return [refusal_of(entry, trusted, keys)[0] for entry in entries[first::cores]]

    shares = [_judge_apart(judge, first) for first in range(1, cores)]
    codes: list[str | None] = [None] * len(entries)
    codes[0::cores] = judge(0)
    for first, (pid, answer) in enumerate(shares, 1):
        with answer:
            content = answer.read()
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if status != 0:
            raise ChildProcessError(f"a process that verified signatures ended with {status}")
        codes[first::cores] = json.loads(content)
    return codes


def _judge_apart(judge: Callable[[int], list[str | None]], first: int) -> tuple[int, BinaryIO]:
    """Fork a process that judges one share; return its id, and where its answer can be read.

    Not multiprocessing: Celery's workers may have no children of that kind. The process touches
    nothing but what it judges, and ends with the pipe if this one is killed.
    """
    answer, out = os.pipe()
    pid = os.fork()
    if pid:
        os.close(out)
        return pid, os.fdopen(answer, "rb")
    status = 1
    try:
        os.close(answer)
        with os.fdopen(out, "wb") as pipe:
            pipe.write(json.dumps(judge(first)).encode())
        status = 0
    finally:
        os._exit(status)
