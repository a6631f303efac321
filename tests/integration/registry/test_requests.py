"""Asking for a promotion: what the policy says of it, and who may ask."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.services.people import actor_of
from audits.domain.actor import EXECUTOR, GATE, Actor
from audits.errors import RoleRequired
from audits.models import Job, LogEntry
from audits.selectors import decoded_statement
from registry.errors import (
    InvalidRequest,
    NotGoverned,
    PromotionClosed,
    PromotionOpen,
    WithdrawalNotAllowed,
)
from registry.models import Decision, Grant, Promotion
from registry.services.bindings import bind_policy
from registry.services.decisions import GONE, decide_promotion
from registry.services.promotions import request_promotion, withdraw_promotion
from tests.integration.registry.measured import BOSTON, record, record_boston
from tests.integration.web.world import (
    World,
    lay_lineage,
    model_row,
    row_of_the_world,
    rows_of_the_world,
    version_row,
    walk,
)


@pytest.fixture
def fresh(world: World) -> World:
    """Beside the world, a model under the same policy that nothing is known of but lineage."""
    walk(
        world,
        [row_of_the_world(), model_row("fresh")],
        [*rows_of_the_world(), *(version_row(number, "fresh") for number in (1, 2, 3))],
    )
    for number in (1, 2, 3):
        lay_lineage(world, world.version(number, "fresh"), params={"C": str(number)})
    assert world.policy is not None
    bind_policy(
        registered_model=world.model("fresh"),
        policy=world.policy,
        risk_tier="high",
        actor=actor_of(world.people["admin"]),
        now=world.tick(),
    )
    Job.objects.update(status=Job.Status.DONE)
    return world


def outcomes(promotion: Promotion) -> dict[str, str]:
    content = promotion.decisions.latest("entry_id").content
    return {gate["id"]: gate["outcome"] for gate in content["gates"]}


def outcome_reason(promotion: Promotion, gate_id: str) -> str:
    gates = promotion.decisions.latest("entry_id").content["gates"]
    return next(str(gate["reason"]) for gate in gates if gate["id"] == gate_id)


def events_of(promotion: Promotion) -> list[str]:
    stream = promotion.version.registered_model.uri
    return [
        entry.event
        for entry in LogEntry.objects.filter(stream=stream).order_by("stream_seq")
        if decoded_statement(entry).predicate.get("promotion_id") == str(promotion.pk)
    ]


def test_the_first_variant_is_denied_for_race_with_every_gate_said(fresh: World) -> None:
    record_boston(fresh, fresh.version(1, "fresh"), "v1")
    promotion = fresh.request(1, name="fresh")
    assert promotion.status == "denied"
    decision = promotion.decisions.get()
    assert decision.verdict == "deny"
    gates = {gate["id"]: gate for gate in decision.content["gates"]}
    assert outcomes(promotion) == {
        "lineage": "satisfied",
        "bias-race": "unsatisfied",
        "bias-sex": "satisfied",
        "balanced-accuracy": "satisfied",
        "not-worse-than-champion": "not_applicable",
    }
    assert gates["bias-race"]["expected"] == 0.8
    assert gates["bias-race"]["actual"] == pytest.approx(0.7741, abs=5e-5)
    assert all(gate["reason"] for gate in gates.values())
    assert events_of(promotion) == ["promotion.requested", "promotion.denied"]
    assert not Grant.objects.exists()


@pytest.mark.parametrize("variant", ["v2", "v3"])
def test_the_fairer_variants_are_pending_review(fresh: World, variant: str) -> None:
    record_boston(fresh, fresh.version(2, "fresh"), variant)
    promotion = fresh.request(2, name="fresh", note="Fairer.")
    assert promotion.status == "in_review"
    assert promotion.decisions.get().verdict == "pending"
    assert events_of(promotion) == ["promotion.requested", "promotion.review_opened"]


def test_what_is_asked_for_is_stated_without_the_words_of_the_note(fresh: World) -> None:
    record_boston(fresh, fresh.version(2, "fresh"), "v2")
    promotion = fresh.request(2, name="fresh", note="A secret reason.")
    requested = LogEntry.objects.get(event="promotion.requested")
    predicate = decoded_statement(requested).predicate
    assert predicate["actor"] == {"kind": "person", "id": str(fresh.people["engineer"].pk)}
    assert len(predicate["reason_commitment"]) == 64
    assert b"secret" not in bytes(requested.envelope)
    assert promotion.version.uri == predicate["version_uri"]


def test_without_a_policy_it_is_denied_and_says_why(fresh: World) -> None:
    fresh.model("fresh").binding.delete()
    record_boston(fresh, fresh.version(2, "fresh"), "v2")
    promotion = fresh.request(2, name="fresh")
    assert promotion.status == "denied"
    (reason,) = promotion.decisions.get().content["reasons"]
    assert "No policy is bound to this model" in reason


def test_evidence_that_nobody_made_is_ordered_and_waited_for(fresh: World) -> None:
    promotion = fresh.request(2, name="fresh")
    assert promotion.status == "evaluating"
    assert outcomes(promotion)["bias-race"] == "pending"
    job = Job.objects.get(status=Job.Status.QUEUED)
    assert (job.kind, job.version_uri) == (Job.Kind.PREDICTIONS_AUDIT, promotion.version.uri)
    record_boston(fresh, promotion.version, "v2")
    Job.objects.update(status=Job.Status.DONE)
    promotion = decide_promotion(promotion_id=promotion.pk, actor=GATE, now=fresh.tick())
    assert promotion.status == "in_review"


def test_evidence_that_is_missing_with_no_job_under_way_denies(fresh: World) -> None:
    promotion = fresh.request(2, name="fresh")
    Job.objects.update(status=Job.Status.FAILED)
    promotion = decide_promotion(promotion_id=promotion.pk, actor=GATE, now=fresh.tick())
    assert promotion.status == "denied"
    assert outcomes(promotion)["bias-race"] == "insufficient"


@pytest.mark.parametrize(
    ("kind", "blocked"),
    [("bias", {"bias-race", "bias-sex"}), ("performance", {"balanced-accuracy"})],
)
def test_error_evidence_never_passes_and_supersedes_what_did(
    fresh: World, kind: str, blocked: set[str]
) -> None:
    version = fresh.version(2, "fresh")
    record_boston(fresh, version, "v2")
    record(fresh, version, kind, {}, conclusion="error", reasons=("NaN in label",))
    promotion = fresh.request(2, name="fresh")
    assert promotion.status == "denied"
    found = outcomes(promotion)
    assert {gate for gate, outcome in found.items() if outcome == "insufficient"} == blocked


def test_an_error_with_good_looking_measurements_is_still_an_error(fresh: World) -> None:
    version = fresh.version(2, "fresh")
    record_boston(fresh, version, "v2")
    record(fresh, version, "performance", BOSTON["v2"]["performance"], conclusion="error")
    assert fresh.request(2, name="fresh").status == "denied"


NO_MEASUREMENTS: list[Any] = [
    {"n": 995, "accuracy": 0.99, "balanced_accuracy": 0.99},
    {"n": 995, "tp": 874, "fp": -5, "tn": 107, "fn": 19, "rows_digest": "0" * 64},
    {"n": 995, "tp": "many", "fp": 0, "tn": 0, "fn": 0, "rows_digest": "0" * 64},
    {"n": 10**30, "tp": 10**30, "fp": 0, "tn": 0, "fn": 0, "rows_digest": "0" * 64},
    {"n": 2, "tp": True, "fp": 0, "tn": True, "fn": 0, "rows_digest": "0" * 64},
    [],
]


def test_measurements_that_are_none_never_pass(fresh: World) -> None:
    version = fresh.version(2, "fresh")
    record_boston(fresh, version, "v2")
    for measurements in NO_MEASUREMENTS:
        record(fresh, version, "performance", dict(measurements))
        promotion = fresh.request(2, name="fresh")
        assert promotion.status == "denied", measurements
        assert outcomes(promotion)["balanced-accuracy"] in ("unsatisfied", "insufficient")


def test_twice_at_once_is_refused(world: World) -> None:
    world.request(2)
    with pytest.raises(PromotionOpen, match="already has an open promotion"):
        world.request(2)
    assert Promotion.objects.count() == 1
    assert LogEntry.objects.filter(event="promotion.requested").count() == 1


def test_after_a_denial_one_may_ask_again(fresh: World) -> None:
    record_boston(fresh, fresh.version(1, "fresh"), "v1")
    assert fresh.request(1, name="fresh").status == "denied"
    assert fresh.request(1, name="fresh").status == "denied"


def test_only_an_engineer_asks(world: World) -> None:
    entries = LogEntry.objects.count()
    for username in ("auditor", "reviewer", "admin"):
        with pytest.raises(RoleRequired):
            request_promotion(
                version=world.version(2),
                alias="champion",
                actor=actor_of(world.people[username]),
                now=world.tick(),
            )
    assert not Promotion.objects.exists()
    assert LogEntry.objects.count() == entries


def test_no_service_asks_either(world: World) -> None:
    for actor in (EXECUTOR, Actor(kind="service", id="ci", roles=frozenset({"engineer"}))):
        with pytest.raises(RoleRequired):
            request_promotion(
                version=world.version(2), alias="champion", actor=actor, now=world.tick()
            )


def test_an_alias_that_is_not_governed_needs_no_promotion(world: World) -> None:
    for alias in ("shadow", "", " ", "champion\x00", "ｃｈａｍｐｉｏｎ", "*"):
        with pytest.raises(NotGoverned):
            request_promotion(
                version=world.version(2),
                alias=alias,
                actor=actor_of(world.people["engineer"]),
                now=world.tick(),
            )


def test_letter_case_of_the_alias_does_not_matter(world: World) -> None:
    promotion = request_promotion(
        version=world.version(2),
        alias=" Champion ",
        actor=actor_of(world.people["engineer"]),
        now=world.tick(),
    )
    assert promotion.alias == "champion"
    with pytest.raises(PromotionOpen):
        world.request(2)


def test_the_champion_a_gone_version_and_a_novel_are_refused(world: World) -> None:
    with pytest.raises(InvalidRequest, match="champion already"):
        world.request(1)
    with pytest.raises(InvalidRequest, match="at most 2000"):
        world.request(2, note="x" * 2_001)
    walk(world, [row_of_the_world()], rows_of_the_world()[:2])
    with pytest.raises(InvalidRequest, match="no longer exists"):
        world.request(3)
    assert not Promotion.objects.exists()


def test_the_requester_withdraws_and_then_nothing_happens_to_it(world: World) -> None:
    promotion = world.request(2)
    engineer = actor_of(world.people["engineer"])
    for username in ("reviewer", "auditor", "admin"):
        with pytest.raises(WithdrawalNotAllowed):
            withdraw_promotion(
                promotion_id=promotion.pk,
                actor=actor_of(world.people[username]),
                now=world.tick(),
            )
    withdrawn = withdraw_promotion(promotion_id=promotion.pk, actor=engineer, now=world.tick())
    assert withdrawn.status == "withdrawn"
    assert events_of(promotion)[-1] == "promotion.withdrawn"
    entries = LogEntry.objects.count()
    with pytest.raises(PromotionClosed):
        withdraw_promotion(promotion_id=promotion.pk, actor=engineer, now=world.tick())
    decide_promotion(promotion_id=promotion.pk, actor=GATE, now=world.tick())
    assert LogEntry.objects.count() == entries
    assert world.request(2).status == "in_review"


def test_deciding_again_writes_nothing_where_nothing_changed(world: World) -> None:
    promotion = world.request(2)
    entries, decisions = LogEntry.objects.count(), Decision.objects.count()
    for _ in range(3):
        decide_promotion(promotion_id=promotion.pk, actor=GATE, now=world.tick(days=1))
    assert (LogEntry.objects.count(), Decision.objects.count()) == (entries, decisions)


def test_evidence_grows_too_old_while_a_promotion_waits(world: World) -> None:
    Job.objects.update(status=Job.Status.DONE)
    promotion = world.request(2)
    promotion = decide_promotion(promotion_id=promotion.pk, actor=GATE, now=world.tick(days=91))
    assert promotion.status == "denied"
    assert "90 days" in outcome_reason(promotion, "bias-race")


def test_a_request_orders_evidence_anew_where_what_there_is_has_grown_too_old(
    world: World,
) -> None:
    Job.objects.update(status=Job.Status.DONE)
    world.tick(days=91)
    promotion = world.request(2)
    assert promotion.status == "evaluating"
    assert outcomes(promotion)["bias-race"] == "pending"
    job = Job.objects.get(status=Job.Status.QUEUED)
    assert (job.kind, job.version_uri) == (Job.Kind.PREDICTIONS_AUDIT, promotion.version.uri)


def test_a_version_that_is_gone_is_promoted_no_more(world: World) -> None:
    promotion = world.request(2)
    rows = rows_of_the_world()
    walk(world, [row_of_the_world()], [rows[0], rows[2]])
    promotion.refresh_from_db()
    assert promotion.status == "denied"
    assert promotion.decisions.latest("entry_id").content["reasons"] == [GONE]
