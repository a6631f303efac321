"""How strong a signature must be to count, and what decisions say of it."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace

import pytest

from accounts.domain.signature import SignatureMethod
from muniment.attest.digest import canonical_json
from registry.domain.approvals import ApprovalFacts
from registry.domain.evaluation import evaluate
from registry.domain.policy import Policy
from registry.domain.replay import replay_decision
from registry.domain.words import ReviewOutcome, Verdict
from tests.unit.registry.samples import NOW, approved, credit_decision, evidence_view, signed

VIEW = evidence_view()
METHODS = list(SignatureMethod)


def asking(method: SignatureMethod) -> Policy:
    policy = credit_decision()
    return replace(policy, approvals=replace(policy.approvals, signature=method))


def signed_by(method: str) -> ApprovalFacts:
    both = tuple(signed(who, VIEW, signature=method) for who in ("ada", "grace"))
    return replace(approved(VIEW), signed=both)


@pytest.mark.parametrize(("asked", "shown"), list(itertools.product(METHODS, METHODS)))
def test_a_signature_counts_if_it_is_as_strong_as_the_policy_asks(
    asked: SignatureMethod, shown: SignatureMethod
) -> None:
    decision = evaluate(asking(asked), VIEW, signed_by(shown.value), (), NOW)
    is_enough = METHODS.index(shown) >= METHODS.index(asked)
    assert decision.allowed is is_enough
    codes = {one.code for one in decision.approvals.disregarded}
    assert codes == (set() if is_enough else {"weak_signature"})


@pytest.mark.parametrize("method", ["", "sms", "PASSKEY"])
def test_a_method_that_nobody_knows_never_counts(method: str) -> None:
    for asked in METHODS:
        decision = evaluate(asking(asked), VIEW, signed_by(method), (), NOW)
        assert decision.verdict is Verdict.PENDING


def test_a_weak_refusal_refuses_nothing_and_a_weak_approval_hides_no_strong_one() -> None:
    weak = signed("ada", VIEW)
    strong = [signed(who, VIEW, signature="passkey") for who in ("ada", "grace")]
    refusal = signed("bob", VIEW, verdict="refuse")
    facts = replace(approved(VIEW), signed=(weak, *strong, refusal))
    result = evaluate(asking(SignatureMethod.PASSKEY), VIEW, facts, (), NOW).approvals
    assert result.outcome is ReviewOutcome.SATISFIED
    assert [one.code for one in result.disregarded] == ["weak_signature"] * 2


def test_a_decision_on_passwords_says_what_it_said_before_there_was_anything_else() -> None:
    decision = evaluate(credit_decision(), VIEW, approved(VIEW), (), NOW)
    assert b'"signature"' not in canonical_json(decision.to_mapping())


@pytest.mark.parametrize("method", METHODS)
def test_a_decision_on_passkeys_is_replayed_to_the_byte(method: SignatureMethod) -> None:
    policy = asking(SignatureMethod.PASSKEY)
    decision = evaluate(policy, VIEW, signed_by(method.value), (), NOW)
    written = canonical_json(decision.to_mapping())
    items = (*VIEW.items, *(VIEW.champion.items if VIEW.champion else ()))
    evidence = {item.digest: item for item in items}
    again = replay_decision(json.loads(written), policy=policy, evidence=evidence)
    assert canonical_json(again.to_mapping()) == written
