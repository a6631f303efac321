"""API tokens: random, scoped, expiring, stored as a hash."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction

from accounts.errors import TokenLifetimeInvalid
from accounts.models import ApiToken, User
from accounts.services.people import actor_of
from audits.domain.actor import SETUP, Actor
from audits.domain.log import Event
from audits.prepared import columns_of, fetch_rows, from_row
from audits.services.log import append_statement, predicate_type
from muniment.attest.digest import Digest

PREFIX = "mun_"  # so that secret scanners know it
READ = "read"
ROLLBACK = "rollback"
RECOMPUTE = "recompute"
WITHDRAW = "withdraw"
EVIDENCE = "evidence"
SCOPES = (READ, ROLLBACK, RECOMPUTE, WITHDRAW, EVIDENCE)
MAX_TTL_SECONDS = 366 * 86_400
# Asked with every request.
_LIVING_TOKEN = f"""
SELECT {columns_of(ApiToken, "token")}, {columns_of(User, "person")}
FROM accounts_apitoken token JOIN accounts_user person ON person.id = token.user_id
WHERE token.sha256 = %(sha256)s AND token.revoked_at IS NULL AND token.expires_at > %(now)s
    AND person.is_active
"""  # noqa: S608 - names of columns


@transaction.atomic(durable=True)
def issue_token(
    *,
    user: User,
    name: str,
    scopes: Iterable[str],
    ttl_seconds: int,
    actor: Actor,
    now: datetime,
) -> str:
    """Issue a token that acts for `user`; return the secret, which is shown once and not kept.

    Args:
        ttl_seconds: at most 366 days.

    Raises:
        RoleRequired: the token is somebody else's, and the actor is no admin.
        TokenLifetimeInvalid: it would live too long, or not at all.
    """
    if actor not in (SETUP, actor_of(user)):
        actor.require_role("issue somebody else's token", "admin")
    if not 0 < ttl_seconds <= MAX_TTL_SECONDS:
        raise TokenLifetimeInvalid("A token lives between one second and 366 days.")
    secret = PREFIX + secrets.token_urlsafe(32)
    token = ApiToken.objects.create(
        user=user,
        name=name,
        sha256=_sha256(secret),
        scopes=sorted(set(scopes)),
        created_at=now,
        expires_at=now + timedelta(seconds=ttl_seconds),
    )
    append_statement(
        event=Event.TOKEN_ISSUED,
        predicate_type=predicate_type("registry-event"),
        subject_name=f"token:{token.pk}",
        subject_digest=Digest("sha256", _sha256(str(token.pk))),
        predicate={"before": None, "after": {"person": str(user.pk), "scopes": token.scopes}},
        stream=None,
        actor=actor,
        now=now,
    )
    return secret


def find_token(*, secret: str, now: datetime) -> ApiToken | None:
    """Return the living token with this secret, or None; looked up by its hash."""
    for row in fetch_rows(_LIVING_TOKEN, {"sha256": _sha256(secret), "now": now}):
        token = from_row(ApiToken, row)
        token.user = from_row(User, row[len(ApiToken._meta.concrete_fields) :])
        return token
    return None


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
