"""The errors of the evidence format: one root, and a stable code on each."""

from __future__ import annotations


class AttestError(Exception):
    """Say that a piece of evidence is not what it must be.

    Attributes:
        code: stable and machine-readable, for instance ``proof.too_short``; the part before
            the dot names the format, the part after it the cause.
        message: one sentence for a person.
    """

    default_code = "attest.invalid"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code if code is not None else self.default_code


class DigestError(AttestError):
    """A digest is malformed, or bytes cannot be hashed without ambiguity."""

    default_code = "digest.invalid"


class NoteError(AttestError):
    """A signed note, a checkpoint or a verifier key is malformed or not signed as it must be."""

    default_code = "note.invalid"


class ProofError(AttestError):
    """A Merkle proof does not prove what it is presented for."""

    default_code = "proof.invalid"


class TileError(AttestError):
    """A tile or an entry bundle is missing, or not what the log's tree needs it to be."""

    default_code = "tile.invalid"


class BundleError(AttestError):
    """A bundle of log entries is malformed."""

    default_code = "bundle.invalid"


class EnvelopeError(AttestError):
    """A DSSE envelope is malformed, or no trusted key signed it."""

    default_code = "envelope.invalid"


class StatementError(AttestError):
    """A statement, or a key statement's content, does not have the shape of its type."""

    default_code = "statement.invalid"


class TimestampError(AttestError):
    """A timestamp token is malformed, of other content, or of nobody who is trusted."""

    default_code = "timestamp.invalid"


class TokenError(AttestError):
    """A key in a PKCS#11 token cannot be used: the module, the PIN, the token or the key."""

    default_code = "token.failed"
