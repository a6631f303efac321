"""What is signed beside reviews is signed in the same ways, as strongly as the policy asks."""

from __future__ import annotations

from datetime import timedelta

import pytest

from accounts.services.people import actor_of
from registry.errors import SignatureTooWeak
from registry.models import FindingClosure, GateWaiver, ReviewFinding, Withdrawal
from registry.services.findings import answer_finding, close_finding, raise_finding
from registry.services.signing import Means, Password
from registry.services.withdrawals import propose_withdrawal, sign_withdrawal
from tests.authenticator import SoftKey
from tests.integration.approvals.conftest import Enter, changed_policy
from tests.integration.registry.signing import by_passkey, enrol, require_own
from tests.integration.trace.test_trace import LOANAPP
from tests.integration.web.forms import send, text_of
from tests.integration.web.world import MODEL, PASSWORD, V1_RACE, World, audit

PAGE = f"/models/{MODEL}/versions/2/waivers/"


@pytest.fixture
def strict(world: World) -> World:
    """A world whose policy asks for passkeys."""
    changed_policy(world, signature="passkey")
    return world


def test_a_waiver_is_signed_on_its_page_by_the_passkey_that_the_policy_asks_for(
    strict: World, enter: Enter
) -> None:
    audit(strict, strict.version(2), V1_RACE)
    client = enter("admin")
    assert "you have enrolled none" in text_of(client.get(PAGE))
    key = enrol(strict, "admin", SoftKey())
    shown = client.get(PAGE)
    assert "Sign with your passkey" in text_of(shown)
    assert "Sign as" not in text_of(shown)
    until = (strict.now + timedelta(days=30)).date().isoformat()
    said = {"gate": "bias-race", "until": until, "reason": "Judged apart in January."}
    refused = send(client, PAGE, "/grant", **said, password=PASSWORD)
    assert refused.status_code == 403
    assert "asks for a signature by passkey" in text_of(refused)
    wrong = send(client, PAGE, "/grant", **said, password="guess", prepare="1")
    assert (wrong.status_code, "not right" in wrong.json()["detail"]) == (403, True)
    asked = send(client, PAGE, "/grant", **said, password=PASSWORD, prepare="1").json()
    assert not GateWaiver.objects.exists()
    answer = key.get(asked)
    other = send(client, PAGE, "/grant", **(said | {"reason": "Something else."}), answer=answer)
    assert (other.status_code, GateWaiver.objects.count()) == (409, 0)
    assert send(client, PAGE, "/grant", **said, answer=answer).status_code == 302
    require_own(GateWaiver.objects.get().entry, key)
    again = send(client, PAGE, "/grant", **said, answer=answer)
    assert (again.status_code, GateWaiver.objects.count()) == (409, 1)


def test_a_finding_is_raised_and_closed_by_passkeys(strict: World) -> None:
    promotion = strict.request(2)
    keys = {who: enrol(strict, who, SoftKey()) for who in ("reviewer", "reviewer2")}
    now = strict.tick()

    def raising(means: Means) -> ReviewFinding:
        return raise_finding(
            promotion_id=promotion.pk,
            severity="low",
            text="Measure the small cells.",
            owner_id=str(strict.people["engineer"].pk),
            due_at=now + timedelta(days=30),
            means=means,
            actor=actor_of(strict.people["reviewer"]),
            now=now,
        )

    with pytest.raises(SignatureTooWeak):
        raising(Password(PASSWORD))
    finding = by_passkey(raising, "reviewer", keys["reviewer"])
    require_own(finding.entry, keys["reviewer"])
    engineer = actor_of(strict.people["engineer"])
    answer_finding(finding_id=finding.pk, text="Done.", actor=engineer, now=strict.tick())
    later = strict.tick()

    def closing(means: Means) -> FindingClosure:
        reviewer = actor_of(strict.people["reviewer2"])
        return close_finding(finding_id=finding.pk, means=means, actor=reviewer, now=later)

    closure = by_passkey(closing, "reviewer2", keys["reviewer2"])
    require_own(closure.entry, keys["reviewer2"])


def test_a_dataset_is_withdrawn_as_strongly_as_a_model_that_was_made_from_it_is_promoted(
    strict: World,
) -> None:
    keys = {who: enrol(strict, who, SoftKey()) for who in ("reviewer", "admin")}
    now = strict.tick()

    def proposing(means: Means) -> Withdrawal:
        return propose_withdrawal(
            dataset=f"sha256:{LOANAPP}",
            cause="consent",
            reason="A borrower took it back.",
            means=means,
            actor=actor_of(strict.people["reviewer"]),
            now=now,
        )

    with pytest.raises(SignatureTooWeak):
        proposing(Password(PASSWORD))
    withdrawal = by_passkey(proposing, "reviewer", keys["reviewer"])
    require_own(withdrawal.entry, keys["reviewer"])

    def second(means: Means) -> Withdrawal:
        return sign_withdrawal(
            withdrawal_id=withdrawal.pk,
            verdict="approve",
            reason="",
            means=means,
            actor=actor_of(strict.people["admin"]),
            now=now,
        )

    with pytest.raises(SignatureTooWeak):
        second(Password(PASSWORD))
    require_own(by_passkey(second, "admin", keys["admin"]).approval.entry, keys["admin"])
