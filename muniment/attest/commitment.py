"""Commitments: how a person or a free text stands in the log without being readable there.

The log holds SHA-256(salt ‖ …) only. A report discloses salt and text, so that anyone can
recompute the commitment; erasing the salt erases the person.
"""

from __future__ import annotations

import hashlib
from typing import Final

from muniment.attest.errors import StatementError

SALT_BYTES: Final = 32


def person_commitment(salt: bytes, printed_name: str, role: str) -> str:
    """Return SHA-256(salt ‖ utf8(printed name) ‖ 0x00 ‖ utf8(role)) in hexadecimal.

    Raises:
        StatementError: a salt that is not 32 bytes, or a NUL in the name (which would let two
            pairs of name and role share one commitment).
    """
    if "\0" in printed_name:
        raise StatementError("a printed name holds no NUL", code="statement.commitment")
    return _commit(salt, _utf8(printed_name) + b"\x00" + _utf8(role))


def text_commitment(salt: bytes, text: str) -> str:
    """Return SHA-256(salt ‖ utf8(text)) in hexadecimal.

    Raises:
        StatementError: a salt that is not 32 bytes.
    """
    return _commit(salt, _utf8(text))


def _commit(salt: bytes, content: bytes) -> str:
    if len(salt) != SALT_BYTES:
        raise StatementError(f"a salt has {SALT_BYTES} bytes", code="statement.commitment")
    return hashlib.sha256(salt + content).hexdigest()


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise StatementError("text that UTF-8 cannot carry", code="statement.commitment") from error
