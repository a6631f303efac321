"""DSSE envelopes: bytes signed together with what they are.

Source: https://github.com/secure-systems-lab/dsse, protocol and envelope, version 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from muniment.attest.digest import canonical_json
from muniment.attest.encoding import encode_base64
from muniment.attest.envelope_form import (
    KEYID,
    MAX_ENVELOPE_BYTES,
    Envelope,
    parse_envelope,
)
from muniment.attest.errors import EnvelopeError
from muniment.attest.keys import PublicKey, keyid_of, load_file_signer

__all__ = [
    "MAX_ENVELOPE_BYTES",
    "STATEMENT_PAYLOAD_TYPE",
    "Envelope",
    "PublicKey",
    "VerifiedEnvelope",
    "keyid_of",
    "load_file_signer",
    "pae",
    "parse_envelope",
    "sign_envelope",
    "verify_envelope",
]

STATEMENT_PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"


class _Signature(Protocol):
    @property
    def keyid(self) -> str: ...
    @property
    def signature(self) -> str: ...


class EnvelopeSigner(Protocol):
    """What is asked of a securesystemslib Signer: ``sign`` gives a keyid and hexadecimal."""

    def sign(self, payload: bytes, /) -> _Signature: ...


@dataclass(frozen=True, slots=True)
class VerifiedEnvelope:
    """The content of an envelope, and the id of the trusted key that signed it."""

    payload: bytes
    payload_type: str
    keyid: str


def pae(payload_type: str, payload: bytes) -> bytes:
    """Return DSSE's pre-authentication encoding: the bytes that are signed."""
    encoded_type = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(encoded_type), encoded_type, len(payload), payload)


def sign_envelope(
    payload: bytes, signer: EnvelopeSigner, payload_type: str = STATEMENT_PAYLOAD_TYPE
) -> bytes:
    """Sign ``payload`` and return the envelope's exact bytes, to be stored and never rewritten.

    Args:
        payload: for a statement, what ``build_statement`` returned.
        signer: a securesystemslib Signer whose key id is ``keyid_of`` its public key, as
            ``load_file_signer`` gives it.

    Raises:
        EnvelopeError: the envelope would have more than 65,535 bytes (store the content beside
            the log and put its digest into the statement), or the signer's key id is not a
            SHA-256.
    """
    signed = signer.sign(pae(payload_type, payload))
    if KEYID.fullmatch(signed.keyid) is None:
        raise EnvelopeError("the signer's key id is not a SHA-256", code="envelope.keyid")
    envelope = canonical_json(
        {
            "payload": encode_base64(payload),
            "payloadType": payload_type,
            "signatures": [
                {"keyid": signed.keyid, "sig": encode_base64(bytes.fromhex(signed.signature))}
            ],
        }
    )
    if len(envelope) > MAX_ENVELOPE_BYTES:
        raise EnvelopeError(
            f"the envelope has {len(envelope)} bytes, a log entry has at most "
            f"{MAX_ENVELOPE_BYTES}: store the content beside the log and log its digest",
            code="envelope.too_large",
        )
    return envelope


def verify_envelope(
    envelope: bytes,
    keys: Mapping[str, PublicKey],
    payload_type: str = STATEMENT_PAYLOAD_TYPE,
) -> VerifiedEnvelope:
    """Return the envelope's content if a trusted key signed it as a ``payload_type``.

    Signatures by unknown keys are ignored; one by a trusted key that does not verify refuses
    the envelope, whatever stands beside it.

    Args:
        keys: trusted keys by key id. Empty trusts nobody.
        payload_type: the only type accepted, so that bytes signed for one use cannot be shown
            as another.

    Raises:
        EnvelopeError: as ``parse_envelope``, another payload type, no signature by a trusted
            key, or one that does not verify.
    """
    parsed = parse_envelope(envelope)
    if parsed.payload_type != payload_type:
        raise EnvelopeError(
            f"the payload is {parsed.payload_type[:80]!r}, not {payload_type!r}",
            code="envelope.payload_type",
        )
    message = pae(parsed.payload_type, parsed.payload)
    verified_by: str | None = None
    for signature in parsed.signatures:
        key = keys.get(signature.keyid)
        if key is None:
            continue
        if key.keyid != signature.keyid:
            raise EnvelopeError("a key stands under another key's id", code="envelope.keyid")
        key.verify(signature.signature, message)
        verified_by = verified_by or signature.keyid
    if verified_by is None:
        raise EnvelopeError(
            f"no trusted key signed this; signatures name key "
            f"{', '.join(signature.keyid[:16] + '…' for signature in parsed.signatures)}",
            code="envelope.unknown_key",
        )
    return VerifiedEnvelope(parsed.payload, parsed.payload_type, verified_by)
