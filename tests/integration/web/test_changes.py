"""Changes that need a second admin, over HTTP: alone nothing happens, and no way leads around."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, ProgrammingError, connection, connections, transaction
from django.http import HttpResponse
from django.test import Client

from accounts.domain.change import Change
from accounts.errors import (
    AccountsError,
    AnswerNotAllowed,
    NoSigningPowerYet,
    ProposalClosed,
    SecondPersonNeeded,
)
from accounts.models import Notice, Proposal, ProposalAnswer, User
from accounts.services.people import actor_of, add_person
from accounts.services.people_changes import role_change
from accounts.services.proposals import answer_proposal, propose, settle_expired_proposals
from accounts.services.roles import deactivate_person, set_roles
from audits.domain.actor import SETUP
from audits.models import Alarm, LogEntry
from audits.selectors import decoded_statement
from audits.services.alarms import REGISTRY_POLICY_RETIRED
from registry.models import Policy, PolicyBinding, Promotion
from registry.selectors.promotions import last_decision
from registry.selectors.replay import replay_promotion
from registry.services.bindings import bind_policy
from registry.services.policies import publish_policy
from registry.services.policy_changes import binding, publication
from tests.integration.web.forms import forms_of, post, send, text_of
from tests.integration.web.world import PASSWORD, World
from tests.policies import lenient_credit_decision

Enter = Callable[[str], Client]
MODEL_PAGE = "/models/boston-mortgage/"
LOW_RISK = lenient_credit_decision(version=2).encode()


@pytest.fixture
def two(world: World) -> World:
    """The world with a second admin: from here on nobody is enough alone."""
    for username, name in (("admin2", "Abe Adams"), ("admin3", "Ann Arber")):
        roles = ["admin"] if username == "admin2" else ["auditor"]
        world.people[username] = add_person(
            username=username,
            printed_name=name,
            password=PASSWORD,
            roles=roles,
            actor=SETUP,
            now=world.tick(),
        )
    return world


def proposed(world: World, change: Change, who: str = "admin") -> Proposal:
    return propose(
        change=change, password=PASSWORD, actor=actor_of(world.people[who]), now=world.tick()
    )


def answered(
    world: World, proposal: Proposal, who: str, verdict: str = "confirm", **changed: Any
) -> tuple[Proposal, str]:
    values: dict[str, Any] = {
        "proposal_id": proposal.pk,
        "verdict": verdict,
        "content_sha256": proposal.content_sha256,
        "reason": "Not wanted." if verdict == "decline" else "",
        "password": PASSWORD,
        "actor": actor_of(world.people[who]),
        "now": world.tick(),
    }
    return answer_proposal(**(values | changed))


def page_of(proposal: Proposal) -> str:
    return f"/changes/{proposal.pk}/"


def confirm(client: Client, proposal: Proposal, **changed: str) -> HttpResponse:
    fields = {"content": proposal.content_sha256, "verdict": "confirm", "password": PASSWORD}
    return post(client, f"{page_of(proposal)}answer", **(fields | changed))


def promotion_to_admin(world: World, username: str = "admin3") -> Change:
    return role_change(world.people[username], ["admin", "auditor"])


def last_entry(event: str) -> dict[str, Any]:
    entry = LogEntry.objects.filter(event=event).order_by("-pk")[0]
    return dict(decoded_statement(entry).predicate)


def test_a_binding_takes_two_admins(two: World, enter: Enter) -> None:
    publish_policy_by_two(two)
    newest = Policy.objects.get(version=2)
    ada, abe = enter("admin"), enter("admin2")
    answer = send(ada, MODEL_PAGE, "/policy", binding=f"{newest.digest} high", password=PASSWORD)
    proposal = Proposal.objects.get(kind="policy.bind")
    assert answer.status_code == 302
    assert answer["Location"] == page_of(proposal)
    assert PolicyBinding.objects.get().policy == two.policy

    shown = ada.get(page_of(proposal))
    assert "You proposed this change" in text_of(shown)
    assert [fields["verdict"] for fields in forms_of(shown).values()] == ["take_back"]
    assert confirm(ada, proposal).status_code == 403
    other_session = enter("admin")
    assert confirm(other_session, proposal).status_code == 403
    assert PolicyBinding.objects.get().policy == two.policy

    assert "Changes 1 waits for you" in text_of(abe.get("/changes/"))
    assert "waits for you" not in text_of(ada.get("/changes/"))
    said = text_of(abe.get(page_of(proposal)))
    assert "Confirm “I have read" in said
    assert "Decline “I do not" in said
    assert "credit-decision@1, high risk" in said
    assert "credit-decision@2, high risk" in said
    done = send(abe, page_of(proposal), "/answer", verdict="confirm", password=PASSWORD)
    assert done.status_code == 302
    assert PolicyBinding.objects.get().policy == newest
    stated = last_entry("policy.bound")
    assert stated["authority"] == {
        "proposal": proposal.entry.sha256,
        "proposed_by": str(two.people["admin"].pk),
        "confirmed_by": str(two.people["admin2"].pk),
    }
    assert "Confirmed" in text_of(abe.get(page_of(proposal)))
    assert Notice.objects.get(dedup_key=f"proposal:{proposal.pk}").settled_at is not None


def publish_policy_by_two(world: World, document: bytes = LOW_RISK) -> Proposal:
    proposal = proposed(world, publication(document))
    answered(world, proposal, "admin2")
    return proposal


def test_a_policy_is_shown_beside_the_version_before_it(two: World, enter: Enter) -> None:
    proposal = proposed(two, publication(LOW_RISK))
    assert Policy.objects.count() == 1
    page = enter("admin2").get(page_of(proposal)).content.decode()
    assert "<del>version: 1</del>" in page
    assert "<ins>version: 2</ins>" in page
    assert page.count("<del>") == 1
    answered(two, proposal, "admin2")
    assert bytes(Policy.objects.get(version=2).document) == LOW_RISK
    assert last_entry("policy.published")["authority"]["proposal"] == proposal.entry.sha256


def test_many_models_are_bound_as_they_were_shown_or_not_at_all(two: World, enter: Enter) -> None:
    publish_policy_by_two(two)
    newest = Policy.objects.get(version=2)
    ada, abe = enter("admin"), enter("admin2")
    shown = f"/plan/bind?pattern=boston-*&binding={newest.digest} high"
    assert send(ada, shown, "/plan/bind", password=PASSWORD).status_code == 302
    proposal = Proposal.objects.get(kind="policy.bind_matching")
    assert "boston-mortgage: credit-decision@2, high risk" in text_of(abe.get(page_of(proposal)))
    single = send(ada, MODEL_PAGE, "/policy", binding=f"{newest.digest} high", password=PASSWORD)
    assert confirm(abe, Proposal.objects.get(kind="policy.bind")).status_code == 302, single
    late = confirm(abe, proposal)
    assert late.status_code == 409
    assert "changed since" in text_of(late)
    assert not ProposalAnswer.objects.filter(proposal=proposal).exists()


def test_a_retired_policy_denies_is_bound_no_more_and_alarms(two: World, enter: Enter) -> None:
    assert two.policy is not None
    promotion = two.request(2)
    page = f"/policies/{two.policy.digest.removeprefix('sha256:')}/"
    ada, abe = enter("admin"), enter("admin2")
    wrong = send(ada, page, "/retire", password="guess")
    assert (wrong.status_code, "Nothing was retired" in text_of(wrong)) == (403, True)
    answer = send(ada, page, "/retire", password=PASSWORD)
    proposal = Proposal.objects.get(kind="policy.retire")
    assert answer["Location"] == page_of(proposal)
    assert Promotion.objects.get(pk=promotion.pk).status == "in_review"
    assert "boston-mortgage: denied" in text_of(abe.get(page_of(proposal)))
    answer = send(abe, page_of(proposal), "/answer", verdict="confirm", password=PASSWORD)
    assert answer.status_code == 302
    assert Promotion.objects.get(pk=promotion.pk).status == "denied"
    words = "Policy credit-decision version 1 was retired on"
    assert words in text_of(abe.get(f"/promotions/{promotion.pk}/"))
    assert words in last_entry("promotion.denied")["decision"]["reasons"][0]
    assert last_entry("policy.retired")["authority"]["confirmed_by"] == str(two.people["admin2"].pk)
    gate = abe.get("/api/v1/models/boston-mortgage/versions/1/gate?alias=champion").json()
    assert (gate["decision"], words in gate["reasons"][0]) == ("deny", True)
    again = replay_promotion(Promotion.objects.get(pk=promotion.pk)).decision
    assert again.to_mapping() == last_decision(promotion).content

    assert Alarm.objects.get(code=REGISTRY_POLICY_RETIRED).cleared_at is None
    assert "The policy of these champions was retired" in text_of(ada.get("/"))
    assert "/retire" not in str(list(forms_of(ada.get(page))))
    refused = post(
        ada,
        "/models/boston-mortgage/policy",
        binding=f"{two.policy.digest} high",
        password=PASSWORD,
    )
    assert (refused.status_code, "bound no more" in text_of(refused)) == (400, True)
    publish_policy_by_two(two)
    answered(
        two,
        proposed(two, binding(two.model(), Policy.objects.get(version=2), "high")),
        "admin2",
    )
    assert Alarm.objects.get(code=REGISTRY_POLICY_RETIRED).cleared_at is not None


def test_nobody_gives_a_role_that_signs_alone(two: World) -> None:
    ada = actor_of(two.people["admin"])
    with pytest.raises(SecondPersonNeeded):
        set_roles(
            person_id=two.people["engineer"].pk,
            roles=["engineer", "reviewer"],
            actor=ada,
            now=two.tick(),
        )
    for actor in (ada, SETUP):
        with pytest.raises(SecondPersonNeeded):
            add_person(
                username="mallory",
                printed_name="Mallory",
                password=PASSWORD,
                roles=["reviewer"],
                actor=actor,
                now=two.tick(),
            )
    with pytest.raises(SecondPersonNeeded):
        publish_policy(document=LOW_RISK, actor=ada, now=two.tick())
    assert two.policy is not None
    PolicyBinding.objects.all().delete()
    with pytest.raises(SecondPersonNeeded):
        bind_policy(
            registered_model=two.model(),
            policy=two.policy,
            risk_tier="high",
            actor=ada,
            now=two.tick(),
        )
    assert not PolicyBinding.objects.exists()


def test_taking_a_role_away_needs_one_admin_and_one_that_signs_nothing_too(two: World) -> None:
    ada = actor_of(two.people["admin"])
    rita = two.people["reviewer"].pk
    set_roles(person_id=rita, roles=["auditor", "engineer"], actor=ada, now=two.tick())
    assert User.objects.get(pk=rita).roles == ["auditor", "engineer"]
    assert last_entry("person.roles_set")["before"] == {"roles": ["reviewer"]}


def test_whom_a_change_favours_does_not_confirm_it(two: World, enter: Enter) -> None:
    third = proposed(two, promotion_to_admin(two))
    answered(two, third, "admin2")
    two.people["admin3"].refresh_from_db()
    ann = two.people["admin3"]
    assert ann.roles == ["admin", "auditor"]
    change = role_change(ann, ["admin", "auditor", "reviewer"])
    proposal = proposed(two, change)
    with pytest.raises(AnswerNotAllowed, match="about you"):
        answered(two, proposal, "admin3")
    refused = confirm(enter("admin3"), proposal)
    assert refused.status_code == 403
    assert "about you" in text_of(refused)
    assert User.objects.get(pk=ann.pk).roles == ["admin", "auditor"]
    answered(two, proposal, "admin2")
    assert "reviewer" in User.objects.get(pk=ann.pk).roles


def test_of_two_who_confirm_at_once_one_is_turned_away(two: World) -> None:
    answered(two, proposed(two, promotion_to_admin(two)), "admin2")
    two.people["admin3"].refresh_from_db()
    proposal = proposed(two, publication(LOW_RISK))
    together, told = threading.Barrier(2), []

    def answer(who: str) -> None:
        try:
            together.wait(timeout=30)
            told.append(answered(two, proposal, who)[1])
        except AccountsError as error:
            told.append(error)
        finally:
            connections.close_all()

    racers = [threading.Thread(target=answer, args=(who,)) for who in ("admin2", "admin3")]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join(timeout=60)
    lost = [one for one in told if isinstance(one, ProposalClosed)]
    assert (len(told), len(lost)) == (2, 1), told
    assert lost[0].status == 409
    assert LogEntry.objects.filter(event="policy.published").count() == 2
    assert ProposalAnswer.objects.filter(proposal=proposal).count() == 1


def test_what_changed_meanwhile_is_not_confirmed(two: World, enter: Enter) -> None:
    proposal = proposed(two, role_change(two.people["engineer"], ["reviewer"]))
    ada = actor_of(two.people["admin"])
    set_roles(person_id=two.people["engineer"].pk, roles=["auditor"], actor=ada, now=two.tick())
    answer = confirm(enter("admin2"), proposal)
    assert answer.status_code == 409
    assert "changed since this was proposed" in text_of(answer)
    assert User.objects.get(username="engineer").roles == ["auditor"]
    assert not ProposalAnswer.objects.exists()
    # Only because the page still offers it can it be ended.
    declined = confirm(enter("admin2"), proposal, verdict="decline", reason="Not any more.")
    assert declined.status_code == 302
    assert last_entry("change.declined")["detail"]["proposal"] == proposal.entry.sha256
    assert confirm(enter("admin2"), proposal).status_code == 409


def test_a_proposal_of_somebody_who_is_no_admin_any_more_is_not_confirmed(two: World) -> None:
    answered(two, proposed(two, promotion_to_admin(two)), "admin2")
    proposal = proposed(two, publication(LOW_RISK))
    abe = actor_of(two.people["admin2"])
    set_roles(person_id=two.people["admin"].pk, roles=[], actor=abe, now=two.tick())
    with pytest.raises(AccountsError, match="no admin any more"):
        answered(two, proposal, "admin2")
    assert Policy.objects.count() == 1


def test_after_seven_days_nobody_confirms_it(two: World, enter: Enter) -> None:
    proposal = proposed(two, publication(LOW_RISK))
    late = proposal.expires_at
    with pytest.raises(ProposalClosed, match="expired"):
        answered(two, proposal, "admin2", now=late)
    settle_expired_proposals(now=late)
    assert Notice.objects.get(dedup_key=f"proposal:{proposal.pk}").settled_at == late
    answered(two, proposal, "admin2", now=late - timedelta(seconds=1))


def test_what_waits_is_proposed_once(two: World) -> None:
    first = proposed(two, publication(LOW_RISK))
    assert proposed(two, publication(LOW_RISK)) == first
    assert LogEntry.objects.filter(event="change.proposed").count() == 1


def test_a_wrong_password_neither_proposes_nor_confirms(two: World, enter: Enter) -> None:
    newest = f"{two.policy.digest if two.policy else ''} high"
    answer = send(enter("admin"), MODEL_PAGE, "/policy", binding=newest, password="guess")
    assert answer.status_code == 403
    assert "password is not right" in text_of(answer)
    assert not Proposal.objects.exists()
    proposal = proposed(two, publication(LOW_RISK))
    answer = confirm(enter("admin2"), proposal, password="guess")
    assert answer.status_code == 403
    assert Policy.objects.count() == 1
    other = confirm(enter("admin2"), proposal, content="0" * 64)
    assert other.status_code == 400
    assert Policy.objects.count() == 1


def test_others_read_a_change_and_are_offered_no_answer(two: World, enter: Enter) -> None:
    proposal = proposed(two, publication(LOW_RISK))
    for username in ("engineer", "reviewer", "auditor"):
        client = enter(username)
        assert forms_of(client.get(page_of(proposal))) == {}
        assert confirm(client, proposal).status_code == 403
    assert confirm(enter("admin2"), proposal, verdict="take_back").status_code == 403
    assert confirm(enter("admin"), proposal, verdict="take_back").status_code == 302
    assert last_entry("change.taken_back")["actor"]["id"] == str(two.people["admin"].pk)
    assert Policy.objects.count() == 1


def test_new_power_signs_nothing_for_a_day(two: World, enter: Enter, settings: Any) -> None:
    settings.SIGNING_DELAY_HOURS = 24
    promotion = two.request(2)
    with pytest.raises(NoSigningPowerYet, match="you can sign from"):
        two.sign(promotion, "reviewer")
    page = enter("reviewer").get(f"/promotions/{promotion.pk}/")
    assert "you can sign from" in text_of(page)
    assert f"/promotions/{promotion.pk}/review" not in forms_of(page)
    proposal = proposed(two, publication(LOW_RISK))
    with pytest.raises(NoSigningPowerYet):
        answered(two, proposal, "admin2")
    assert "you can sign from" in text_of(confirm(enter("admin2"), proposal))
    assert not promotion.approvals.exists()
    begun = two.people["reviewer"].signing_changed_at
    assert begun is not None
    before, from_then_on = begun + timedelta(hours=24, seconds=-1), begun + timedelta(hours=24)
    for moment, may in ((before, False), (from_then_on, True)):
        two.now = moment - timedelta(seconds=1)
        if may:
            two.sign(promotion, "reviewer")
        else:
            with pytest.raises(NoSigningPowerYet):
                two.sign(promotion, "reviewer")
    assert promotion.approvals.count() == 1


def test_one_person_is_enough_until_there_are_two_admins_and_never_again(world: World) -> None:
    ada = actor_of(world.people["admin"])
    assert last_entry("policy.bound")["authority"] == {"bootstrap": True}
    assert last_entry("policy.published")["authority"] == {"bootstrap": True}
    abe = set_roles(
        person_id=world.people["reviewer"].pk, roles=["admin"], actor=ada, now=world.tick()
    )
    assert last_entry("person.roles_set")["detail"] == {"bootstrap": True}
    deactivate_person(person_id=abe.pk, actor=ada, now=world.tick())
    # Alone again, and yet not enough: nobody gets there by removing the others.
    with pytest.raises(SecondPersonNeeded):
        publish_policy(document=LOW_RISK, actor=ada, now=world.tick())
    with pytest.raises(SecondPersonNeeded):
        set_roles(
            person_id=world.people["engineer"].pk, roles=["admin"], actor=ada, now=world.tick()
        )
    # Whoever runs commands on the server brings a second admin back, and the log says so.
    set_roles(person_id=world.people["engineer"].pk, roles=["admin"], actor=SETUP, now=world.tick())
    stated = last_entry("person.roles_set")
    assert (stated["actor"], stated["detail"]) == (SETUP.to_mapping(), {"bootstrap": True})
    with pytest.raises(SecondPersonNeeded):
        set_roles(
            person_id=world.people["auditor"].pk, roles=["admin"], actor=SETUP, now=world.tick()
        )


def test_the_last_admin_stays(world: World) -> None:
    ada = world.people["admin"]
    with pytest.raises(AccountsError, match="only admin"):
        deactivate_person(person_id=ada.pk, actor=actor_of(ada), now=world.tick())
    with pytest.raises(AccountsError, match="only admin"):
        set_roles(person_id=ada.pk, roles=["auditor"], actor=actor_of(ada), now=world.tick())
    assert User.objects.get(pk=ada.pk).is_active


ANSWER = (
    "INSERT INTO accounts_proposal_answer_record (id, proposal_id, person_id, proposer_id, "
    "subject, verdict, reason_commitment, answered_at, entry_id) "
    "VALUES (%(id)s, %(proposal)s, %(person)s, %(proposer)s, %(subject)s, 'confirm', '', now(), "
    "%(entry)s)"
)


def test_the_database_itself_refuses_an_answer_by_one_person(two: World) -> None:
    engineer = two.people["engineer"]
    proposal = proposed(two, role_change(engineer, ["reviewer"]))
    true = {
        "id": uuid4(),
        "proposal": proposal.pk,
        "person": two.people["admin2"].pk,
        "proposer": proposal.proposer_id,
        "subject": proposal.subject,
        "entry": LogEntry.objects.order_by("pk")[0].pk,
    }
    for forged, constraint in [
        ({"person": proposal.proposer_id}, "proposal_by_two_people"),
        ({"person": engineer.pk}, "proposal_not_by_whom_it_favours"),
        (
            {"person": proposal.proposer_id, "proposer": engineer.pk},
            "proposal_answer_copies_are_true",
        ),
        (
            {"person": engineer.pk, "subject": "person:somebody-else"},
            "proposal_answer_copies_are_true",
        ),
    ]:
        with (
            pytest.raises(IntegrityError, match=constraint),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(ANSWER, true | forged)
    for statement in (
        "UPDATE accounts_proposal_record SET proposer_id = %s",
        "UPDATE accounts_proposal_answer_record SET person_id = %s",
    ):
        with (
            pytest.raises(ProgrammingError, match="permission denied"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement, [engineer.pk])
    answered(two, proposal, "admin2")


def test_the_log_names_people_in_a_change_by_their_pseudonyms_alone(two: World) -> None:
    proposal = proposed(two, role_change(two.people["engineer"], ["reviewer"]))
    answered(two, proposal, "admin2", verdict="decline", reason="Erin Engel left in spring.")
    said = b" ".join(
        json.dumps(decoded_statement(entry).predicate).encode()
        for entry in LogEntry.objects.filter(event__startswith="change.")
    )
    assert str(two.people["engineer"].pk).encode() in said
    for personal in (b"Erin", b"engineer2", b"Ada", b"Abe", b"spring", b"admin2"):
        assert personal not in said
