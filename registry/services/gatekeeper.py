"""What the gatekeeper inside an MLflow server tells us, checked and stated in the log."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import F

from audits.domain.actor import GATEKEEPER
from audits.domain.log import Event
from audits.models import RefusalCount
from audits.services.disclosures import commit_text
from audits.services.log import append_statement, predicate_type
from muniment.attest.digest import Digest, canonical_json
from muniment.attest.statement import format_time
from registry.domain.gatekeeper import MessageUnreadable, RefusedChange, read_message
from registry.errors import HookUnreadable
from registry.models import ModelVersion, RegisteredModel, RegistrySource
from registry.services.facts import state_registry_event
from registry.services.hooks import accept_delivery
from registry.services.sources import default_source

# One kind of refusal is one message a minute, by the store's own account. Whoever invents kinds
# (every model's name is another) meets this, for all of a registry together.
ENTRIES_A_MINUTE = 20

logger = structlog.get_logger(__name__)


class Received(StrEnum):
    """What became of a message."""

    ACCEPTED = "accepted"
    ALREADY_SEEN = "already_seen"
    COUNTED = "counted"  # and not stated: this minute's share of the log is used up


@transaction.atomic(durable=True)
def receive_gatekeeper_message(
    *, delivery_id: str, timestamp: str, signature: str, body: bytes, secret: str, now: datetime
) -> Received:
    """Take one message of a gatekeeper: note that it lives, and state what it refused.

    The delivery is remembered in the same transaction, so that one which failed may come again.
    Of the MLflow user the log gets a commitment, which only a row here opens.

    Raises:
        HookRefused: as `accept_delivery`; the message is MLflow's by its signature alone.
        HookUnreadable: it says nothing that can be stated, or is of a source that is not known.
    """
    is_new = accept_delivery(
        delivery_id=delivery_id,
        timestamp=timestamp,
        signature=signature,
        body=body,
        secret=secret,
        now=now,
    )
    if not is_new:
        return Received.ALREADY_SEEN
    try:
        message = read_message(body)
    except MessageUnreadable as error:
        raise HookUnreadable(str(error)) from error
    source = _known_source(message.source)
    RegistrySource.objects.filter(pk=source.pk).update(gatekeeper_seen_at=now)
    if message.refused is None:
        return Received.ACCEPTED
    if not _may_state(source, now):
        return Received.COUNTED
    _state_refusal(source, message.refused, now)
    return Received.ACCEPTED


def _known_source(name: str) -> RegistrySource:
    if name == settings.MUNIMENT_SOURCE:
        return default_source()
    source = RegistrySource.objects.filter(pk=name).first()
    if source is None:
        raise HookUnreadable(
            "No registry source of this name is known. Set MUNIMENT_SOURCE on the MLflow server "
            "to the name under which its registry is mirrored here."
        )
    return source


def _may_state(source: RegistrySource, now: datetime) -> bool:
    """Count a refusal; say whether this minute still has room for it in the log."""
    row, _ = RefusalCount.objects.get_or_create(
        actor=f"gatekeeper of {source.name}",
        reason=Event.CHANGE_REFUSED,
        minute=now.replace(second=0, microsecond=0),
        defaults={"count": 0},
    )
    RefusalCount.objects.filter(pk=row.pk).update(count=F("count") + 1)
    row.refresh_from_db()
    if row.count == ENTRIES_A_MINUTE + 1:
        logger.warning("gatekeeper.refusals_left_out", source=source.name)
    return row.count <= ENTRIES_A_MINUTE


def _state_refusal(source: RegistrySource, refused: RefusedChange, now: datetime) -> None:
    registered_model = RegisteredModel.objects.filter(
        source=source, name=refused.model, gone_at__isnull=True
    ).first()
    detail: dict[str, Any] = {
        "method": refused.method,
        "model": refused.model,
        "version": refused.version,
        "alias": refused.alias,
        "why": refused.why,
        "count": refused.count,
        "first_at": format_time(refused.first_at),
        "last_at": format_time(refused.last_at),
        "dropped": refused.dropped,
        "user_commitment": commit_text(person_id=None, text=refused.user) if refused.user else None,
    }
    if registered_model is None:
        append_statement(
            event=Event.CHANGE_REFUSED,
            predicate_type=predicate_type("registry-event"),
            subject_name=f"source:{source.name}",
            subject_digest=Digest.of_bytes(canonical_json(detail)),
            predicate={"before": None, "after": None, "violation": False, "detail": detail},
            stream=None,
            actor=GATEKEEPER,
            now=now,
        )
        return
    versions = ModelVersion.objects.filter(registered_model=registered_model)
    version = versions.filter(version=refused.version).first() if refused.version else None
    state_registry_event(
        event=Event.CHANGE_REFUSED,
        registered_model=registered_model,
        version=version,
        before=None,
        after=None,
        detail=detail,
        actor=GATEKEEPER,
        now=now,
    )
