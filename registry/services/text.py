"""Free text that people write: bounded, and nothing in it that a database cannot hold."""

from __future__ import annotations

from registry.errors import InvalidRequest

_LINE_BREAKS = "\n\r\t"


def require_plain_text(what: str, text: str, most: int) -> None:
    """Pass text of at most `most` characters without control characters, line breaks aside.

    Raises:
        InvalidRequest: anything else; the message names `what`.
    """
    if len(text) > most:
        raise InvalidRequest(f"The {what} has at most {most} characters.")
    if any(ord(character) < 32 and character not in _LINE_BREAKS for character in text):
        raise InvalidRequest(f"The {what} holds a control character. Type it again as plain text.")
