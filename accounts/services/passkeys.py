"""Passkeys: what the browser is asked, and what is accepted of its answers (WebAuthn)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from django.conf import settings
from django.db.models import Manager, QuerySet

from accounts.domain.passkeys import ALGORITHMS, spki_of
from accounts.domain.signature import SignatureMethod
from accounts.errors import CredentialRefused
from accounts.models import Credential, User
from accounts.selectors import credentials_that_sign
from accounts.services.attempts import count_attempt
from muniment.attest.errors import AttestError
from muniment.attest.passkey import PARTS, read_part, require_assertion, write_part

if TYPE_CHECKING:
    from fido2.server import Fido2Server

MAX_ANSWER = 65_536
REFUSAL = (
    "Your passkey did not sign this, so nothing was signed. Use the passkey that is enrolled "
    "here, and confirm with its PIN, finger or face."
)


@dataclass(frozen=True, slots=True)
class NewPasskey:
    """A public key as the browser handed it over, checked."""

    credential_id: bytes
    cose: bytes
    spki: bytes
    algorithm: int
    sign_count: int
    transports: tuple[str, ...]


def registration_options(*, person: User, challenge: bytes) -> dict[str, Any]:
    """Return what `navigator.credentials.create` is called with, as JSON."""
    from fido2.webauthn import (
        PublicKeyCredentialUserEntity,
        ResidentKeyRequirement,
        UserVerificationRequirement,
    )

    options, _ = _server().register_begin(
        PublicKeyCredentialUserEntity(
            id=person.pk.bytes, name=person.username, display_name=person.printed_name
        ),
        credentials=_descriptors(person.credentials),
        resident_key_requirement=ResidentKeyRequirement.DISCOURAGED,
        user_verification=UserVerificationRequirement.REQUIRED,
        challenge=challenge,
    )
    return dict(options)


def read_registration(*, challenge: bytes, answer: str) -> NewPasskey:
    """Accept a new passkey: made here, for this challenge, with the person there and verified.

    Raises:
        CredentialRefused: anything else, or a kind of key that the offline verifier does not know.
    """
    from fido2 import cbor

    try:
        parsed = _answer(answer)
        data = _server().register_complete(_state(challenge), parsed)
        key = data.credential_data
        if key is None:
            raise ValueError("no key")
        cose = dict(key.public_key)
        listed = parsed["response"].get("transports") or []
        return NewPasskey(
            credential_id=bytes(key.credential_id),
            cose=cbor.encode(cose),
            spki=spki_of(cose),
            algorithm=int(cose[3]),
            sign_count=data.counter,
            transports=tuple(str(name)[:20] for name in listed[:10]),
        )
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, AssertionError) as error:
        raise CredentialRefused(
            "This is no passkey that can be enrolled here. It must be made on this page, confirm "
            "who you are by PIN, finger or face, and sign with ES256, EdDSA or RS256."
        ) from error


def request_options(*, person: User, challenge: bytes, now: datetime) -> dict[str, Any]:
    """Return what `navigator.credentials.get` is called with, as JSON."""
    from fido2.webauthn import UserVerificationRequirement

    options, _ = _server().authenticate_begin(
        credentials=_descriptors(credentials_that_sign(person, now)),
        user_verification=UserVerificationRequirement.REQUIRED,
        challenge=challenge,
    )
    return dict(options)


def check_assertion(
    *, person: User, challenge: bytes, answer: str, now: datetime
) -> tuple[Credential, Mapping[str, str]]:
    """Accept what one of the person's own passkeys signed over a challenge.

    Counts failures with wrong passwords and codes, and commits its count: call it before the
    transaction of what is signed.

    Returns:
        The credential, and the assertion as it stands in the log.

    Raises:
        SigningLocked, ReauthenticationFailed: as `count_attempt`.
    """
    accepted: list[tuple[Credential, Mapping[str, str]]] = []

    def look(locked: User) -> SignatureMethod | None:
        try:
            accepted.append(_accept(locked, challenge, answer, now))
        except (
            ValueError, KeyError, TypeError, AttributeError, IndexError, AssertionError, AttestError
        ):  # fmt: skip
            return SignatureMethod.PASSKEY
        return None

    count_attempt(
        user=person, look=look, clears=(SignatureMethod.PASSKEY,), refusal=REFUSAL, now=now
    )
    return accepted[0]


def _accept(
    person: User, challenge: bytes, answer: str, now: datetime
) -> tuple[Credential, Mapping[str, str]]:
    from fido2 import cbor
    from fido2.cose import CoseKey
    from fido2.webauthn import AttestedCredentialData, AuthenticatorData

    parsed = _answer(answer)
    response = parsed["response"]
    assertion = {
        "credential_id": str(parsed["rawId"]),
        "authenticator_data": str(response["authenticatorData"]),
        "client_data_json": str(response["clientDataJSON"]),
        "signature": str(response["signature"]),
    }
    parts = {name: read_part(assertion, name) for name in PARTS}
    usable = credentials_that_sign(person, now)
    credential = usable.filter(credential_id=parts["credential_id"]).first()
    if credential is None:
        raise ValueError("none of this person's passkeys")
    cose = cast("Mapping[int, Any]", cbor.decode(bytes(credential.public_key_cose or b"")))
    known = AttestedCredentialData.create(b"\0" * 16, parts["credential_id"], CoseKey.parse(cose))
    _server().authenticate_complete(_state(challenge), [known], parsed)
    # What goes into the log must hold for whoever verifies it offline, by other code than this.
    require_assertion(
        assertion,
        challenge=challenge,
        public_key=bytes(credential.public_key_spki or b""),
        rp_id=settings.PASSKEY_RP_ID,
    )
    counter = AuthenticatorData(parts["authenticator_data"]).counter
    if (counter or credential.sign_count) and counter <= credential.sign_count:
        raise ValueError("the count of signatures went back: a copy of the key is in use")
    credential.sign_count = counter
    credential.save(update_fields=["sign_count"])
    return credential, assertion


def _server() -> Fido2Server:
    from fido2.server import Fido2Server
    from fido2.webauthn import (
        AttestationConveyancePreference,
        PublicKeyCredentialParameters,
        PublicKeyCredentialRpEntity,
        PublicKeyCredentialType,
    )

    server = Fido2Server(
        PublicKeyCredentialRpEntity(name="Muniment", id=settings.PASSKEY_RP_ID),
        attestation=AttestationConveyancePreference.NONE,
        verify_origin=lambda origin: origin == settings.MUNIMENT_URL,
    )
    server.allowed_algorithms = [
        PublicKeyCredentialParameters(type=PublicKeyCredentialType.PUBLIC_KEY, alg=algorithm)
        for algorithm in ALGORITHMS
    ]
    return server


def _state(challenge: bytes) -> dict[str, str]:
    return {"challenge": write_part(challenge), "user_verification": "required"}


def _answer(answer: str) -> dict[str, Any]:
    if len(answer) > MAX_ANSWER:
        raise ValueError("too long")
    # Of another shape than it should have, it fails where it is read.
    return cast("dict[str, Any]", json.loads(answer))


def _descriptors(credentials: Manager[Credential] | QuerySet[Credential]) -> list[Any]:
    from fido2.webauthn import PublicKeyCredentialDescriptor, PublicKeyCredentialType

    return [
        PublicKeyCredentialDescriptor(
            type=PublicKeyCredentialType.PUBLIC_KEY,
            id=bytes(credential.credential_id or b""),
            transports=None,
        )
        for credential in credentials.filter(kind=Credential.Kind.PASSKEY)
    ]


def fingerprint(spki: bytes) -> str:
    """Return the SHA-256 of a public key, by which the log names it; hex."""
    return hashlib.sha256(spki).hexdigest()
