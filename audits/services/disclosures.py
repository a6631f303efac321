"""Commitments to personal data: the log holds a hash, a row that can be erased opens it."""

from __future__ import annotations

import secrets
from uuid import UUID

from audits.models import Disclosure
from muniment.attest.commitment import SALT_BYTES, person_commitment, text_commitment


def commit_person(
    *, person_id: UUID, printed_name: str, role: str, salt: bytes | None = None
) -> str:
    """Commit to a person's printed name and role; return the commitment, hex.

    SHA-256(salt ‖ printed name ‖ 0x00 ‖ role), so that a renamed row cannot move a signature.

    Args:
        salt: 32 random bytes of this commitment alone; None for fresh ones.
    """
    salt = salt or secrets.token_bytes(SALT_BYTES)
    commitment = person_commitment(salt, printed_name, role)
    Disclosure.objects.create(
        commitment=commitment, salt=salt, person_id=person_id, printed_name=printed_name, role=role
    )
    return commitment


def commit_text(*, person_id: UUID | None, text: str, salt: bytes | None = None) -> str:
    """Commit to free text, SHA-256(salt ‖ text); return hex.

    Args:
        person_id: who wrote it; None for a name of somebody who is not among our people.
        salt: as for `commit_person`.
    """
    salt = salt or secrets.token_bytes(SALT_BYTES)
    commitment = text_commitment(salt, text)
    Disclosure.objects.create(commitment=commitment, salt=salt, person_id=person_id, text=text)
    return commitment
