"""The versions that were made from withdrawn datasets: stated, refused by every gate, alarmed."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Lower

from audits.domain.actor import RECORDER, Actor
from audits.models import Alarm
from audits.services.alarms import REGISTRY_WITHDRAWN, clear_alarm, raise_alarm
from audits.services.log import NewStatement, append_statements, lock_streams, predicate_type
from lineage.domain.graph import Sought
from lineage.models import LineageRecord
from lineage.selectors import (
    find_nodes,
    holding_nodes,
    inputs_of,
    records_behind,
    records_depending_on,
)
from muniment.attest.digest import Digest
from registry.domain.mirror import mapping_hash
from registry.domain.withdrawal import WITHDRAWN
from registry.models import ModelAlias, ModelVersion, Withdrawal, WithdrawnVersion
from registry.services.aliases import governed_aliases
from registry.services.decisions import decide_open_promotions

# The alarm names so many; the page of withdrawals lists them all.
_NAMED = 3


def in_force() -> QuerySet[Withdrawal]:
    """Return the withdrawals that two people signed."""
    return Withdrawal.objects.filter(approval__verdict="approve")


def affected_versions(dataset: str) -> QuerySet[ModelVersion]:
    """Return every version that was made from a dataset, however deep.

    What a superseded record says counts too: nobody gets a version out of a withdrawal by having
    its lineage recorded again without the dataset.
    """
    nodes = [node.id for node in find_nodes(Sought(keys=(dataset,)))]
    records = records_depending_on(holding_nodes(nodes), superseded=True)
    return (
        ModelVersion.objects.filter(uri__in=records.values("version_uri"))
        .select_related("registered_model__source")
        .order_by("registered_model__name", "registered_model_id", "-version")
    )


@transaction.atomic
def state_withdrawn(
    *, withdrawal: Withdrawal, actor: Actor, now: datetime
) -> list[WithdrawnVersion]:
    """State of every version that a withdrawal affects, and that was not stated, that it is.

    Call it with the graph locked. Promotions that are open are decided again.
    """
    stated = WithdrawnVersion.objects.filter(withdrawal=withdrawal, version=OuterRef("pk"))
    versions = list(affected_versions(withdrawal.dataset).filter(~Exists(stated)))
    models = {version.registered_model_id: version.registered_model for version in versions}
    lock_streams({model.uri for model in models.values()})
    entries = append_statements(
        [_statement(withdrawal, version) for version in versions], actor=actor, now=now
    )
    found = [
        WithdrawnVersion(withdrawal=withdrawal, version=version, found_at=now, entry=entry)
        for version, entry in zip(versions, entries, strict=True)
    ]
    WithdrawnVersion.objects.bulk_create(found)
    for _, model in sorted(models.items()):
        decide_open_promotions(registered_model=model, now=now)
    return found


@transaction.atomic
def catch_recorded(*, version: ModelVersion, now: datetime) -> None:
    """Find a version whose lineage was just recorded, and all made from it, in a withdrawal.

    Call it in the transaction of the record, which holds the graph still.
    """
    if not in_force().exists():
        return
    own = LineageRecord.objects.filter(version_uri=version.uri).values_list("pk", flat=True)
    behind = inputs_of(records_behind(list(own), superseded=True))
    withdrawals = in_force().filter(dataset__in=behind.values("node__key"))
    found = [
        one
        for withdrawal in withdrawals.order_by("proposed_at")
        for one in state_withdrawn(withdrawal=withdrawal, actor=RECORDER, now=now)
    ]
    if found:
        refresh_withdrawn_alarm(now=now)


def refresh_withdrawn_alarm(*, now: datetime) -> None:
    """Raise, change or clear the alarm that everybody sees, by which champions are affected now."""
    reigning = list(
        ModelAlias.objects.annotate(lower=Lower("alias"))
        .filter(
            Exists(WithdrawnVersion.objects.filter(version=OuterRef("version"))),
            lower__in=governed_aliases(),
        )
        .select_related("registered_model", "version")
        .order_by("registered_model__name", "alias")[: _NAMED + 1]
    )
    if not reigning:
        clear_alarm(REGISTRY_WITHDRAWN, now=now)
        return
    named = "; ".join(
        f"{held.alias} of {held.registered_model.name} is version {held.version.version}"
        for held in reigning[:_NAMED]
    )
    more = "; and more" if len(reigning) > _NAMED else ""
    message = (
        f"Champions were made from a dataset that was withdrawn: {named}{more}. Nothing was "
        "demoted: promote a version that was made without it."
    )
    if (
        Alarm.objects.filter(code=REGISTRY_WITHDRAWN, cleared_at=None)
        .exclude(message=message)
        .exists()
    ):
        # Another alarm than the one that people know: they are told again.
        clear_alarm(REGISTRY_WITHDRAWN, now=now)
    raise_alarm(REGISTRY_WITHDRAWN, message, now=now)


def _statement(withdrawal: Withdrawal, version: ModelVersion) -> NewStatement:
    return NewStatement(
        event=WITHDRAWN,
        predicate_type=predicate_type("registry-event"),
        subject_name=version.uri,
        subject_digest=Digest("sha256", mapping_hash(version.row)),
        predicate={
            "before": None,
            "after": None,
            "violation": True,
            "detail": {
                # No later statement undoes it, so that a verifier knows it to stand.
                "standing": True,
                "dataset": withdrawal.dataset,
                "cause": withdrawal.cause,
                "withdrawal": withdrawal.approval.entry.sha256,
            },
        },
        stream=version.registered_model.uri,
        is_violation=True,
    )
