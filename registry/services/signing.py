"""Signing: the one way in which a person signs a statement, whatever it is about.

A passkey signs the digest of the statement itself, so the statement must be known before it is
signed. What makes it is called twice: once to prepare, when everything that it did is rolled back
and its digest goes to the browser, and once to sign, when it must come to the same digest again.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeVar
from uuid import UUID, uuid4

from django.db import transaction

from accounts.domain.signature import SignatureMethod
from accounts.models import Ceremony, Credential, User
from accounts.selectors import credentials_that_sign
from accounts.services.ceremonies import begin_ceremony, end_ceremony, find_ceremony
from accounts.services.passkeys import check_assertion, request_options
from accounts.services.people import reauthenticate
from accounts.services.signing_power import require_signing_power
from audits.domain.actor import Actor
from audits.services.disclosures import commit_person, commit_text
from muniment.attest.commitment import SALT_BYTES
from muniment.attest.passkey import MEMBER, challenge_of
from muniment.attest.statement import Subject, format_time, parse_time
from registry.errors import EvidenceChanged, ReviewNotAllowed

T = TypeVar("T")
# What is signed is named in so many characters, by which a ceremony is found.
MAX_ABOUT: Final = 100


@dataclass(frozen=True, slots=True)
class Password:
    """The signer's password, and a one-time code of their device beside it; empty for none."""

    password: str
    code: str = ""


@dataclass(frozen=True, slots=True)
class PasskeyAnswer:
    """What the browser answered, as JSON, and the key of the session in which it did."""

    session: str
    answer: str


@dataclass(frozen=True, slots=True)
class Preparation:
    """The password that is asked before a passkey; nothing is signed with it."""

    session: str
    password: str


Means = Password | PasskeyAnswer | Preparation


class Prepared(Exception):
    """Nothing was signed: `options` is what the browser is asked, as JSON."""

    def __init__(self, options: dict[str, Any]) -> None:
        super().__init__("prepared for a passkey")
        self.options = options


class _Known(Exception):
    def __init__(self, challenge: bytes) -> None:
        super().__init__()
        self.challenge = challenge


@dataclass(slots=True)
class Pen:
    """Signs one statement. Everything in it that is made anew each time is made by `once`.

    Attributes:
        actor: the signer, with the roles that they hold now that their row is locked.
        person: their row, locked until the transaction ends.
        method: how they showed who they are.
        now: as of when it is judged whether this may be signed.
    """

    actor: Actor
    person: User
    method: SignatureMethod
    now: datetime
    _is_preparing: bool
    _ceremony: Ceremony | None = None
    _signed: tuple[Credential, Mapping[str, str]] | None = None
    _kept: dict[str, str] = field(default_factory=dict)
    is_used: bool = False

    @property
    def at(self) -> datetime:
        """When it is signed: with a passkey, the moment at which it was prepared."""
        return parse_time(self._kept["at"]) if self._ceremony else self.now

    def once(self, name: str, make: Callable[[], str]) -> str:
        """Return what was made under this name when it was prepared, else make it now."""
        if name not in self._kept:
            self._kept[name] = make()
        return self._kept[name]

    def salt(self, name: str) -> bytes:
        """Return the salt of one commitment."""
        return bytes.fromhex(self.once(f"{name}_salt", lambda: secrets.token_hex(SALT_BYTES)))

    def signer(self, role: str) -> dict[str, Any]:
        """Return what a statement says of its signer: the role, and a commitment to the name."""
        commitment = commit_person(
            person_id=self.person.pk,
            printed_name=self.person.printed_name,
            role=role,
            salt=self.salt("person"),
        )
        return {"role": role, "person": {"id": str(self.person.pk), "commitment": commitment}}

    def commit_text(self, text: str) -> str:
        """Commit to the one free text of what is signed; return the commitment, hex."""
        return commit_text(person_id=self.person.pk, text=text, salt=self.salt("reason"))

    def new_id(self) -> UUID:
        """Return the id of what is made with this signature."""
        return UUID(self.once("id", lambda: str(uuid4())))

    def seal(
        self, subject: Subject, predicate_type: str, predicate: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return the predicate with what it is signed with; of a statement with its time and actor.

        Raises:
            EvidenceChanged: a passkey signed another statement, or was removed; nothing was signed.
            CeremonyOver: it was used already.
        """
        if self.is_used:
            raise RuntimeError("a pen signs one statement")
        self.is_used = True
        sealed = dict(predicate)
        if self.method is not SignatureMethod.PASSWORD:
            sealed["signature"] = self.method.value
        challenge = challenge_of([subject], predicate_type, sealed)
        if self._is_preparing:
            self._kept["at"] = format_time(self.now)
            raise _Known(challenge)
        if self._ceremony is not None and self._signed is not None:
            credential, assertion = self._signed
            _require_prepared(self._ceremony, challenge, credential)
            sealed[MEMBER] = dict(assertion)
        return sealed


def sign(
    write: Callable[[Pen], T],
    *,
    operation: str,
    roles: tuple[str, ...],
    about: str,
    means: Means,
    actor: Actor,
    now: datetime,
) -> T:
    """Let a person sign: `write` states one thing with the pen, in one transaction.

    Who they are is asked before the transaction, so that a wrong password is counted even though
    nothing is signed. Their row is locked first in it: whoever lost the role, or the account,
    while they waited signs nothing.

    Args:
        write: makes the statement with `pen.seal`, once, and does what follows from it.
        operation: for the refusal: "waive a gate".
        roles: of which one is needed, asked before and again under the lock.
        about: names what is signed; with a passkey, one thing is prepared under one name.

    Raises:
        RoleRequired: the person has none of the roles.
        ReauthenticationFailed, SigningLocked: the password, the code or the passkey is wrong.
        NoSigningPowerYet: their role or a credential of theirs is too new.
        CeremonyOver: nothing was prepared in this session within five minutes.
        EvidenceChanged: what a passkey signed is not what would be recorded now.
        ReviewNotAllowed: it is prepared for somebody without a passkey, or whose account ended.
        Prepared: `means` was a preparation, and nothing stands in the way.
        And what `write` raises.
    """
    actor.require_role(operation, *roles)
    person = User.objects.get(pk=actor.id)
    pen = _show(person, about, means, actor, now)
    try:
        with transaction.atomic(durable=True):
            _lock(pen)
            pen.actor.require_role(operation, *roles)
            written = write(pen)
            if not pen.is_used:
                raise RuntimeError(f"nothing was signed: {operation}")
            return written
    except _Known as known:
        challenge = known.challenge
    begin_ceremony(
        person=person,
        session=means.session if isinstance(means, Preparation) else "",
        about=about,
        challenge=challenge,
        draft=pen._kept,
        now=pen.now,
    )
    raise Prepared(request_options(person=person, challenge=challenge, now=pen.now))


def prepare_signature(
    call: Callable[[Means], object], *, password: str, session: str
) -> dict[str, Any]:
    """Have a service that signs make its statement for a passkey, after the password.

    Returns:
        What the browser is asked (`navigator.credentials.get`), as JSON.

    Raises:
        As the service.
    """
    try:
        call(Preparation(session=session, password=password))
    except Prepared as prepared:
        return prepared.options
    raise RuntimeError("nothing was prepared")


def _show(person: User, about: str, means: Means, actor: Actor, now: datetime) -> Pen:
    """Ask who signs."""
    match means:
        case Password(password, code):
            shown = reauthenticate(user=person, password=password, code=code, now=now)
            return Pen(actor, person, shown, now, _is_preparing=False)
        case Preparation(_, password):
            reauthenticate(user=person, password=password, now=now)
            if not credentials_that_sign(person, now).filter(kind=Credential.Kind.PASSKEY).exists():
                raise ReviewNotAllowed(
                    "You have no passkey that signs already. Under “Your credentials” you enrol "
                    "one, or see what one of yours waits for."
                )
            return Pen(actor, person, SignatureMethod.PASSKEY, now, _is_preparing=True)
        case PasskeyAnswer(session, answer):
            # Asked when it was prepared, and again: a key may have been enrolled since.
            require_signing_power(person, now)
            ceremony = find_ceremony(person=person, session=session, about=about, now=now)
            challenge = bytes.fromhex(ceremony.challenge)
            signed = check_assertion(person=person, challenge=challenge, answer=answer, now=now)
            return Pen(
                actor,
                person,
                SignatureMethod.PASSKEY,
                now,
                _is_preparing=False,
                _ceremony=ceremony,
                _signed=signed,
                _kept=dict(ceremony.draft),
            )


def _lock(pen: Pen) -> None:
    """Lock the signer's row, before everything else that is locked, and read it again."""
    # Who changes people locks them before any stream: the other order could wait for ever.
    pen.person = User.objects.select_for_update(no_key=True).get(pk=pen.person.pk)
    if not pen.person.is_active:
        raise ReviewNotAllowed("Your account has ended meanwhile, so nothing was signed.")
    require_signing_power(pen.person, pen.now)
    pen.actor = Actor(
        kind=pen.actor.kind,
        id=pen.actor.id,
        roles=pen.actor.roles & frozenset(pen.person.roles),
        printed_name=pen.person.printed_name,
    )


def _require_prepared(ceremony: Ceremony, challenge: bytes, credential: Credential) -> None:
    """Accept an assertion for this statement alone; the ceremony ends with it."""
    if challenge.hex() != ceremony.challenge:
        raise EvidenceChanged(
            "What your passkey signed is not what would be recorded now, so nothing was signed. "
            "Read the page again and sign what it shows now."
        )
    # A removal that comes first has won; one that comes later stands later in the log.
    if not Credential.objects.select_for_update(no_key=True).filter(pk=credential.pk).exists():
        raise EvidenceChanged("This passkey was removed, so nothing was signed.")
    end_ceremony(ceremony)
