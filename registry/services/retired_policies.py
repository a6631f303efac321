"""Retiring a policy version: nothing passes by it any more; champions alarm, and stay."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models.functions import Lower

from accounts.models import ProposalAnswer
from accounts.services.two_people import require_two_people
from audits.domain.actor import Actor
from audits.domain.log import Event
from audits.models import Alarm
from audits.services.alarms import REGISTRY_POLICY_RETIRED, clear_alarm, raise_alarm
from audits.services.log import append_statement, lock_streams, predicate_type
from muniment.attest.digest import Digest
from registry.models import ModelAlias, Policy, PolicyRetirement, RegisteredModel
from registry.services.aliases import governed_aliases
from registry.services.decisions import decide_open_promotions

RETIRE = "retire a policy"
# The alarm names so many; the policy's page lists them all.
_NAMED = 3


@transaction.atomic
def retire_policy(
    *, policy: Policy, second: ProposalAnswer | None = None, actor: Actor, now: datetime
) -> PolicyRetirement:
    """Retire a policy version for good; the same twice is once.

    It is bound no more, and denies from now on whatever it is bound to. Open promotions are
    decided again. Champions stay where they are: everybody sees an alarm until another policy is
    bound.

    Args:
        second: the answer that confirms it, where two people are needed.

    Raises:
        RoleRequired: the actor is no admin.
        SecondPersonNeeded: nobody confirmed it, and one person is not enough any more.
    """
    actor.require_role(RETIRE, "admin")
    bound = list(
        RegisteredModel.objects.filter(binding__policy=policy, gone_at__isnull=True).order_by("pk")
    )
    lock_streams({known.uri for known in bound})
    known = PolicyRetirement.objects.filter(policy=policy).first()
    if known is not None:
        return known
    entry = append_statement(
        event=Event.POLICY_RETIRED,
        predicate_type=predicate_type("policy"),
        subject_name=f"policy:{policy.name}@{policy.version}",
        subject_digest=Digest.parse(policy.digest),
        predicate={
            "name": policy.name,
            "version": policy.version,
            "digest": policy.digest,
            "authority": require_two_people(RETIRE, second),
        },
        stream=None,
        actor=actor,
        now=now,
    )
    retirement = PolicyRetirement.objects.create(policy=policy, retired_at=now, entry=entry)
    for registered_model in bound:
        decide_open_promotions(registered_model=registered_model, now=now)
    refresh_retired_alarm(now=now)
    return retirement


def refresh_retired_alarm(*, now: datetime) -> None:
    """Raise, change or clear the alarm that everybody sees, by whose policy is retired now."""
    reigning = list(
        ModelAlias.objects.annotate(lower=Lower("alias"))
        .filter(
            registered_model__binding__policy__retirement__isnull=False,
            registered_model__gone_at__isnull=True,
            lower__in=governed_aliases(),
        )
        .select_related("registered_model__binding__policy")
        .order_by("registered_model__name", "alias")[: _NAMED + 1]
    )
    if not reigning:
        clear_alarm(REGISTRY_POLICY_RETIRED, now=now)
        return
    named = "; ".join(
        f"{held.alias} of {held.registered_model.name} "
        f"({held.registered_model.binding.policy.name} "
        f"v{held.registered_model.binding.policy.version})"
        for held in reigning[:_NAMED]
    )
    more = "; and more" if len(reigning) > _NAMED else ""
    message = (
        f"The policy of these champions was retired: {named}{more}. Nothing was demoted, and "
        "nothing can be promoted there: bind another policy on the model's page."
    )
    stale = Alarm.objects.filter(code=REGISTRY_POLICY_RETIRED, cleared_at=None)
    if stale.exclude(message=message).exists():
        # Another alarm than the one that people know: they are told again.
        clear_alarm(REGISTRY_POLICY_RETIRED, now=now)
    raise_alarm(REGISTRY_POLICY_RETIRED, message, now=now)
