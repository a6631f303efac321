"""An authenticator in software: makes passkeys and signs with them, and lies where a test asks."""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from fido2 import cbor
from fido2.cose import ES256, RS256, EdDSA

from muniment.attest.passkey import read_part, write_part

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


@dataclass
class SoftKey:
    """One passkey. What it says of itself can be changed before each use."""

    kind: str = "ES256"
    rp_id: str = "localhost"
    origin: str = "http://localhost:8000"
    flags: int = PRESENT | VERIFIED
    count: int = 0
    credential_id: bytes = field(default_factory=lambda: secrets.token_bytes(32))

    def __post_init__(self) -> None:
        self.key: Any = {
            "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
            "EdDSA": ed25519.Ed25519PrivateKey.generate,
            "RS256": lambda: rsa.generate_private_key(65537, 2048),
        }[self.kind]()

    def create(self, options: dict[str, Any], **said: Any) -> str:
        """Answer `navigator.credentials.create`."""
        cose = {"ES256": ES256, "EdDSA": EdDSA, "RS256": RS256}[self.kind]
        public_key = cbor.encode(dict(cose.from_cryptography_key(self.key.public_key())))
        attested = b"\0" * 16 + len(self.credential_id).to_bytes(2) + self.credential_id
        data = self._data(ATTESTED) + attested + public_key
        response = {
            "clientDataJSON": self._client_data("webauthn.create", options, said),
            "attestationObject": write_part(
                cbor.encode({"fmt": "none", "attStmt": {}, "authData": data})
            ),
            "transports": ["usb"],
        }
        return self._answer(response)

    def get(self, options: dict[str, Any], **said: Any) -> str:
        """Answer `navigator.credentials.get`."""
        data = self._data(0)
        client_data = self._client_data("webauthn.get", options, said)
        message = data + hashlib.sha256(read_part({"": client_data}, "")).digest()
        return self._answer(
            {
                "clientDataJSON": client_data,
                "authenticatorData": write_part(data),
                "signature": write_part(self._signature(message)),
            }
        )

    def _data(self, more: int) -> bytes:
        head = hashlib.sha256(self.rp_id.encode()).digest() + bytes([self.flags | more])
        return head + self.count.to_bytes(4)

    def _client_data(self, kind: str, options: dict[str, Any], said: dict[str, Any]) -> str:
        asked = options["publicKey"]
        content = {"type": kind, "challenge": asked["challenge"], "origin": self.origin} | said
        return write_part(json.dumps(content).encode())

    def _signature(self, message: bytes) -> bytes:
        match self.kind:
            case "ES256":
                signed = self.key.sign(message, ec.ECDSA(hashes.SHA256()))
            case "EdDSA":
                signed = self.key.sign(message)
            case _:
                signed = self.key.sign(message, padding.PKCS1v15(), hashes.SHA256())
        return bytes(signed)

    def _answer(self, response: dict[str, Any]) -> str:
        name = write_part(self.credential_id)
        return json.dumps({"id": name, "rawId": name, "type": "public-key", "response": response})
