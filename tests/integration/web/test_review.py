"""The review screen: what it shows, and what signing there does."""

from __future__ import annotations

import re
from collections.abc import Callable

from django.test import Client

from audits.domain.actor import GATE
from registry.models import Promotion
from registry.services.decisions import decide_promotion
from tests.integration.web.forms import forms_of, post, send, text_of
from tests.integration.web.world import (
    PASSWORD,
    V1_RACE,
    V2_RACE,
    World,
    audit,
    lay_lineage,
)

Enter = Callable[[str], Client]


def page_of(promotion: Promotion) -> str:
    return f"/promotions/{promotion.pk}/"


def test_it_shows_what_a_reviewer_decides_on_in_order(world: World, enter: Enter) -> None:
    promotion = world.request(2, note="Fairer, at the same accuracy.")
    world.sequence()
    said = text_of(enter("reviewer").get(page_of(promotion)))
    order = [
        "boston-mortgage v2 → champion",
        "Requested by Erin Engel",
        "replaces v1",
        "credit-decision v1",
        "In review",
        "Gates",
        "5 of 5 gates satisfied, 0 of 2 approvals",
        "No adverse impact by race",
        "Reported by the team",
        "Differences from the champion",
        "Bias audit",
        "Hispanic",
        "Lineage: what it was made of",
        "Approvals",
        "0 of 2, by reviewer",
        "Remy Roth, Rita Reyes",
        "What will happen",
        "moves to v2",
        "Your decision",
        "I have reviewed this evidence and approve the promotion.",
        world.evidence_digest(promotion),
        "Your password, again",
        "What happened",
        "Promotion requested",
        "Fairer, at the same accuracy.",
    ]
    place = 0
    for words in order:
        assert words in said[place:], (words, said[place : place + 300])
        place = said.index(words, place) + len(words)


def test_blocking_gates_come_first_with_their_numbers(world: World, enter: Enter) -> None:
    version = world.version(3)
    audit(world, version, V1_RACE)
    promotion = world.request(3)
    said = text_of(enter("auditor").get(page_of(promotion)))
    gates = said[said.index("Gates") : said.index("Differences")]
    assert "Denied by policy" in said
    assert "nobody" not in said
    assert "Nothing will happen" in said
    assert gates.index("Lineage is complete") < gates.index("No adverse impact by sex")
    assert gates.index("No adverse impact by race") < gates.index("No adverse impact by sex")
    assert "0.774" in gates
    assert "Unsatisfied" in gates
    assert "Expected 0.8 Actual 0.7741" in gates


def test_a_model_without_a_policy_is_denied_in_words(world: World, enter: Enter) -> None:
    world.model().binding.delete()
    client = enter("engineer")
    answer = post(client, "/models/boston-mortgage/versions/2/promotions", alias="champion")
    said = text_of(enter("auditor").get(answer["Location"]))
    assert "Denied by policy" in said
    told = said[said.index("What happened") :]
    assert "Denied by the policy" in told
    assert "No policy is bound to this model" in told


def test_two_reviewers_approve_over_the_forms(world: World, enter: Enter) -> None:
    promotion = world.request(2)
    first = send(
        enter("reviewer"),
        page_of(promotion),
        "/review",
        verdict="approve",
        reason="The gap by race is gone.",
        meaning="It is fair.",
        password=PASSWORD,
    )
    assert first.status_code == 302
    said = text_of(enter("reviewer2").get(page_of(promotion)))
    assert "1 of 2, by reviewer" in said
    assert "Rita Reyes , reviewer" in said
    assert "“I have reviewed this evidence and approve the promotion.”" in said
    assert "The gap by race is gone." in said
    assert "It is fair." in said
    send(enter("reviewer2"), page_of(promotion), "/review", verdict="approve", password=PASSWORD)
    promotion.refresh_from_db()
    assert promotion.status == "approved"
    assert [row.meaning for row in promotion.approvals.order_by("entry_id")] == [
        "I have reviewed this evidence and approve the promotion.",
        "I have reviewed this evidence and approve the promotion.",
    ]
    said = text_of(enter("auditor").get(page_of(promotion)))
    assert "All approvals are signed." in said
    assert "All approvals signed" in said


def test_a_refusal_closes_it_and_needs_a_reason(world: World, enter: Enter) -> None:
    promotion = world.request(2)
    client = enter("reviewer")
    blank = send(client, page_of(promotion), "/review", verdict="refuse", password=PASSWORD)
    assert blank.status_code == 400
    said = text_of(blank)
    assert said.count("Give the reason for which you refuse.") == 2
    assert said.index("Nothing was signed.") < said.index("boston-mortgage v2 → champion")
    page = blank.content.decode()
    assert re.search(r'href="/promotions/" aria-current="page"', page)
    assert re.search(r'id="decide-error"\s+role="alert"\s+tabindex="-1"', page)
    assert re.search(r'<textarea[^>]* aria-invalid="true"', page)
    reason = "The cells of race × sex are too small."
    send(client, page_of(promotion), "/review", verdict="refuse", reason=reason, password=PASSWORD)
    promotion.refresh_from_db()
    assert promotion.status == "refused"
    said = text_of(enter("engineer").get(page_of(promotion)))
    assert reason in said
    assert "Nothing will happen: this promotion has ended" in said
    assert "champion was not moved by it" in said
    assert "moves to" not in said


def test_a_form_that_comes_back_leads_to_where_it_was_sent(world: World, enter: Enter) -> None:
    promotion = world.request(2)
    page = enter("reviewer").get(page_of(promotion)).content.decode()
    assert f'action="{page_of(promotion)}review#decide-error"' in page
    assert 'href="#decide"' in page
    inventory = enter("reviewer").get("/").content.decode()
    assert f'href="{page_of(promotion)}#decide"' in inventory
    assert 'href="#decide"' not in enter("auditor").get(page_of(promotion)).content.decode()


def test_a_wrong_password_signs_nothing_and_keeps_what_was_typed(
    world: World, enter: Enter
) -> None:
    promotion = world.request(2)
    answer = send(
        enter("reviewer"),
        page_of(promotion),
        "/review",
        verdict="approve",
        reason="A long and careful reason.",
        password="not it",
    )
    assert answer.status_code == 403
    assert "nothing was signed" in text_of(answer)
    assert "A long and careful reason." in answer.content.decode()
    assert "not it" not in answer.content.decode()
    assert not promotion.approvals.exists()


def test_nobody_reviews_their_own_request(world: World, enter: Enter) -> None:
    engineer = world.people["engineer"]
    engineer.roles = ["engineer", "reviewer"]
    engineer.save()
    promotion = world.request(2)
    client = enter("engineer")
    page = client.get(page_of(promotion))
    assert "nobody reviews their own request" in text_of(page)
    assert not [action for action in forms_of(page) if action.endswith("/review")]
    answer = post(
        client,
        f"{page_of(promotion)}review",
        verdict="approve",
        meaning="I approve.",
        password=PASSWORD,
        evidence_digest=world.evidence_digest(promotion),
    )
    assert answer.status_code == 403
    assert "nobody reviews their own request" in text_of(answer)


def test_evidence_that_changed_after_the_page_was_shown_is_a_conflict(
    world: World, enter: Enter
) -> None:
    promotion = world.request(2)
    client = enter("reviewer")
    fields = next(
        fields
        for action, fields in forms_of(client.get(page_of(promotion))).items()
        if action.endswith("/review")
    )
    audit(world, world.version(2), {**V2_RACE, "Black": (99, 90, 65, 7)})
    answer = client.post(
        f"{page_of(promotion)}review", {**fields, "verdict": "approve", "password": PASSWORD}
    )
    assert answer.status_code == 409
    assert "The evidence has changed since you opened this page" in text_of(answer)
    assert f'href="{page_of(promotion)}"' in answer.content.decode()
    assert not promotion.approvals.exists()


def test_approvals_of_old_evidence_are_shown_as_dismissed(world: World, enter: Enter) -> None:
    promotion = world.request(2)
    world.sign(promotion, "reviewer", reason="Good.")
    lay_lineage(world, world.version(2), params={"C": "0.5", "max_iter": "200"})
    audit(world, world.version(2), V2_RACE)
    decide_promotion(promotion_id=promotion.pk, actor=GATE, now=world.tick())
    said = text_of(enter("reviewer2").get(page_of(promotion)))
    assert "Does not count" in said
    assert "0 of 2, by reviewer" in said
    assert "Approval dismissed" in said
    assert "1 earlier approval was for other evidence." in said


def test_a_closed_promotion_takes_no_signature(world: World, enter: Enter) -> None:
    promotion = world.request(2)
    digest = world.evidence_digest(promotion)
    world.sign(promotion, "reviewer2", verdict="refuse", reason="No.")
    client = enter("reviewer")
    client.get(page_of(promotion))
    answer = post(
        client,
        f"{page_of(promotion)}review",
        verdict="approve",
        meaning="I approve.",
        evidence_digest=digest,
        password=PASSWORD,
    )
    assert answer.status_code == 409
    assert "not in review" in text_of(answer)


def test_its_requester_withdraws_it(world: World, enter: Enter) -> None:
    promotion = world.request(2)
    answer = send(enter("engineer"), page_of(promotion), "/withdraw")
    assert answer.status_code == 302
    promotion.refresh_from_db()
    assert promotion.status == "withdrawn"
    assert "Withdrawn" in text_of(enter("engineer").get(page_of(promotion)))


def test_the_status_fragment_asks_for_a_reload_once_it_moved(world: World, enter: Enter) -> None:
    promotion = world.request(2)
    client = enter("auditor")
    address = f"{page_of(promotion)}status"
    same = client.get(f"{address}?was=in_review", headers={"HX-Request": "true"})
    assert "HX-Refresh" not in same
    assert text_of(same) == "In review"
    moved = client.get(f"{address}?was=evaluating", headers={"HX-Request": "true"})
    assert moved["HX-Refresh"] == "true"


def test_differences_are_coloured_by_good_and_bad_not_by_sign(world: World, enter: Enter) -> None:
    promotion = world.request(2)
    page = enter("auditor").get(page_of(promotion)).content.decode()
    section = page[page.index("Differences from the champion") : page.index("Bias audit")]
    said = " ".join(section.split())
    assert "demographic parity difference by race</th>" in said
    gap = said[said.index("demographic parity difference by race") :][:700]
    assert "tone-ok" in gap
    assert "\u22120.1" in gap
    assert "better" in gap
    accuracy = said[said.index(">accuracy<") :][:700]
    assert "tone-bad" in accuracy
    assert "worse" in accuracy


def test_a_form_without_a_field_signs_nothing(world: World, enter: Enter) -> None:
    promotion = world.request(2)
    client = enter("reviewer")
    for field, status in {"verdict": 400, "evidence_digest": 409, "password": 403}.items():
        entered = {
            "verdict": "approve",
            "meaning": "I approve.",
            "evidence_digest": world.evidence_digest(promotion),
            "password": PASSWORD,
        }
        del entered[field]
        answer = post(client, f"{page_of(promotion)}review", **entered)
        assert answer.status_code == status, field
        assert not promotion.approvals.exists()
