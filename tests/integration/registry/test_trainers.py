"""Who trained a version: whom MLflow signed in, mapped by two admins; unknown is never known."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from accounts.errors import AnswerNotAllowed, SecondPersonNeeded
from accounts.models import User
from accounts.services.people import actor_of, add_person
from accounts.services.proposals import answer_proposal, propose
from audits.domain.actor import SETUP
from audits.models import LogEntry
from audits.selectors import decoded_statement
from muniment.registrant import REGISTRANT_TAG, seal_registrant
from registry.errors import ReviewNotAllowed
from registry.models import MlflowAccount, Promotion, RegistrySource
from registry.services.account_changes import account_mapping
from registry.services.evaluation import evaluate_version
from registry.services.mlflow_accounts import (
    IS_TRAINER,
    declare_account,
    map_account,
    mapping_of,
)
from registry.services.trainers import trainer_of
from tests.integration.web.forms import text_of
from tests.integration.web.world import PASSWORD, World, publish_and_bind
from tests.policies import lenient_credit_decision

SECRET = "shared with this MLflow"


@pytest.fixture
def two(world: World, settings: Any) -> World:
    """A world with two admins, where "rr" of MLflow registered version 2."""
    settings.GATEKEEPER_SECRET = SECRET
    world.people["admin2"] = add_person(
        username="admin2",
        printed_name="Abe Adams",
        password=PASSWORD,
        roles=["admin"],
        actor=SETUP,
        now=world.tick(),
    )
    seal(world, "rr")
    return world


def seal(world: World, account: str, *, secret: str = SECRET) -> None:
    version = world.version(2)
    known = version.registered_model
    sealed = seal_registrant(
        account,
        secret=secret,
        registry=known.source_id,
        model=known.name,
        location=version.source_uri,
    )
    version.row["tags"][REGISTRANT_TAG] = sealed
    version.save()


def declared(world: World) -> MlflowAccount:
    return declare_account(
        source=RegistrySource.objects.get(),
        account="rr",
        actor=actor_of(world.people["admin"]),
        now=world.tick(),
    )


def map_to(world: World, person: User | None, kind: str = "person", who: str = "admin") -> str:
    other = "admin2" if who == "admin" else "admin"
    proposal = propose(
        change=account_mapping(declared(world), person, kind),
        password=PASSWORD,
        actor=actor_of(world.people[who]),
        now=world.tick(),
    )
    return answer_proposal(
        proposal_id=proposal.pk,
        verdict="confirm",
        content_sha256=proposal.content_sha256,
        reason="",
        password=PASSWORD,
        actor=actor_of(world.people[other]),
        now=world.tick(),
    )[1]


@pytest.mark.parametrize("kind", ["person", "service"])
def test_whom_mlflow_signed_in_is_the_trainer_and_signs_nothing(two: World, kind: str) -> None:
    assert "Rita Reyes" in map_to(two, two.people["reviewer"], kind)
    promotion = two.request(2)
    assert promotion.trainer == two.people["reviewer"]
    with pytest.raises(ReviewNotAllowed, match="trained"):
        two.sign(promotion, "reviewer")
    client = Client()
    client.force_login(two.people["reviewer"])
    page = text_of(client.get(f"/promotions/{promotion.pk}/"))
    assert "trained by Rita Reyes" in page
    assert "You trained this version, and nobody reviews their own work." in page
    stated = decoded_statement(LogEntry.objects.get(event="account.mapped")).predicate
    assert stated["after"] == {"person": str(two.people["reviewer"].pk), "kind": kind}
    assert stated["detail"]["confirmed_by"] == str(two.people["admin2"].pk)
    assert "rr" not in str(stated).split('"')


@pytest.mark.parametrize("how", ["nobody mapped", "forged", "no tag", "no secret"])
def test_unknown_is_never_somebody(two: World, settings: Any, how: str) -> None:
    if how != "nobody mapped":
        map_to(two, two.people["reviewer"])
    if how == "forged":
        seal(two, "rr", secret="a guess")
    if how == "no tag":
        seal(two, "")
    if how == "no secret":
        settings.GATEKEEPER_SECRET = ""
    assert trainer_of(two.version(2)) is None
    assert two.request(2).trainer is None


def test_before_a_request_who_trained_counts_as_it_will_afterwards(
    world: World, request: pytest.FixtureRequest
) -> None:
    text = lenient_credit_decision(version=2) + "  unknown_trainer_adds: 1\n"
    publish_and_bind(world, document=text)
    two: World = request.getfixturevalue("two")

    def wanted() -> int:
        found = evaluate_version(version=two.version(2), alias="champion", as_of=two.now).decision
        assert found is not None
        return found.approvals.required

    assert wanted() == 3
    map_to(two, two.people["engineer"])
    assert wanted() == 2
    two.request(2)
    assert wanted() == 2


def test_one_admin_maps_nothing(two: World) -> None:
    account = declared(two)
    after = {"person": str(two.people["reviewer"].pk), "kind": "person"}
    with pytest.raises(SecondPersonNeeded):
        map_account(
            account_id=account.pk,
            before=None,
            after=after,
            actor=actor_of(two.people["admin"]),
            now=two.tick(),
        )
    account.refresh_from_db()
    assert mapping_of(account) is None


def test_nobody_unsays_what_they_trained(two: World) -> None:
    map_to(two, two.people["admin"])
    with pytest.raises(AnswerNotAllowed, match="two other admins"):
        map_to(two, None, who="admin")
    assert trainer_of(two.version(2)) == two.people["admin"]


def test_a_trainer_who_becomes_known_has_signed_for_nothing(two: World) -> None:
    promotion = two.request(2)
    two.sign(promotion, "reviewer")
    map_to(two, two.people["reviewer"])
    approval = promotion.approvals.get()
    assert approval.dismissal.reason == IS_TRAINER
    found = Promotion.objects.get()
    assert (found.trainer, found.status) == (two.people["reviewer"], "in_review")
    last = found.decisions.order_by("-entry_id")[0].content
    assert last["inputs"]["approvals"]["trainer"] == str(two.people["reviewer"].pk)
    assert last["approvals"]["given"] == 0


def test_the_command_proposes_and_lists(
    two: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{PASSWORD}\n"))
    call_command("mlflow_accounts", "map", "rr", "--service-of", "reviewer", "--as", "admin")
    assert "another admin confirms it" in capsys.readouterr().out
    call_command("mlflow_accounts", "list")
    assert "rr is nobody's" in capsys.readouterr().out
