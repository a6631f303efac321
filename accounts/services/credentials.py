"""Credentials: enrolling and removing what a person signs with beside the password.

Everything here is said in the log: by what is enrolled there, a verifier tells offline whose key
signed an approval. One that its person enrolled signs only when an admin has confirmed it, and a
while after: what was enrolled by stealth is seen before it is used.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction

from accounts.domain.change import Change
from accounts.domain.one_time_codes import counter_of, new_secret
from accounts.domain.proposals import person_subject
from accounts.errors import CredentialRefused, ProposalOutdated
from accounts.models import Credential, ProposalAnswer, User
from accounts.services.ceremonies import begin_ceremony, end_ceremony, find_ceremony
from accounts.services.passkeys import fingerprint, read_registration, registration_options
from accounts.services.people import require_password
from accounts.services.proposals import record_proposal
from accounts.services.sealing import seal, unseal
from accounts.services.two_people import is_bootstrapping, require_two_people
from audits.domain.actor import Actor
from audits.domain.log import Event
from audits.models import LogEntry
from audits.services.log import append_statement, predicate_type
from muniment.attest.digest import Digest
from muniment.attest.encoding import encode_base64
from muniment.attest.passkey import write_part
from muniment.attest.statement import format_time

ENROLL = "credential.enroll"
MAX_LABEL = 60
MAX_PASSKEYS = 10
PASSKEY_CEREMONY = "enrol a passkey"
TOTP_CEREMONY = "enrol one-time codes"


def begin_passkey(
    *, person: User, password: str, label: str, session: str, now: datetime
) -> dict[str, Any]:
    """Begin to enrol a passkey, after the password; return what the browser is asked, as JSON.

    Raises:
        SigningLocked, ReauthenticationFailed: as `require_password`.
        CredentialRefused: a label that is none, or too many passkeys.
    """
    label = _label(label)
    require_password(user=person, password=password, now=now)
    if person.credentials.filter(kind=Credential.Kind.PASSKEY).count() >= MAX_PASSKEYS:
        raise CredentialRefused(f"You have {MAX_PASSKEYS} passkeys. Remove one first.")
    challenge = secrets.token_bytes(32)
    begin_ceremony(
        person=person,
        session=session,
        about=PASSKEY_CEREMONY,
        challenge=challenge,
        draft={"label": label},
        now=now,
    )
    return registration_options(person=person, challenge=challenge)


@transaction.atomic(durable=True)
def enroll_passkey(
    *, person: User, session: str, answer: str, actor: Actor, now: datetime
) -> Credential:
    """Enrol the passkey that the person's browser has made, and say so in the log.

    Raises:
        CeremonyOver: nothing was begun in this session within five minutes.
        CredentialRefused: it is no such passkey, or is enrolled already.
    """
    ceremony = find_ceremony(person=person, session=session, about=PASSKEY_CEREMONY, now=now)
    made = read_registration(challenge=bytes.fromhex(ceremony.challenge), answer=answer)
    end_ceremony(ceremony)
    credential = Credential(
        person=person,
        kind=Credential.Kind.PASSKEY,
        label=str(ceremony.draft["label"]),
        enrolled_at=now,
        credential_id=made.credential_id,
        public_key_cose=made.cose,
        public_key_spki=made.spki,
        sign_count=made.sign_count,
        transports=list(made.transports),
    )
    return _enroll(credential, {"algorithm": made.algorithm}, actor=actor, now=now)


def begin_totp(*, person: User, password: str, label: str, session: str, now: datetime) -> None:
    """Begin to enrol a device with one-time codes, after the password.

    Raises:
        SigningLocked, ReauthenticationFailed: as `require_password`.
        CredentialRefused: a label that is none, or a device is enrolled.
    """
    label = _label(label)
    require_password(user=person, password=password, now=now)
    if person.credentials.filter(kind=Credential.Kind.TOTP).exists():
        raise CredentialRefused("You have one-time codes already. Remove them first.")
    begin_ceremony(
        person=person,
        session=session,
        about=TOTP_CEREMONY,
        challenge=b"",
        draft={"label": label, "secret": seal(new_secret()).decode()},
        now=now,
    )


def begun_totp_secret(*, person: User, session: str, now: datetime) -> str:
    """Return the secret of the device that is being enrolled, to be shown to its owner.

    Raises:
        CeremonyOver: nothing was begun in this session within five minutes.
    """
    ceremony = find_ceremony(person=person, session=session, about=TOTP_CEREMONY, now=now)
    return unseal(str(ceremony.draft["secret"]).encode())


@transaction.atomic(durable=True)
def enroll_totp(
    *, person: User, session: str, code: str, actor: Actor, now: datetime
) -> Credential:
    """Enrol the device once it shows the right code; the log holds nothing of the secret.

    Raises:
        CeremonyOver: nothing was begun in this session within five minutes.
        CredentialRefused: the code is not right.
    """
    ceremony = find_ceremony(person=person, session=session, about=TOTP_CEREMONY, now=now)
    secret = unseal(str(ceremony.draft["secret"]).encode())
    counter = counter_of(secret, code.replace(" ", ""), now=now, after=-1)
    if counter is None:
        raise CredentialRefused(
            "This is not the code that the device shows now. Is its clock right? Enter the next."
        )
    end_ceremony(ceremony)
    credential = Credential(
        person=person,
        kind=Credential.Kind.TOTP,
        label=str(ceremony.draft["label"]),
        enrolled_at=now,
        sealed_secret=seal(secret),
        last_counter=counter,
    )
    return _enroll(credential, {}, actor=actor, now=now)


def remove_credential(
    *, person: User, credential_id: UUID, password: str, actor: Actor, now: datetime
) -> None:
    """Remove one of the person's credentials, after the password; the log keeps that it was.

    What it signed before stays signed.

    Raises:
        SigningLocked, ReauthenticationFailed: as `require_password`.
        CredentialRefused: the person has no such credential.
    """
    require_password(user=person, password=password, now=now)
    with transaction.atomic(durable=True):
        # Whoever signs with it at this moment has locked it: one comes before the other.
        credential = (
            Credential.objects.select_for_update().filter(person=person, pk=credential_id).first()
        )
        if credential is None:
            raise CredentialRefused("You have no such credential; it may be removed already.")
        _state(Event.CREDENTIAL_REMOVED, credential, _facts(credential), None, actor, now)
        credential.delete()


def _label(label: str) -> str:
    label = label.strip()
    if not label or len(label) > MAX_LABEL or not label.isprintable():
        raise CredentialRefused(
            f"Give it a name of 1 to {MAX_LABEL} characters, such as “Security key, blue”."
        )
    return label


@transaction.atomic
def confirm_credential(
    *, credential_id: UUID, second: ProposalAnswer, actor: Actor, now: datetime
) -> Credential:
    """Let a credential sign, from a while after now on; the log says on whose word.

    Raises:
        ProposalOutdated: it was removed.
    """
    credential = Credential.objects.select_for_update().filter(pk=credential_id).first()
    if credential is None:
        raise ProposalOutdated("The credential was removed since. Decline this proposal.")
    authority = require_two_people(ENROLL, second)
    credential.confirmed_at = now
    credential.save(update_fields=["confirmed_at"])
    # A verifier knows no setting: from when it signs is said where it is confirmed.
    begins = {"signs_from": format_time(now + timedelta(hours=settings.SIGNING_DELAY_HOURS))}
    after, detail = _facts(credential), {**authority, **begins}
    _state(Event.CREDENTIAL_CONFIRMED, credential, None, after, actor, now, detail=detail)
    return credential


def _enroll(
    credential: Credential, more: dict[str, Any], *, actor: Actor, now: datetime
) -> Credential:
    """Keep a credential; it signs at once only while there is nobody who could confirm it."""
    is_alone = is_bootstrapping()
    credential.confirmed_at = now if is_alone else None
    try:
        with transaction.atomic():
            credential.save(force_insert=True)
    except IntegrityError as error:
        # Asked of the database, which alone knows what somebody else enrols at this moment.
        what = "This passkey is" if credential.kind == Credential.Kind.PASSKEY else "A device is"
        raise CredentialRefused(f"{what} enrolled already.") from error
    after, alone = _facts(credential) | more, {"bootstrap": True} if is_alone else {}
    entry = _state(Event.CREDENTIAL_ENROLLED, credential, None, after, actor, now, detail=alone)
    if not is_alone:
        # Who is at this keyboard showed the password minutes ago, when the ceremony began.
        record_proposal(
            change=Change(
                kind=ENROLL,
                subject=person_subject(str(credential.person_id)),
                content={
                    "credential": str(credential.pk),
                    "kind": credential.kind,
                    "person": str(credential.person_id),
                    "enrolled": entry.sha256,
                },
            ),
            actor=actor,
            now=now,
        )
    return credential


def _facts(credential: Credential) -> dict[str, Any]:
    """Return what the log says of a credential: of a passkey all that a verifier needs."""
    facts: dict[str, Any] = {"kind": credential.kind, "person": str(credential.person_id)}
    if credential.kind == Credential.Kind.PASSKEY:
        facts |= {
            "credential_id": write_part(bytes(credential.credential_id or b"")),
            "public_key": encode_base64(bytes(credential.public_key_spki or b"")),
            "rp_id": settings.PASSKEY_RP_ID,
        }
    return facts


def _state(
    event: Event,
    credential: Credential,
    before: dict[str, Any] | None,
    after: dict[str, Any] | None,
    actor: Actor,
    now: datetime,
    *,
    detail: Mapping[str, Any] = MappingProxyType({}),
) -> LogEntry:
    spki = credential.public_key_spki
    digest = (
        hashlib.sha256(str(credential.pk).encode()).hexdigest()
        if spki is None
        else fingerprint(bytes(spki))
    )
    return append_statement(
        event=event,
        predicate_type=predicate_type("registry-event"),
        subject_name=f"credential:{credential.pk}",
        subject_digest=Digest("sha256", digest),
        predicate={"before": before, "after": after} | ({"detail": dict(detail)} if detail else {}),
        stream=None,
        actor=actor,
        now=now,
    )
