"""Binding a policy to many models at once, by a pattern over their names.

Once, to the models that the pattern matches now: a model that appears later has no policy until
somebody binds one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models.fields.json import KT

from accounts.models import ProposalAnswer, User
from accounts.services.two_people import require_two_people
from audits.domain.actor import GATE, Actor
from audits.services.log import append_statements, lock_streams
from muniment.governed import PROMPT_TAG
from registry.domain.modes import Mode, PatternMode
from registry.domain.promotion import DECIDABLE_STATUSES
from registry.errors import BindingChanged, UnknownVersion
from registry.models import (
    Policy,
    PolicyBinding,
    Promotion,
    RegisteredModel,
    RegistrySource,
)
from registry.services.bindings import BIND, binding_statement, require_bindable
from registry.services.decisions import decide_promotion
from registry.services.modes import checked_pattern
from registry.services.promotions import order_missing_evidence
from registry.services.retired_policies import refresh_retired_alarm

# What a registered model's row says of whether it is a prompt.
PROMPT_MARK = KT(f"row__tags__{PROMPT_TAG}")


@dataclass(frozen=True, slots=True)
class Rebinding:
    """What one model has, and whether binding would change it.

    Attributes:
        policy, risk_tier: what it has now; empty where it has none.
    """

    registered_model: RegisteredModel
    policy: str
    risk_tier: str
    changes: bool


def matches(name: str, pattern: str) -> bool:
    """Say whether a pattern matches a name, in any letter case; a name always matches itself."""
    return name == pattern or PatternMode(pattern, Mode.OBSERVE).covers(name)


def plan_binding(
    *, source: RegistrySource, pattern: str, policy: Policy, risk_tier: str
) -> tuple[Rebinding, ...]:
    """Return the living models that a pattern matches, by name, each with what it has now.

    A prompt is among them only by its exact name: nothing of prompts is promoted.

    Raises:
        InvalidRequest: the pattern is empty or too long.
        PolicyNotBindable: the policy says that it is not for this tier or for no governed alias.
        UnknownVersion: the pattern matches no model.
    """
    require_bindable(policy, risk_tier)
    pattern = checked_pattern(pattern)
    living = (
        RegisteredModel.objects.filter(source=source, gone_at__isnull=True)
        .annotate(prompt=PROMPT_MARK)
        .select_related("binding__policy")
        .only(
            *("source", "creation_timestamp_ms", "first_seen_name", "name"),
            *("binding__risk_tier", "binding__policy__name", "binding__policy__version"),
        )
        .order_by("name")
    )
    found = tuple(
        _rebinding(known, policy, risk_tier)
        for known in living
        if known.name == pattern or (known.prompt != "true" and matches(known.name, pattern))
    )
    if not found:
        raise UnknownVersion(
            f"No living model of the source {source.name} matches {pattern!r}. Check the pattern; "
            "a new model appears with the next walk."
        )
    return found


def digest_of_plan(plan: Sequence[Rebinding]) -> str:
    """Return what tells two plans apart, so that what is applied is what was shown."""
    lines = (f"{one.registered_model.pk} {one.policy} {one.risk_tier}\n" for one in plan)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def bind_matching(
    *,
    source: RegistrySource,
    pattern: str,
    policy: Policy,
    risk_tier: str,
    shown: str | None = None,
    second: ProposalAnswer | None = None,
    actor: Actor,
    now: datetime,
) -> tuple[Rebinding, ...]:
    """Bind a policy and a risk tier to every living model that a pattern matches, all or none.

    The caller holds the source (`one_walk_at_a_time`), and then begins the transaction: a walk
    locks the models of a page in its own order, and one of the two has to wait as a whole.

    One fact for each model that this changes; the same twice is once. Open promotions are decided
    again. The audits that champions lack are taken up a few at a time (`backlog`): thousands at
    once would stand before everybody else's work.

    Args:
        shown: the digest of the plan that somebody was shown and agreed to.
        second: the answer that confirms it, where two people are needed.

    Returns:
        The plan that was carried out, with what each model had before.

    Raises:
        RoleRequired: the actor is no admin.
        SecondPersonNeeded: nobody confirmed it, and one person is not enough any more.
        BindingChanged: the plan is no more what was shown.
        As `plan_binding`.
    """
    actor.require_role(BIND, "admin")
    plan = plan_binding(source=source, pattern=pattern, policy=policy, risk_tier=risk_tier)
    lock_streams({one.registered_model.uri for one in plan})
    # Bound by somebody else between reading and locking: read again, now that nobody can.
    plan = plan_binding(source=source, pattern=pattern, policy=policy, risk_tier=risk_tier)
    if shown is not None and shown != digest_of_plan(plan):
        raise BindingChanged(
            "The models that the pattern matches, or what they have, changed since they were "
            "shown. Nothing was bound: look at them again."
        )
    changed = [one.registered_model for one in plan if one.changes]
    if not changed:
        return plan
    authority = require_two_people(BIND, second)
    append_statements(
        [binding_statement(known, policy, risk_tier, authority) for known in changed],
        actor=actor,
        now=now,
    )
    person = User.objects.get(pk=actor.id)
    PolicyBinding.objects.bulk_create(
        [
            PolicyBinding(
                registered_model=known,
                policy=policy,
                risk_tier=risk_tier,
                bound_by=person,
                bound_at=now,
            )
            for known in changed
        ],
        update_conflicts=True,
        unique_fields=["registered_model"],
        update_fields=["policy", "risk_tier", "bound_by", "bound_at"],
    )
    _decide_again(changed, actor=actor, now=now)
    refresh_retired_alarm(now=now)
    return plan


def _rebinding(known: RegisteredModel, policy: Policy, risk_tier: str) -> Rebinding:
    binding = getattr(known, "binding", None)
    if binding is None:
        return Rebinding(known, policy="", risk_tier="", changes=True)
    return Rebinding(
        known,
        policy=f"{binding.policy.name}@{binding.policy.version}",
        risk_tier=binding.risk_tier,
        changes=(binding.policy_id, binding.risk_tier) != (policy.pk, risk_tier),
    )


def _decide_again(models: Sequence[RegisteredModel], *, actor: Actor, now: datetime) -> None:
    open_promotions = (
        Promotion.objects.filter(
            version__registered_model__in=models, status__in=sorted(DECIDABLE_STATUSES)
        )
        .select_related("version__registered_model__binding__policy")
        .order_by("pk")
    )
    for promotion in open_promotions:
        order_missing_evidence(version=promotion.version, actor=actor, now=now)
        decide_promotion(promotion_id=promotion.pk, actor=GATE, now=now)
