"""The wire format of a grant: permission for one change in an MLflow registry, once.

A grant is a DSSE envelope (payload type :data:`PAYLOAD_TYPE`) signed by the grant key, carried
base64url without padding in the HTTP header :data:`HEADER` of the MLflow request that makes the
change. What it says can be trusted when :func:`read_grant` returns. That it was not used before
only Muniment knows, who is asked to reserve it; of a rollback grant, which is for the hour when
Muniment is down, the registry's own database knows it.

Reading one without verifying it needs the standard library alone.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID

from muniment.attest.envelope_form import parse_envelope
from muniment.attest.errors import AttestError, EnvelopeError
from muniment.attest.strict_json import parse_object

if TYPE_CHECKING:
    from muniment.attest.envelope import EnvelopeSigner

HEADER: Final = "Muniment-Grant"
PAYLOAD_TYPE: Final = "application/vnd.muniment.grant+json"
SET_ALIAS: Final = "set_alias"
ROLLBACK_ALIAS: Final = "rollback_alias"
RESTORE: Final = "restore"
OPERATIONS: Final = frozenset({SET_ALIAS, ROLLBACK_ALIAS, RESTORE})
# Servers and proxies begin to refuse headers at 8 KiB.
MAX_TOKEN_CHARACTERS: Final = 8_000
# A registered model's tag of this name and a grant's id says that the rollback was carried out.
ROLLBACK_TAG_PREFIX: Final = "muniment.rollback."

_TOKEN = re.compile(r"[A-Za-z0-9_-]+")
_VERSION = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_URL = re.compile(r"https?://[!-~]+")
_MEMBERS = (
    "grant_id",
    "source",
    "model",
    "version",
    "operation",
    "alias",
    "expires_at",
    "promotion_url",
)
# What a grant for an operation says besides, all of it as text.
_CONDITIONS: Final = {ROLLBACK_ALIAS: ("from_version",), RESTORE: ("change_sha256",)}


class GrantError(AttestError):
    """A token is no grant that may be honoured.

    ``code`` is ``grant.malformed``, ``grant.bad_signature`` or ``grant.expired``.
    """

    default_code = "grant.malformed"


@dataclass(frozen=True, slots=True)
class Grant:
    """Permission for one change.

    Attributes:
        grant_id: what single use is counted by.
        source: the registry source's name in Muniment.
        model: the registered model's name, exactly as MLflow has it.
        version: the model version, decimal, without leading zeros.
        operation: one of :data:`OPERATIONS`.
        alias: lower case.
        expires_at: with a UTC offset; from this instant on the grant is worth nothing.
        promotion_url: the page that says why the grant exists.
        from_version: of a rollback, the other version, which the alias must hold when it is moved;
            None for every other operation.
        change_sha256: of a restore, the digest of the one change that it permits
            (:class:`muniment.change.RegistryChange`), which says the version and alias that are
            empty here; None for every other operation.

    Raises:
        GrantError: ``grant.malformed``, from the constructor, naming the member.
    """

    grant_id: UUID
    source: str
    model: str
    version: str
    operation: str
    alias: str
    expires_at: datetime
    promotion_url: str
    from_version: str | None = None
    change_sha256: str | None = None

    def __post_init__(self) -> None:
        if self.operation not in OPERATIONS:
            raise GrantError(f"the grant's operation {self.operation[:40]!r} is not known")
        restores = self.operation == RESTORE
        for member in ("source", "model") if restores else ("source", "model", "alias"):
            if not getattr(self, member):
                raise GrantError(f"the grant's {member} is empty")
        if restores and (self.version or self.alias):
            raise GrantError("of a restore, only change_sha256 says what it may change")
        if not restores and _VERSION.fullmatch(self.version) is None:
            raise GrantError("the grant's version is not a positive decimal number")
        if restores != (self.change_sha256 is not None):
            raise GrantError("a restore names change_sha256, and no other operation does")
        if self.change_sha256 is not None and _SHA256.fullmatch(self.change_sha256) is None:
            raise GrantError("the grant's change_sha256 is not 64 lower-case hex digits")
        if (self.from_version is not None) != (self.operation == ROLLBACK_ALIAS):
            raise GrantError("a rollback names from_version, and no other operation does")
        if self.from_version is not None and _VERSION.fullmatch(self.from_version) is None:
            raise GrantError("the grant's from_version is not a positive decimal number")
        if self.from_version == self.version:
            raise GrantError("the grant's from_version and version are the same")
        if self.alias != self.alias.lower():
            raise GrantError("the grant's alias is not in lower case")
        if self.expires_at.utcoffset() is None:
            raise GrantError("the grant's expires_at has no UTC offset")
        if _URL.fullmatch(self.promotion_url) is None:
            raise GrantError("the grant's promotion_url is not an http or https URL")

    def differs_in(
        self, *, source: str, model: str, version: str, operation: str, alias: str
    ) -> str | None:
        """Return the first member in which a change is not the granted one; None if it is it.

        Compared exactly: a grant for ``champion`` is none for ``Champion``, which is another
        alias in MLflow.
        """
        wanted = {
            "source": source,
            "model": model,
            "version": version,
            "operation": operation,
            "alias": alias,
        }
        for member, value in wanted.items():
            if getattr(self, member) != value:
                return member
        return None


@dataclass(frozen=True, slots=True)
class RollbackUse:
    """What the registry itself remembers of a rollback that was carried out: a tag's value.

    Attributes:
        from_version: where the alias was.
        to_version: where it was moved.
        at: when, by the clock of the MLflow server; with a UTC offset.
    """

    from_version: int
    to_version: int
    at: datetime

    def to_tag_value(self) -> str:
        """Law: ``RollbackUse.parse(use.to_tag_value()) == use``."""
        return f'{{"from":{self.from_version},"to":{self.to_version},"at":"{_written(self.at)}"}}'

    @classmethod
    def parse(cls, value: str) -> RollbackUse | None:
        """Read a tag's value; None for one that the store did not write."""
        try:
            members = json.loads(value)
            at = datetime.fromisoformat(members["at"])
            use = cls(members["from"], members["to"], at)
            return use if use.to_tag_value() == value else None
        except (ValueError, TypeError, KeyError, RecursionError):
            return None


def rollback_tag(grant_id: UUID) -> str:
    """Return the key of the tag by which a registry remembers that a grant was used."""
    return f"{ROLLBACK_TAG_PREFIX}{grant_id}"


def issue_grant(grant: Grant, signer: EnvelopeSigner) -> str:
    """Sign ``grant`` and return its token, the value of the HTTP header.

    The token is a secret until it expires. Law: ``read_grant(issue_grant(g, signer), pem,
    now=t) == g`` for every ``t < g.expires_at`` and the signer's own public key.

    Raises:
        GrantError: the token would be longer than a header may be.
        EnvelopeError: the signer is not one that signs envelopes.
    """
    from muniment.attest.envelope import sign_envelope

    payload = {
        "grant_id": str(grant.grant_id),
        "source": grant.source,
        "model": grant.model,
        "version": grant.version,
        "operation": grant.operation,
        "alias": grant.alias,
        "expires_at": _written(grant.expires_at),
        "promotion_url": grant.promotion_url,
    }
    for member in _CONDITIONS.get(grant.operation, ()):
        payload[member] = getattr(grant, member)
    encoded = json.dumps(payload, sort_keys=True, separators=(",", ":")).encode()
    envelope = sign_envelope(encoded, signer, PAYLOAD_TYPE)
    token = _token_of(envelope)
    if len(token) > MAX_TOKEN_CHARACTERS:
        raise GrantError(f"the token has {len(token)} characters, at most {MAX_TOKEN_CHARACTERS}")
    return token


def read_grant(token: str, public_key_pem: str | bytes, *, now: datetime) -> Grant:
    """Return what a token grants, if the grant key signed it and it has not expired.

    Whether it was used before, and whether it is for the change at hand
    (:meth:`Grant.differs_in`), is for the caller to ask.

    Args:
        token: as :func:`issue_grant` returned it.
        public_key_pem: the grant key's public half, the only key that is trusted.
        now: with a UTC offset. ``now == expires_at`` is expired.

    Raises:
        GrantError: ``grant.malformed`` for anything :func:`issue_grant` does not write. An
            unknown member is refused too: it could be a condition, and a permission whose
            conditions are not understood is not one. ``grant.bad_signature`` for another key,
            another payload type or changed bytes; ``grant.expired``.
        EnvelopeError: ``public_key_pem`` is not a public key.
    """
    from muniment.attest.envelope import PublicKey, verify_envelope

    key = PublicKey.from_pem(public_key_pem)
    envelope = _envelope_of(token)
    try:
        verified = verify_envelope(envelope, {key.keyid: key}, PAYLOAD_TYPE)
    except EnvelopeError as error:
        if error.code == EnvelopeError.default_code:
            raise GrantError(f"the token is not an envelope: {error}") from error
        raise GrantError(
            f"the grant key did not sign this: {error}", code="grant.bad_signature"
        ) from error
    grant = _parse_grant(verified.payload)
    if now >= grant.expires_at:
        raise GrantError(
            f"the grant expired at {grant.expires_at:%Y-%m-%d %H:%M:%S} UTC", code="grant.expired"
        )
    return grant


def read_unverified_grant(token: str) -> Grant:
    """Return what a token says, whoever signed it and however long ago.

    For whoever only carries a grant to the one who verifies it: nothing may be let through for it.

    Raises:
        GrantError: ``grant.malformed``.
    """
    try:
        parsed = parse_envelope(_envelope_of(token))
    except EnvelopeError as error:
        raise GrantError(f"the token is not an envelope: {error}") from error
    if parsed.payload_type != PAYLOAD_TYPE:
        raise GrantError("the token is an envelope, but not of a grant")
    return _parse_grant(parsed.payload)


def _envelope_of(token: str) -> bytes:
    if len(token) > MAX_TOKEN_CHARACTERS or _TOKEN.fullmatch(token) is None:
        raise GrantError("the token is not base64url without padding")
    try:
        envelope = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except binascii.Error as error:
        raise GrantError("the token is not base64url without padding") from error
    if _token_of(envelope) != token:
        raise GrantError("the token is not base64url in its one canonical spelling")
    return envelope


def _written(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _token_of(envelope: bytes) -> str:
    return base64.urlsafe_b64encode(envelope).rstrip(b"=").decode("ascii")


def _parse_grant(payload: bytes) -> Grant:
    members = parse_object(
        payload, error=GrantError, what="the grant", max_bytes=MAX_TOKEN_CHARACTERS
    )
    operation = members.get("operation")
    known = (*_MEMBERS, *_CONDITIONS.get(str(operation), ()))
    if set(members) != set(known):
        odd = sorted(set(members).symmetric_difference(known))
        raise GrantError(f"the grant has members missing or unknown: {', '.join(odd)[:200]}")
    for member in known:
        if not isinstance(members[member], str):
            raise GrantError(f"the grant's {member} is not a string")
    try:
        grant_id = UUID(members["grant_id"])
        expires_at = datetime.fromisoformat(members["expires_at"])
    except ValueError as error:
        raise GrantError(f"the grant is malformed: {error}") from error
    if expires_at.utcoffset() is None:
        raise GrantError("the grant's expires_at has no UTC offset")
    return Grant(
        grant_id=grant_id,
        source=members["source"],
        model=members["model"],
        version=members["version"],
        operation=members["operation"],
        alias=members["alias"],
        expires_at=expires_at.astimezone(UTC),
        promotion_url=members["promotion_url"],
        from_version=members.get("from_version"),
        change_sha256=members.get("change_sha256"),
    )
