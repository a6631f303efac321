"""Which policy and risk tier a model has: said here by admins, never by the model's own tags."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.db import transaction

from accounts.domain.signature import SignatureMethod
from accounts.models import ProposalAnswer, User
from accounts.services.two_people import require_two_people
from audits.domain.actor import Actor
from audits.domain.log import Event
from audits.services.log import NewStatement, append_statements, lock_stream, predicate_type
from muniment.attest.digest import Digest
from registry.errors import PolicyNotBindable
from registry.models import Policy, PolicyBinding, RegisteredModel
from registry.services.aliases import governed_aliases
from registry.services.decisions import decide_open_promotions
from registry.services.policies import document_of, retired
from registry.services.promotions import order_missing_evidence
from registry.services.retired_policies import refresh_retired_alarm

BIND = "bind a policy"


@transaction.atomic
def bind_policy(
    *,
    registered_model: RegisteredModel,
    policy: Policy,
    risk_tier: str,
    second: ProposalAnswer | None = None,
    actor: Actor,
    now: datetime,
) -> PolicyBinding:
    """Say which policy and risk tier a model has, in place of what it had; the same twice is once.

    Args:
        second: the answer that confirms it, where two people are needed.

    Raises:
        RoleRequired: the actor is no admin.
        SecondPersonNeeded: nobody confirmed it, and one person is not enough any more.
        PolicyNotBindable: the policy says that it is not for this tier or for no governed alias.
    """
    actor.require_role(BIND, "admin")
    require_bindable(policy, risk_tier)
    lock_stream(registered_model.uri)
    held = PolicyBinding.objects.filter(registered_model=registered_model).first()
    if held is not None and (held.policy_id, held.risk_tier) == (policy.pk, risk_tier):
        return held
    authority = require_two_people(BIND, second)
    append_statements(
        [binding_statement(registered_model, policy, risk_tier, authority)], actor=actor, now=now
    )
    binding, _ = PolicyBinding.objects.update_or_create(
        registered_model=registered_model,
        defaults={
            "policy": policy,
            "risk_tier": risk_tier,
            "bound_by": User.objects.get(pk=actor.id),
            "bound_at": now,
        },
    )
    registered_model.refresh_from_db()
    for version in registered_model.versions.filter(gone_at__isnull=True):
        order_missing_evidence(version=version, actor=actor, now=now)
    decide_open_promotions(registered_model=registered_model, now=now)
    refresh_retired_alarm(now=now)
    return binding


def require_bindable(policy: Policy, risk_tier: str) -> None:
    """Pass a policy that is not retired, and says that it is for this tier and a governed alias.

    Raises:
        PolicyNotBindable: it is not; the message says what it is for.
    """
    if (since := retired(policy)) is not None:
        raise PolicyNotBindable(
            f"Policy {policy.name} version {policy.version} was retired on "
            f"{since.astimezone(UTC).date().isoformat()} and is bound no more. Choose another."
        )
    document = document_of(policy)
    if not any(
        document.allows_binding(risk_tier=risk_tier, alias=alias) for alias in governed_aliases()
    ):
        raise PolicyNotBindable(
            f"Policy {policy.name} version {policy.version} may be bound to the risk tiers "
            f"{', '.join(document.bound_to.risk_tiers)} and the aliases "
            f"{', '.join(document.bound_to.aliases)}."
        )


def binding_statement(
    registered_model: RegisteredModel,
    policy: Policy,
    risk_tier: str,
    authority: Mapping[str, Any],
) -> NewStatement:
    """Return the statement that a model has this policy and risk tier, and on whose word."""
    uri = registered_model.uri
    rule = document_of(policy).approvals
    asked: dict[str, Any] = (
        {} if rule.signature is SignatureMethod.PASSWORD else {"signature": rule.signature.value}
    )
    if rule.unknown_trainer_adds:
        asked["unknown_trainer_adds"] = rule.unknown_trainer_adds
    return NewStatement(
        event=Event.POLICY_BOUND,
        predicate_type=predicate_type("policy"),
        subject_name=uri,
        subject_digest=Digest.parse(policy.digest),
        predicate={
            "name": policy.name,
            "version": policy.version,
            "digest": policy.digest,
            **asked,
            "binding": {"model": uri, "policy": policy.digest, "risk_tier": risk_tier},
            "authority": authority,
        },
        stream=uri,
    )
