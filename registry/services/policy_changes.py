"""Publishing, binding and retiring policies as changes that need two people."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, suppress
from datetime import datetime
from typing import Any

from accounts.domain.change import Change, Shown
from accounts.errors import ProposalOutdated
from accounts.models import ProposalAnswer
from accounts.services.change_kinds import ChangeKind, offer_kinds
from audits.domain.actor import Actor
from registry.domain.policy_parser import parse_policy
from registry.errors import BindingChanged, PolicyNotBindable, UnknownVersion
from registry.models import Policy, PolicyBinding, RegisteredModel, RegistrySource
from registry.services.bindings import bind_policy, require_bindable
from registry.services.bulk_bindings import (
    Rebinding,
    bind_matching,
    digest_of_plan,
    plan_binding,
)
from registry.services.mirror import one_walk_at_a_time
from registry.services.policies import publish_policy, retired
from registry.services.retired_policies import RETIRE as RETIRE_WORDS
from registry.services.retired_policies import retire_policy

PUBLISH, BIND, BIND_MATCHING = "policy.publish", "policy.bind", "policy.bind_matching"
RETIRE = "policy.retire"
# So many models are shown one by one; the digest of the plan covers all of them.
MOST_LINES = 500


def publication(document: bytes) -> Change:
    """Return the change that publishes a policy document.

    Raises:
        PolicyError: the document is not a policy; every problem with its path.
        PolicyNotBindable: the same name and version already stand for other bytes, or for these.
    """
    policy = parse_policy(document)
    known = Policy.objects.filter(name=policy.name, version=policy.version).first()
    if known is not None:
        raise PolicyNotBindable(
            f"Policy {policy.name} version {policy.version} is published already"
            + ("." if known.digest == policy.digest else " with other content: ")
            + ("" if known.digest == policy.digest else "give the document the next version.")
        )
    return Change(
        kind=PUBLISH,
        subject=f"policy:{policy.name}@{policy.version}",
        content={
            "name": policy.name,
            "version": policy.version,
            "digest": policy.digest,
            "document": document.decode("utf-8"),
        },
    )


def retirement(policy: Policy) -> Change:
    """Return the change that retires a policy version for good.

    Raises:
        PolicyNotBindable: it is retired already.
    """
    if retired(policy) is not None:
        raise PolicyNotBindable(
            f"Policy {policy.name} version {policy.version} is retired already."
        )
    return Change(
        kind=RETIRE,
        subject=f"policy:{policy.name}@{policy.version}",
        content={"policy": policy.digest, "name": f"{policy.name}@{policy.version}"},
    )


def binding(registered_model: RegisteredModel, policy: Policy, risk_tier: str) -> Change:
    """Return the change that binds a policy and a risk tier to a model, in place of what it has.

    Raises:
        PolicyNotBindable: the policy says that it is not for this tier or for no governed alias.
    """
    require_bindable(policy, risk_tier)
    return Change(
        kind=BIND,
        subject=registered_model.uri,
        content={
            "model": registered_model.pk,
            "model_name": registered_model.name,
            "before": _bound(registered_model),
            "after": _pair(policy, risk_tier),
        },
    )


def bulk_binding(
    *, source: RegistrySource, pattern: str, policy: Policy, risk_tier: str, shown: str | None
) -> Change:
    """Return the change that binds a policy and a risk tier to every model that a pattern matches.

    Args:
        shown: the digest of the plan that somebody was shown and agreed to.

    Raises:
        BindingChanged: the plan is no more what was shown.
        As `plan_binding`.
    """
    plan = plan_binding(source=source, pattern=pattern, policy=policy, risk_tier=risk_tier)
    digest = digest_of_plan(plan)
    if shown is not None and shown != digest:
        raise BindingChanged(
            "The models that the pattern matches, or what they have, changed since they were "
            "shown. Nothing was bound: look at them again."
        )
    return Change(
        kind=BIND_MATCHING,
        subject=f"pattern:{source.name}/{pattern.strip()}",
        content={
            "source": source.name,
            "pattern": pattern.strip(),
            **_pair(policy, risk_tier),
            "plan": digest,
            "models": len(plan),
            "changed": sum(one.changes for one in plan),
        },
    )


def _pair(policy: Policy, risk_tier: str) -> dict[str, str]:
    return {
        "policy": policy.digest,
        "name": f"{policy.name}@{policy.version}",
        "risk_tier": risk_tier,
    }


def _bound(registered_model: RegisteredModel) -> dict[str, str] | None:
    held = (
        PolicyBinding.objects.select_related("policy")
        .filter(registered_model=registered_model)
        .first()
    )
    return None if held is None else _pair(held.policy, held.risk_tier)


def _publish(
    content: Mapping[str, Any], second: ProposalAnswer | None, actor: Actor, now: datetime
) -> str:
    policy = publish_policy(
        document=content["document"].encode(), second=second, actor=actor, now=now
    )
    return f"{policy.name} version {policy.version} is published."


def _publication_title(content: Mapping[str, Any], names: Mapping[str, str]) -> str:
    return f"Publish the policy {content['name']} version {content['version']}"


def _show_publication(content: Mapping[str, Any]) -> Shown:
    earlier = (
        Policy.objects.filter(name=content["name"], version__lt=content["version"])
        .order_by("-version")
        .first()
    )
    return Shown(
        before=bytes(earlier.document).decode("utf-8", "replace") if earlier else "",
        after=content["document"],
    )


def _retire(
    content: Mapping[str, Any], second: ProposalAnswer | None, actor: Actor, now: datetime
) -> str:
    policy = Policy.objects.get(digest=content["policy"])
    if retired(policy) is not None:
        raise ProposalOutdated("This policy is retired already. Decline this proposal.")
    retire_policy(policy=policy, second=second, actor=actor, now=now)
    return f"{policy.name} version {policy.version} is retired."


def _retirement_title(content: Mapping[str, Any], names: Mapping[str, str]) -> str:
    return f"Retire the policy {content['name']}"


def _show_retirement(content: Mapping[str, Any]) -> Shown:
    bound = RegisteredModel.objects.filter(
        binding__policy=content["policy"], gone_at__isnull=True
    ).order_by("name")
    names = list(bound.values_list("name", flat=True)[:MOST_LINES])
    return Shown(
        before="\n".join(
            [f"{content['name']} may be bound", *(f"{one}: passes by it" for one in names)]
        ),
        after="\n".join([f"{content['name']} is retired", *(f"{one}: denied" for one in names)]),
        warning="Champions under it stay, with an alarm, until another policy is bound. It cannot "
        "be undone.",
    )


def _bind(
    content: Mapping[str, Any], second: ProposalAnswer | None, actor: Actor, now: datetime
) -> str:
    known = RegisteredModel.objects.filter(pk=content["model"], gone_at__isnull=True).first()
    policy = Policy.objects.filter(digest=content["after"]["policy"]).first()
    if known is None or policy is None:
        raise ProposalOutdated("The model is gone from MLflow. Decline this proposal.")
    if _bound(known) != content["before"]:
        raise ProposalOutdated(
            f"What {known.name} is bound to changed since this was proposed, so nothing was bound. "
            "Decline it, look at the model's page, and propose it again if it is still wanted."
        )
    bind_policy(
        registered_model=known,
        policy=policy,
        risk_tier=content["after"]["risk_tier"],
        second=second,
        actor=actor,
        now=now,
    )
    return f"{known.name} is now under {policy.name} version {policy.version}."


def _binding_title(content: Mapping[str, Any], names: Mapping[str, str]) -> str:
    return f"Bind {_words(content['after'])} to {content['model_name']}"


def _show_binding(content: Mapping[str, Any]) -> Shown:
    return Shown(
        before=_words(content["before"]) if content["before"] else "no policy",
        after=_words(content["after"]),
        warning="It takes effect at once, for open promotions too.",
    )


def _bind_matching(
    content: Mapping[str, Any], second: ProposalAnswer | None, actor: Actor, now: datetime
) -> str:
    policy = Policy.objects.filter(digest=content["policy"]).get()
    try:
        done = bind_matching(
            source=RegistrySource.objects.get(name=content["source"]),
            pattern=content["pattern"],
            policy=policy,
            risk_tier=content["risk_tier"],
            shown=content["plan"],
            second=second,
            actor=actor,
            now=now,
        )
    except (BindingChanged, UnknownVersion) as error:
        raise ProposalOutdated(str(error)) from error
    changed = sum(one.changes for one in done)
    return (
        f"{policy.name} version {policy.version}, {content['risk_tier']} risk, is bound to "
        f"{changed} model{'' if changed == 1 else 's'}."
    )


def _hold_source(content: Mapping[str, Any]) -> AbstractContextManager[None]:
    return one_walk_at_a_time(RegistrySource.objects.get(name=content["source"]))


def _bulk_title(content: Mapping[str, Any], names: Mapping[str, str]) -> str:
    count = content["changed"]
    return (
        f"Bind {_words(content)} to {count} model{'' if count == 1 else 's'} that "
        f"{content['pattern']} matches"
    )


def _show_bulk_binding(content: Mapping[str, Any]) -> Shown:
    source = RegistrySource.objects.filter(name=content["source"]).first()
    policy = Policy.objects.filter(digest=content["policy"]).first()
    plan: tuple[Rebinding, ...] = ()
    if source is not None and policy is not None:
        with suppress(PolicyNotBindable, UnknownVersion):
            plan = plan_binding(
                source=source,
                pattern=content["pattern"],
                policy=policy,
                risk_tier=content["risk_tier"],
            )
    changed = [one for one in plan if one.changes][:MOST_LINES]
    is_as_shown = digest_of_plan(plan) == content["plan"]
    return Shown(
        before="\n".join(
            f"{one.registered_model.name}: "
            + (f"{one.policy}, {one.risk_tier} risk" if one.policy else "no policy")
            for one in changed
        ),
        after="\n".join(f"{one.registered_model.name}: {_words(content)}" for one in changed),
        warning="It takes effect at once, for open promotions too."
        if is_as_shown
        else "What the pattern matches changed since this was proposed: it cannot be confirmed.",
    )


def _words(pair: Mapping[str, str]) -> str:
    return f"{pair['name']}, {pair['risk_tier']} risk"


def offer_policy_changes() -> None:
    """Make the changes of policies known."""
    offer_kinds(
        ChangeKind(PUBLISH, "publish a policy", _publish, _publication_title, _show_publication),
        ChangeKind(RETIRE, RETIRE_WORDS, _retire, _retirement_title, _show_retirement),
        ChangeKind(BIND, "bind a policy", _bind, _binding_title, _show_binding),
        ChangeKind(
            BIND_MATCHING,
            "bind a policy",
            _bind_matching,
            _bulk_title,
            _show_bulk_binding,
            around=_hold_source,
        ),
    )
