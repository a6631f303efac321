"""Who trained a version: the person whom MLflow signed in when it was registered."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from django.db import transaction

from accounts.domain.proposals import person_subject
from accounts.errors import AnswerNotAllowed, ProposalOutdated, UnknownPerson
from accounts.models import ProposalAnswer, User
from accounts.services.two_people import require_two_people
from audits.domain.actor import GATE, Actor
from audits.domain.log import Event
from audits.services.log import append_statement, lock_stream, predicate_type
from muniment.attest.digest import Digest, canonical_json
from registry.domain.promotion import DECIDABLE_STATUSES
from registry.errors import InvalidRequest
from registry.models import MlflowAccount, Promotion, RegistrySource
from registry.services.decisions import decide_promotion
from registry.services.dismissals import dismiss_approval
from registry.services.locking import lock_promotion
from registry.services.policies import document_of
from registry.services.review_notices import tell_signer
from registry.services.text import require_plain_text
from registry.services.trainers import trainer_of

MAP = "say whose an account of MLflow is"
IS_TRAINER = "Its signer is now known to have trained the version."
MAX_ACCOUNT = 255


def declare_account(
    *, source: RegistrySource, account: str, actor: Actor, now: datetime
) -> MlflowAccount:
    """Name an account of an MLflow, so that it can be mapped; the same again is the same.

    It stands for nobody yet, so that one admin is enough.

    Raises:
        RoleRequired: the actor is no admin.
        InvalidRequest: the name is empty, too long, or cannot be stored.
    """
    actor.require_role(MAP, "admin")
    if not account.strip():
        raise InvalidRequest("Give the name with which the account signs in to MLflow.")
    require_plain_text("account", account, MAX_ACCOUNT)
    return MlflowAccount.objects.get_or_create(source=source, account=account)[0]


def mapping_of(account: MlflowAccount) -> dict[str, str] | None:
    """Return whom an account stands for, as the log says it; None for nobody."""
    if account.person_id is None:
        return None
    return {"person": str(account.person_id), "kind": account.kind}


def subject_of(before: Mapping[str, str] | None, after: Mapping[str, str] | None) -> str:
    """Return whom a mapping is about: who is to answer for what the account did, or did so far."""
    return person_subject((after or before or {}).get("person", ""))


@transaction.atomic
def map_account(
    *,
    account_id: UUID,
    before: Mapping[str, str] | None,
    after: Mapping[str, str] | None,
    second: ProposalAnswer | None = None,
    actor: Actor,
    now: datetime,
) -> MlflowAccount:
    """Say whom an account stands for from now on: a person, a service's owner, or nobody.

    Open promotions follow at once: what the person who now counts as the trainer of one had
    signed there is dismissed, and whether the others are enough is decided again.

    Args:
        before: the mapping that it must have now; `after`: the one that it is to have.

    Raises:
        RoleRequired: the actor is no admin.
        SecondPersonNeeded: nobody confirmed it.
        AnswerNotAllowed: one of the two is the person whom the account would no longer stand for.
        ProposalOutdated: it is mapped otherwise by now, or the person's account has ended.
        UnknownPerson: there is no such person.
    """
    actor.require_role(MAP, "admin")
    is_its = second is not None and second.subject == subject_of(before, after)
    authority = require_two_people(MAP, second if is_its else None)
    if before is not None and second is not None:
        freed = UUID(before["person"])
        if freed in (second.person_id, second.proposer_id):
            raise AnswerNotAllowed("Nobody unsays what they trained: two other admins do this.")
    # Streams come before every other lock; which promotions are open is read again under it.
    source = MlflowAccount.objects.values_list("source_id", flat=True).get(pk=account_id)
    for stream in sorted(
        {one.version.registered_model.uri for one in _open_promotions(str(source))}
    ):
        lock_stream(stream)
    account = MlflowAccount.objects.select_for_update().get(pk=account_id)
    if mapping_of(account) != (dict(before) if before is not None else None):
        raise ProposalOutdated(
            "Whose this account is changed since this was proposed, so nothing was changed."
        )
    person = None
    if after is not None:
        person = User.objects.filter(pk=after["person"]).first()
        if person is None:
            raise UnknownPerson("There is no such person. Nothing was changed.")
        account.kind = MlflowAccount.Kind(after["kind"])
    account.person, account.mapped_at = person, now
    account.save()
    append_statement(
        event=Event.ACCOUNT_MAPPED,
        predicate_type=predicate_type("registry-event"),
        subject_name=f"mlflow-account:{account.pk}",
        subject_digest=Digest.of_bytes(canonical_json({"account": str(account.pk)})),
        predicate={
            "before": dict(before) if before else None,
            "after": dict(after) if after else None,
            "detail": {"source": str(source), **authority},
        },
        stream=None,
        actor=actor,
        now=now,
    )
    for promotion in _open_promotions(str(source)):
        _follow(lock_promotion(promotion.pk), actor=actor, now=now)
    return account


def _open_promotions(source: str) -> list[Promotion]:
    return list(
        Promotion.objects.filter(
            status__in=sorted(DECIDABLE_STATUSES), version__registered_model__source_id=source
        )
        .select_related("version__registered_model")
        .order_by("pk")
    )


def _follow(promotion: Promotion, *, actor: Actor, now: datetime) -> None:
    trainer = trainer_of(promotion.version)
    if promotion.trainer_id == (trainer.pk if trainer else None):
        return
    promotion.trainer = trainer
    promotion.save(update_fields=["trainer"])
    if trainer is not None and _is_kept_apart(promotion):
        own = promotion.approvals.filter(dismissal__isnull=True, person=trainer)
        for approval in own.select_related("entry"):
            dismiss_approval(approval=approval, reason=IS_TRAINER, actor=actor, now=now)
            tell_signer(promotion, approval.person_id, approval.pk, now)
    decide_promotion(promotion_id=promotion.pk, actor=GATE, now=now)


def _is_kept_apart(promotion: Promotion) -> bool:
    """Say whether the trainer may not approve; so it is where no policy says anything."""
    binding = getattr(promotion.version.registered_model, "binding", None)
    return binding is None or "trainer" in document_of(binding.policy).approvals.distinct_from
