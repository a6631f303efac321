"""A reference to a data set: what it is called, where it lies, and what its bytes must be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from muniment.attest.digest import Digest
from muniment.attest.errors import AttestError, DigestError
from muniment.reading import Members

ROLES: Final = ("training", "validation", "evaluation")
KINDS: Final = ("file", "folder", "object", "dvc", "delta", "table")


class ReferenceInvalid(AttestError):
    """A reference to a data set is malformed."""

    default_code = "reference.invalid"


@dataclass(frozen=True, slots=True)
class DatasetReference:
    """One data set of a training, named so that its bytes can be found and checked again.

    Attributes:
        role: ``training``, ``validation`` or ``evaluation``.
        name: what people call it; unique among the data sets of its role.
        kind: ``file`` or ``folder`` on a disk, ``object`` behind fsspec, ``dvc``, ``delta``, or a
            ``table`` that was only in memory and lies nowhere.
        uri: where it lies, without credentials; empty for a table.
        digest: ``sha256:…`` of one file, ``dirHash:…`` of a folder, of the files of a Delta
            snapshot, or the SHA-256 of a table's canonical Arrow bytes.
        size_bytes: of all its files.
        weak_reason: one sentence where the reference does not pin the bytes (a path that anybody
            can overwrite, a Delta table without a version); empty where it does.
        place: as the program opens it: relative to the repository's root, or absolute; empty
            where no local path is opened.
        details: what the kind needs to find it again: ``path``, ``md5``, ``remote`` of DVC,
            ``version`` of Delta.
    """

    role: str
    name: str
    kind: str
    uri: str
    digest: Digest
    size_bytes: int
    weak_reason: str = ""
    place: str = ""
    details: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_pinned(self) -> bool:
        """Say whether the reference can only ever mean these bytes."""
        return not self.weak_reason

    def as_mapping(self) -> dict[str, Any]:
        """Return it as JSON. Law: ``from_mapping(reference.as_mapping()) == reference``."""
        return {
            "role": self.role,
            "name": self.name,
            "kind": self.kind,
            "uri": self.uri,
            "digest": str(self.digest),
            "size_bytes": self.size_bytes,
            "weak_reason": self.weak_reason,
            "place": self.place,
            "details": dict(self.details),
        }

    @classmethod
    def from_mapping(cls, value: object, where: str = "$") -> DatasetReference:
        """Read what somebody else wrote.

        Raises:
            ReferenceInvalid: a member is missing, unknown or malformed; the message names it.
        """
        members = Members(value, error=ReferenceInvalid, where=where)
        role, kind = members.text("role"), members.text("kind")
        if role not in ROLES:
            raise ReferenceInvalid(f"{where}.role must be one of {', '.join(ROLES)}")
        if kind not in KINDS:
            raise ReferenceInvalid(f"{where}.kind must be one of {', '.join(KINDS)}")
        try:
            digest = Digest.parse(members.text("digest"))
        except DigestError as error:
            raise ReferenceInvalid(f"{where}.digest: {error.message}") from error
        reference = cls(
            role=role,
            name=members.text("name", at_most=200),
            kind=kind,
            uri=members.text("uri", default=""),
            digest=digest,
            size_bytes=members.count("size_bytes"),
            weak_reason=members.text("weak_reason", at_most=600, default=""),
            place=members.text("place", default=""),
            details=members.pairs("details", at_most=20),
        )
        members.end()
        return reference
