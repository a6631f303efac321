"""Private keys by URI: where a key is kept is the operator's choice, not the code's."""

from __future__ import annotations

from muniment.attest.errors import NoteError
from muniment.attest.note import NoteSigner


def load_note_signer(name: str, uri: str) -> NoteSigner:
    """Load the key that signs notes as ``name``.

    Args:
        uri: ``file2:<path>`` of an unencrypted PEM PKCS#8 Ed25519 key.

    Raises:
        NoteError: another URI scheme, or a key that cannot be loaded.
    """
    scheme, _, location = uri.partition(":")
    if scheme != "file2" or not location:
        raise NoteError(f"a log key is named file2:<path>, not {scheme}:…", code="note.key_uri")
    return NoteSigner.from_file(name, location)
