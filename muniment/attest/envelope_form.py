"""The form of a DSSE envelope, read without trusting it and with the standard library alone.

Source: https://github.com/secure-systems-lab/dsse, envelope, version 1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from muniment.attest.encoding import decode_base64
from muniment.attest.errors import EnvelopeError
from muniment.attest.strict_json import parse_object

# A C2SP log entry has a 16-bit length.
MAX_ENVELOPE_BYTES: Final = 65_535
MAX_SIGNATURES: Final = 16
KEYID: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class EnvelopeSignature:
    """One signature of an envelope, not verified yet."""

    keyid: str
    signature: bytes


@dataclass(frozen=True, slots=True)
class Envelope:
    """A parsed envelope. Nothing about it is trustworthy until it is verified."""

    payload: bytes
    payload_type: str
    signatures: tuple[EnvelopeSignature, ...]


def parse_envelope(envelope: bytes) -> Envelope:
    """Parse an envelope's bytes without trusting them. Unknown members are ignored.

    Raises:
        EnvelopeError: more than 65,535 bytes, not strict JSON (duplicate keys included), a
            member missing or of another type, base64 that is not canonical, no signature, more
            than 16, or two by one key.
    """
    parsed = parse_object(
        envelope, error=EnvelopeError, what="the envelope", max_bytes=MAX_ENVELOPE_BYTES
    )
    payload = decode_base64(parsed.get("payload"), error=EnvelopeError, what="the payload")
    payload_type = parsed.get("payloadType")
    if not isinstance(payload_type, str) or not payload_type:
        raise EnvelopeError("the envelope names no payloadType")
    listed = parsed.get("signatures")
    if not isinstance(listed, list) or not 1 <= len(listed) <= MAX_SIGNATURES:
        raise EnvelopeError(f"an envelope has 1 to {MAX_SIGNATURES} signatures")
    signatures = tuple(_parse_signature(item) for item in listed)
    if len({signature.keyid for signature in signatures}) != len(signatures):
        raise EnvelopeError("two signatures name one key")
    return Envelope(payload, payload_type, signatures)


def _parse_signature(item: object) -> EnvelopeSignature:
    if not isinstance(item, dict):
        raise EnvelopeError("a signature is a JSON object")
    keyid = item.get("keyid")
    if not isinstance(keyid, str) or KEYID.fullmatch(keyid) is None:
        raise EnvelopeError("a signature's keyid is 64 lower-case hexadecimal digits")
    return EnvelopeSignature(
        keyid, decode_base64(item.get("sig"), error=EnvelopeError, what="a signature")
    )
