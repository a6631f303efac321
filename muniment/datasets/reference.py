"""A reference to a data set: what it is called, where it lies, and what its bytes must be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from muniment.attest.digest import Digest
from muniment.attest.errors import AttestError, DigestError
from muniment.reading import Members

# Of these it cannot be said that the digest is that of the bytes which were used.
CHANGED_MEANWHILE: Final = "Its file was changed while the command ran."
HASHED_AFTER: Final = "It was hashed after the command had ended."
ON_DISK: Final = "A path on a disk, which anybody may overwrite who may write there."
IN_STORE: Final = "An address whose bytes may be replaced: its store named no version of them."
IN_MEMORY: Final = "A table that was in memory: it lies nowhere that it could be read from again."
NO_VERSION: Final = "A Delta table without a version."
NO_POINTER: Final = "It names neither the MD5 by which DVC tracks it nor where its remote lies."
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
        return not self.unpinned_reason()

    def unpinned_reason(self, *, in_immutable_place: bool = False) -> str:
        """Say why it does not pin its bytes; empty where it does.

        Whoever wrote it may have left its reason out: what its kind needs to be pinned is looked
        for all the same.

        Args:
            in_immutable_place: an admin promised that nothing is overwritten where it lies.
        """
        reason = self.weak_reason or self._missing_pin()
        return "" if in_immutable_place and reason in (ON_DISK, IN_STORE) else reason

    @property
    def is_of_what_was_used(self) -> bool:
        """Say whether the digest was taken before the bytes were used, and they stayed the same."""
        return not self.weak_reason.startswith((CHANGED_MEANWHILE, HASHED_AFTER))

    def _missing_pin(self) -> str:
        if self.kind in ("file", "folder"):
            return "" if self.details.get("git_path") else ON_DISK
        if self.kind == "object":
            return "" if self.details.get("version_id") else IN_STORE
        if self.kind == "delta":
            return "" if self.details.get("version") else NO_VERSION
        if self.kind == "dvc":
            return "" if self.details.get("md5") and self.uri else NO_POINTER
        return IN_MEMORY

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
