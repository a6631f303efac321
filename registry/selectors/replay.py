"""Replaying: what a policy version would decide about a past promotion, or about who reigns now.

Nothing here writes. A past promotion is judged on exactly what was judged then, found in the log by
digest; whoever holds a governed alias is judged on what is known today.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.db.models.functions import Lower

from audits.models import Evidence
from registry.domain.evaluation import Decision
from registry.domain.evidence import EvidenceItem
from registry.domain.policy import Policy as PolicyDocument
from registry.domain.replay import ReplayError, replay_decision
from registry.domain.words import Verdict
from registry.errors import NothingToReplay
from registry.models import Decision as DecisionRow
from registry.models import ModelAlias, ModelVersion, Policy, Promotion
from registry.services.aliases import governed_aliases
from registry.services.evaluation import evaluate_version
from registry.services.policies import document_of
from registry.services.recorded import evidence_item


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a policy comes to about one version and alias.

    Attributes:
        was: the verdict of the policy that decided, or that is bound now; None where none is.
        was_policy: its name and version; empty where there is none.
    """

    version: ModelVersion
    alias: str
    decision: Decision
    was: Verdict | None
    was_policy: str

    @property
    def outcome(self) -> str:
        """Say in a word what it comes to.

        `refused` whoever may sign, `unsigned` where signatures under that policy are all that is
        missing, `waiting` for evidence, `stands`.
        """
        decision = self.decision
        if decision.verdict is Verdict.DENY:
            return "refused"
        if decision.verdict is Verdict.ALLOW:
            return "stands"
        return "unsigned" if decision.reasons == (decision.approvals.reason,) else "waiting"


def holders(name_contains: str = "") -> QuerySet[ModelAlias]:
    """Return who holds a governed alias now, by model and alias.

    Args:
        name_contains: what the models' names contain; empty for all.
    """
    held = (
        ModelAlias.objects.annotate(lower=Lower("alias"))
        .filter(lower__in=governed_aliases(), registered_model__gone_at__isnull=True)
        .select_related("version__registered_model")
        .order_by("registered_model__name", "registered_model_id", "alias")
    )
    return held.filter(registered_model__name__icontains=name_contains)


def replay_holder(held: ModelAlias, policy: PolicyDocument, *, as_of: datetime) -> Replayed:
    """Judge who holds an alias now by a policy, beside what the bound one says."""
    now = evaluate_version(version=held.version, alias=held.alias, as_of=as_of)
    if now.binding is not None and now.binding.policy_id == policy.digest:
        decision = now.decision
    else:
        decision = evaluate_version(
            version=held.version, alias=held.alias, as_of=as_of, instead=policy
        ).decision
    if decision is None:  # pragma: no cover - a policy was given, so that there is a decision
        raise AssertionError("a policy decides")
    return Replayed(
        version=held.version,
        alias=held.alias,
        decision=decision,
        was=now.decision.verdict if now.decision is not None else None,
        was_policy=_name(now.binding.policy) if now.binding is not None else "",
    )


def replay_holders(
    policy: PolicyDocument, *, as_of: datetime, name_contains: str = ""
) -> Iterator[Replayed]:
    """Judge everyone who holds a governed alias now by a policy, one after the other."""
    for held in holders(name_contains).iterator(chunk_size=200):
        yield replay_holder(held, policy, as_of=as_of)


def replay_promotion(promotion: Promotion, policy: PolicyDocument | None = None) -> Replayed:
    """Decide a promotion again on what was judged last; by the policy that decided it, or another.

    Raises:
        NothingToReplay: no policy ever judged it, or what it was judged on cannot be read.
    """
    row = (
        DecisionRow.objects.filter(promotion=promotion, policy__isnull=False)
        .select_related("policy")
        .order_by("-entry_id")
        .first()
    )
    if row is None or row.policy is None:
        raise NothingToReplay("No policy has judged this promotion, so there is nothing to replay.")
    try:
        decision = replay_decision(
            row.content,
            policy=policy or document_of(row.policy),
            evidence=_evidence(row.content),
        )
    except ReplayError as error:
        raise NothingToReplay(f"This decision cannot be replayed: {error}.") from error
    return Replayed(
        version=promotion.version,
        alias=promotion.alias,
        decision=decision,
        was=Verdict(row.verdict),
        was_policy=_name(row.policy),
    )


def replays_exactly(promotion: Promotion) -> bool:
    """Tell whether replaying a promotion's last decision gives every word that was recorded.

    Raises:
        NothingToReplay: as `replay_promotion`.
    """
    again = replay_promotion(promotion).decision.to_mapping()
    row = promotion.decisions.filter(policy__isnull=False).order_by("-entry_id").first()
    return row is not None and row.content == again


def promotion_with_id(text: str) -> Promotion:
    """Return the promotion of that id.

    Raises:
        NothingToReplay: there is none.
    """
    try:
        return Promotion.objects.select_related("version__registered_model").get(pk=UUID(text))
    except (ValueError, ValidationError, Promotion.DoesNotExist) as error:
        raise NothingToReplay("There is no promotion with that id.") from error


def _evidence(content: Mapping[str, Any]) -> dict[str, EvidenceItem]:
    inputs = content.get("inputs") or {}
    champion = inputs.get("champion") or {}
    digests = [one["digest"] for one in (*inputs.get("items", ()), *champion.get("items", ()))]
    rows = Evidence.objects.filter(entry__sha256__in=digests).select_related("entry")
    return {row.entry.sha256: evidence_item(row) for row in rows}


def _name(policy: Policy) -> str:
    return f"{policy.name}@{policy.version}"
