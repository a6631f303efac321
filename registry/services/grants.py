"""Grants: written by the decision, reserved and confirmed by the registry store, used once."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from audits.services.signing import grant_signer, keyring
from muniment.change import RegistryChange
from muniment.grant import RESTORE, SET_ALIAS, GrantError, issue_grant, read_grant
from muniment.grant import Grant as GrantClaims
from registry.domain.promotion import PromotionStatus
from registry.domain.violations import ViolationStatus
from registry.errors import GrantRefused
from registry.models import Grant, Promotion, Violation

# After this long without an answer from the store, a reservation is settled by reading the alias.
RESERVATION_TTL = timedelta(seconds=settings.GRANT_TTL_SECONDS)


def issue_token(*, promotion: Promotion, now: datetime) -> str | None:
    """Return a fresh, short-lived token for the promotion's living grant.

    None while the store holds a reservation that may still come to something, and once it has
    confirmed the change. A reservation that ran out without the alias having moved is void, and a
    new grant takes its place.
    """
    with transaction.atomic():
        grant = (
            Grant.objects.select_for_update()
            .filter(promotion=promotion)
            .exclude(status=Grant.Status.VOID)
            .first()
        )
        if grant is not None and grant.status == Grant.Status.CONFIRMED:
            return None
        if grant is not None and grant.status == Grant.Status.RESERVED:
            if grant.reserved_at is None or now < grant.reserved_at + RESERVATION_TTL:
                return None
            grant.status, grant.settled_at = Grant.Status.VOID, now
            grant.save()
            grant = None
        if grant is None:
            grant = Grant(promotion=promotion, written_at=now)
        grant.expires_at = now + timedelta(seconds=settings.GRANT_TTL_SECONDS)
        grant.save()
    known = promotion.version.registered_model
    return issue_grant(
        GrantClaims(
            grant_id=grant.pk,
            source=known.source_id,
            model=known.name,
            version=str(promotion.version.version),
            operation=SET_ALIAS,
            alias=promotion.alias,
            expires_at=grant.expires_at,
            promotion_url=f"{settings.MUNIMENT_URL}/promotions/{promotion.pk}/",
        ),
        grant_signer(),
    )


@transaction.atomic(durable=True)
def issue_restore_token(*, violation: Violation, change: RegistryChange, now: datetime) -> str:
    """Return a fresh, short-lived token for one change that undoes a violation."""
    expires_at = now + timedelta(seconds=settings.GRANT_TTL_SECONDS)
    grant = Grant.objects.create(
        violation=violation,
        change_sha256=change.digest,
        written_at=now,
        expires_at=expires_at,
    )
    known = violation.registered_model
    return issue_grant(
        GrantClaims(
            grant_id=grant.pk,
            source=known.source_id,
            model=known.name,
            version="",
            operation=RESTORE,
            alias="",
            expires_at=expires_at,
            promotion_url=f"{settings.MUNIMENT_URL}/violations/{violation.pk}/",
            change_sha256=change.digest,
        ),
        grant_signer(),
    )


@transaction.atomic(durable=True)
def reserve_grant(*, token: str, now: datetime) -> Grant:
    """Use a grant up: it was written, is not expired, and nobody reserved it before.

    Raises:
        GrantRefused: anything else.
    """
    grant = _locked(token, now)
    if grant.status != Grant.Status.WRITTEN:
        raise GrantRefused("This grant was used before.")
    if grant.promotion is not None and grant.promotion.status != PromotionStatus.EXECUTING:
        raise GrantRefused("The promotion of this grant is not being executed.")
    if grant.violation is not None and grant.violation.status != ViolationStatus.OPEN:
        raise GrantRefused("The violation that this grant undoes is not open.")
    grant.status, grant.reserved_at = Grant.Status.RESERVED, now
    grant.save(update_fields=["status", "reserved_at"])
    return grant


@transaction.atomic(durable=True)
def confirm_grant(*, token: str, now: datetime) -> Grant:
    """Take the store's word that it made the granted change; saying it again changes nothing.

    Raises:
        GrantRefused: the grant was not reserved.
    """
    grant = _locked(token, now)
    if grant.status == Grant.Status.CONFIRMED:
        return grant
    if grant.status != Grant.Status.RESERVED:
        raise GrantRefused("This grant was not reserved.")
    grant.status, grant.settled_at = Grant.Status.CONFIRMED, now
    grant.save(update_fields=["status", "settled_at"])
    return grant


def _locked(token: str, now: datetime) -> Grant:
    claims = _claims(token, now)
    grant = (
        Grant.objects.select_for_update(of=("self",))
        .select_related("promotion__version__registered_model", "violation")
        .filter(pk=claims.grant_id)
        .first()
    )
    if grant is None:
        raise GrantRefused("There is no such grant.")
    if grant.promotion is None:
        if (claims.operation, claims.change_sha256) != (RESTORE, grant.change_sha256):
            raise GrantRefused("The grant is for another change.")
        return grant
    version = grant.promotion.version
    wrong = claims.differs_in(
        source=version.registered_model.source_id,
        model=version.registered_model.name,
        version=str(version.version),
        operation=SET_ALIAS,
        alias=grant.promotion.alias,
    )
    if wrong is not None:
        raise GrantRefused(f"The grant is for another {wrong}.")
    return grant


def _claims(token: str, now: datetime) -> GrantClaims:
    refusal: GrantError | None = None
    for key in keyring().for_use("grant"):
        try:
            return read_grant(token, key.public_key_pem, now=now)
        except GrantError as error:
            refusal = error
    raise GrantRefused(str(refusal) if refusal else "No grant key is known.")
