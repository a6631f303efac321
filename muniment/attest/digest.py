"""Content digests: of a file, of a folder, and of a JSON value."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from muniment.attest.errors import DigestError
from muniment.attest.files import opened_file, require_name
from muniment.attest.tree import hash_open_file, hash_tree

HEX_LENGTHS: Final[Mapping[str, tuple[int, ...]]] = {
    "sha256": (64,),
    "dirHash": (64,),
    # 40 digits name a SHA-1 commit, 64 one of a SHA-256 repository.
    "gitCommit": (40, 64),
}
_LOWER_HEX = re.compile(r"[0-9a-f]+")


@dataclass(frozen=True, slots=True, order=True)
class Digest:
    """Name content by an algorithm and lower-case hexadecimal digits.

    Law: ``Digest.parse(str(digest)) == digest``.

    Attributes:
        algorithm: ``sha256``, ``dirHash`` or ``gitCommit`` (the in-toto DigestSet names).
        hex: 64 lower-case digits; 40 or 64 for ``gitCommit``.

    Raises:
        DigestError: another algorithm, another length, or anything but lower-case digits.
    """

    algorithm: str
    hex: str

    def __post_init__(self) -> None:
        lengths = HEX_LENGTHS.get(self.algorithm)
        if lengths is None:
            raise DigestError(
                f"unknown digest algorithm {self.algorithm!r}", code="digest.algorithm"
            )
        if len(self.hex) not in lengths or _LOWER_HEX.fullmatch(self.hex) is None:
            raise DigestError(
                f"{self.algorithm} needs {' or '.join(map(str, lengths))} lower-case "
                f"hexadecimal digits, not {self.hex[:80]!r}",
                code="digest.hex",
            )

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.hex}"

    @classmethod
    def parse(cls, text: str) -> Digest:
        """Read ``algorithm:hex``.

        Raises:
            DigestError: no colon, or as the constructor.
        """
        algorithm, colon, digits = text.partition(":")
        if not colon:
            raise DigestError(f"a digest is algorithm:hex, not {text[:80]!r}")
        return cls(algorithm, digits)

    @classmethod
    def of_bytes(cls, content: bytes) -> Digest:
        """Return the SHA-256 of ``content``."""
        return cls("sha256", hashlib.sha256(content).hexdigest())

    @classmethod
    def from_set(cls, digest_set: object) -> Digest:
        """Read an in-toto DigestSet that holds exactly one algorithm known here.

        Unknown algorithms beside it are ignored.

        Raises:
            DigestError: not an object of strings, none known, or more than one known.
        """
        if not isinstance(digest_set, dict):
            raise DigestError("a digest set is a JSON object", code="digest.set")
        known = {name: value for name, value in digest_set.items() if name in HEX_LENGTHS}
        if len(known) != 1:
            raise DigestError(
                f"a digest set holds exactly one of {', '.join(HEX_LENGTHS)}, "
                f"this one holds {len(known)}",
                code="digest.set",
            )
        ((algorithm, digits),) = known.items()
        if not isinstance(digits, str):
            raise DigestError("a digest is a string", code="digest.set")
        return cls(algorithm, digits)

    def as_set(self) -> dict[str, str]:
        """Return the in-toto DigestSet with this digest alone."""
        return {self.algorithm: self.hex}


def sha256_file(path: str | os.PathLike[str]) -> Digest:
    """Return the SHA-256 of one regular file's bytes, with flat memory.

    Raises:
        DigestError: ``path`` is a symlink, a folder or a special file, or cannot be read; it
            changed while it was read.
    """
    with opened_file(path) as descriptor:
        return Digest("sha256", hash_open_file(descriptor, os.fspath(path)).sha256)


def dir_hash(path: str | os.PathLike[str]) -> Digest:
    """Return the in-toto ``dirHash`` of the folder ``path``.

    It is what this prints, run inside the folder::

        find . -type f -print0 | cut -z -c3- | LC_ALL=C sort -z | xargs -r0 sha256sum | sha256sum

    Hidden files count, empty folders do not.

    Raises:
        DigestError: not a folder, or it holds what the pipeline above does not see (a symlink,
            a special file) or misreads (a name with a newline, carriage return or backslash,
            or one at the top that begins with a dash), or something that cannot be read, or that
            changed while it was read. The message names it.
    """
    return dir_hash_of({name: found.sha256 for name, found in hash_tree(path).items()})


def dir_hash_of(files: Mapping[str, str]) -> Digest:
    """Return the ``dirHash`` of files whose SHA-256 digests are known already.

    Args:
        files: relative POSIX name → SHA-256 in lower-case hexadecimal. Empty is allowed and
            gives the digest of no bytes, as the pipeline does for an empty folder.

    Raises:
        DigestError: a name that no folder walk gives (empty, absolute, ``.`` or ``..`` parts),
            a newline, carriage return or backslash in it, a dash at its start, or a malformed
            digest.
    """
    for name in files:
        require_name(name)
    listing = hashlib.sha256()
    # Bytes, not characters: that is what LC_ALL=C sorts by.
    for encoded, name in sorted((os.fsencode(name), name) for name in files):
        digest = Digest("sha256", files[name])
        listing.update(digest.hex.encode() + b"  " + encoded + b"\n")
    return Digest("dirHash", listing.hexdigest())


def canonical_json(value: object) -> bytes:
    """Encode a JSON value the one way Muniment writes it.

    Keys sorted, no spaces, UTF-8 without escapes of printable characters. Numbers are written
    as Python writes them: ``1.0`` stays ``1.0``.

    Raises:
        DigestError: NaN or infinity, a key that is not a string, a type JSON does not have, or
            text that UTF-8 cannot carry (a lone surrogate).
    """
    _refuse_unrepresentable(value, "$")
    try:
        text = json.dumps(
            value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
        )
        return text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise DigestError(f"not representable as JSON: {error}", code="digest.json") from error


def _refuse_unrepresentable(value: object, where: str) -> None:
    # json.dumps would turn the keys 1 and None into strings and so make two values one.
    if isinstance(value, dict):
        for key, member in value.items():
            if not isinstance(key, str):
                raise DigestError(f"{where} has the key {key!r}", code="digest.json")
            # Most members are text, and there are thousands: a call each would be the most of it.
            if not isinstance(member, str):
                _refuse_unrepresentable(member, f"{where}.{key}")
    elif isinstance(value, list | tuple):
        for position, member in enumerate(value):
            if not isinstance(member, str):
                _refuse_unrepresentable(member, f"{where}[{position}]")
    elif isinstance(value, float) and not math.isfinite(value):
        raise DigestError(f"{where} is {value}, which JSON cannot say", code="digest.json")
