"""Withdrawing a dataset over REST: two people, each with a token and a password of their own."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.services.tokens import READ, RECOMPUTE, WITHDRAW
from registry.models import Withdrawal, WithdrawalApproval, WithdrawnVersion
from tests.integration.api.answers import require_problem
from tests.integration.api.asking import Ask, ask_over_rest
from tests.integration.trace.test_trace import LOANAPP
from tests.integration.web.world import MODEL, PASSWORD, World

PATH = "/api/v1/withdrawals"
DATASET = f"sha256:{LOANAPP}"
PROPOSAL = {
    "dataset": DATASET,
    "cause": "consent",
    "reason": "A borrower took it back.",
    "password": PASSWORD,
}


@pytest.fixture
def ask_to_withdraw(world: World) -> Ask:
    return ask_over_rest(world, READ, WITHDRAW)


def test_from_the_proposal_to_the_second_signature(world: World, ask_to_withdraw: Ask) -> None:
    assert ask_to_withdraw(PATH, who="auditor").json()["results"] == []
    proposed = ask_to_withdraw(PATH, PROPOSAL, who="reviewer")
    assert proposed.status_code == 201, proposed.content
    said = proposed.json()
    assert (said["state"], said["signed_by"], said["affected"]) == ("requested", None, 0)
    assert said["proposed_by"] == str(world.people["reviewer"].pk)
    assert [one["version"] for one in said["versions"]] == [2, 1]
    assert "A borrower" not in proposed.content.decode()
    own = f"{PATH}/{said['id']}"
    signature = {"verdict": "approve", "password": PASSWORD}
    require_problem(
        ask_to_withdraw(f"{own}/signature", signature, who="reviewer"), 403, "review_not_allowed"
    )
    assert not WithdrawnVersion.objects.exists()
    signed = ask_to_withdraw(f"{own}/signature", signature, who="admin").json()
    assert (signed["state"], signed["affected"]) == ("in_force", 2)
    assert signed["signed_by"] == str(world.people["admin"].pk)
    approval = WithdrawalApproval.objects.get()
    assert signed["statement"] == f"sha256:{approval.entry.sha256}"
    assert {(one["model"], one["version"]) for one in signed["versions"]} == {
        (MODEL, 1),
        (MODEL, 2),
    }
    assert ask_to_withdraw(own, who="auditor").json() == signed
    (listed,) = ask_to_withdraw(PATH, who="auditor").json()["results"]
    assert listed == {key: signed[key] for key in listed}
    require_problem(
        ask_to_withdraw(f"{own}/signature", signature, who="reviewer2"),
        409,
        "withdrawal_not_possible",
    )
    require_problem(ask_to_withdraw(PATH, PROPOSAL, who="reviewer"), 409, "withdrawal_not_possible")


@pytest.mark.parametrize(
    ("who", "scopes", "code"),
    [
        ("admin", (READ,), "permission_denied"),
        ("admin", (READ, RECOMPUTE), "permission_denied"),
        ("admin", (WITHDRAW,), "permission_denied"),
        ("engineer", (READ, WITHDRAW), "role_required"),
        ("auditor", (READ, WITHDRAW), "role_required"),
    ],
)
def test_who_may_not_neither_proposes_nor_signs(
    world: World, ask_to_withdraw: Ask, who: str, scopes: tuple[str, ...], code: str
) -> None:
    require_problem(ask_to_withdraw(PATH, PROPOSAL, who=who, scopes=scopes), 403, code)
    assert not Withdrawal.objects.exists()
    said = ask_to_withdraw(PATH, PROPOSAL, who="reviewer").json()
    signature = {"verdict": "approve", "password": PASSWORD}
    own = f"{PATH}/{said['id']}/signature"
    require_problem(ask_to_withdraw(own, signature, who=who, scopes=scopes), 403, code)
    assert not WithdrawalApproval.objects.exists()


def test_a_wrong_password_signs_nothing_and_is_counted(world: World, ask_to_withdraw: Ask) -> None:
    wrong = {**PROPOSAL, "password": "wrong"}
    for _ in range(5):
        require_problem(
            ask_to_withdraw(PATH, wrong, who="reviewer"), 403, "reauthentication_failed"
        )
    answer = ask_to_withdraw(PATH, PROPOSAL, who="reviewer")
    assert answer.status_code == 429
    assert not Withdrawal.objects.exists()


@pytest.mark.parametrize(
    "change",
    [
        {"dataset": "loanapp"},
        {"dataset": "sha256:12"},
        {"dataset": f"gitCommit:{'0' * 40}"},
        {"cause": "spite"},
        {"reason": "  "},
        {"reason": "x" * 2_001},
        {"password": ""},
    ],
)
def test_what_makes_no_sense_is_a_problem(
    world: World, ask_to_withdraw: Ask, change: dict[str, Any]
) -> None:
    require_problem(ask_to_withdraw(PATH, {**PROPOSAL, **change}, who="reviewer"), 400)
    assert not Withdrawal.objects.exists()


def test_a_refusal_says_why_and_what_is_not_there_is_not_found(
    world: World, ask_to_withdraw: Ask
) -> None:
    own = f"{PATH}/{ask_to_withdraw(PATH, PROPOSAL, who='reviewer').json()['id']}/signature"
    refusal = {"verdict": "refuse", "password": PASSWORD}
    require_problem(ask_to_withdraw(own, refusal, who="admin"), 400)
    refused = ask_to_withdraw(own, {**refusal, "reason": "Another was meant."}, who="admin")
    assert (refused.json()["state"], refused.json()["affected"]) == ("refused", 0)
    nowhere = f"{PATH}/5f0c1b7e-58a5-4b3b-9c5e-0d7a1f3c2b11"
    require_problem(ask_to_withdraw(nowhere, who="auditor"), 404)
    require_problem(ask_to_withdraw(f"{nowhere}/signature", refusal, who="admin"), 404)
