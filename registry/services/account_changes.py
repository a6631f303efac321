"""Saying whose an account of MLflow is, as a change that needs two people."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from accounts.domain.change import Change, Shown
from accounts.models import ProposalAnswer, User
from accounts.services.change_kinds import ChangeKind, offer_kinds
from audits.domain.actor import Actor
from registry.errors import InvalidRequest
from registry.models import MlflowAccount
from registry.services.mlflow_accounts import MAP, map_account, mapping_of, subject_of

MAP_ACCOUNT = "mlflow_account.map"


def account_mapping(account: MlflowAccount, person: User | None, kind: str) -> Change:
    """Return the change that maps an account of MLflow to a person, or to nobody.

    Args:
        kind: `person`, or `service` where the person is the owner of one.

    Raises:
        InvalidRequest: that is how it is mapped, the kind is unknown, or the account has ended.
    """
    if kind not in MlflowAccount.Kind.values:
        raise InvalidRequest("An account is a person's own, or a service's.")
    if person is not None and not person.is_active:
        raise InvalidRequest("This person's account in Muniment has ended.")
    before = mapping_of(account)
    after = {"person": str(person.pk), "kind": kind} if person is not None else None
    if before == after:
        raise InvalidRequest("This is how the account is mapped. Nothing was proposed.")
    return Change(
        kind=MAP_ACCOUNT,
        subject=subject_of(before, after),
        content={
            "account": str(account.pk),
            "source": account.source_id,
            "before": before,
            "after": after,
        },
    )


def _apply(
    content: Mapping[str, Any], second: ProposalAnswer | None, actor: Actor, now: datetime
) -> str:
    account = map_account(
        account_id=UUID(content["account"]),
        before=content["before"],
        after=content["after"],
        second=second,
        actor=actor,
        now=now,
    )
    whose = account.person.printed_name if account.person else "nobody"
    return f"The account {account.account} of MLflow now stands for {whose}."


def _title(content: Mapping[str, Any], names: Mapping[str, str]) -> str:
    after = content["after"]
    whose = "nobody" if after is None else names.get(after["person"], after["person"])
    return f"Map an account of the MLflow at {content['source']} to {whose}"


def _show(content: Mapping[str, Any]) -> Shown:
    account = MlflowAccount.objects.filter(pk=content["account"]).first()
    name = account.account if account else content["account"]
    return Shown(
        before=_words(name, content["before"]),
        after=_words(name, content["after"]),
        warning="Whoever it stands for counts as the trainer of what it registers, and approves "
        "none of it. Open promotions are decided again at once.",
    )


def _words(name: str, mapping: Mapping[str, str] | None) -> str:
    if mapping is None:
        return f"{name}: nobody"
    person = User.objects.filter(pk=mapping["person"]).first()
    whose = person.printed_name if person else mapping["person"]
    return f"{name}: {'a service of ' if mapping['kind'] == 'service' else ''}{whose}"


def offer_account_changes() -> None:
    """Make the changes of accounts known."""
    offer_kinds(ChangeKind(MAP_ACCOUNT, MAP, _apply, _title, _show))
