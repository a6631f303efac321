"""One change in an MLflow registry, in the words that a restore grant binds it with."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass

from muniment.attest.digest import canonical_json


@dataclass(frozen=True, slots=True)
class RegistryChange:
    """One call of a method of MLflow's registry store that undoes something.

    Attributes:
        method: as MLflow's ``AbstractStore`` names it.
        version: decimal, without leading zeros.

    What a method does not take is empty.
    """

    method: str
    name: str
    version: str = ""
    alias: str = ""
    new_name: str = ""
    stage: str = ""
    tag_key: str = ""
    tag_value: str = ""

    @property
    def digest(self) -> str:
        """Return 64 hex digits of SHA-256 that no other change has: over its canonical JSON."""
        return hashlib.sha256(canonical_json(asdict(self))).hexdigest()
