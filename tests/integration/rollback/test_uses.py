"""What a walk makes of a registry that was rolled back while nobody asked Muniment."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.test import Client

from accounts.errors import ReauthenticationFailed
from accounts.services.people import actor_of
from audits.errors import RoleRequired
from audits.models import Alarm, LogEntry
from audits.selectors import decoded_statement
from registry.errors import InvalidRequest, ReviewNotAllowed, RollbackNotPossible
from registry.models import AliasChange, ModelAlias, RollbackGrant, Violation
from registry.selectors.alias_periods import histories_of
from registry.services.rollbacks import revoke_rollback
from registry.services.signing import Password
from tests.integration.registry.signing import at_once
from tests.integration.rollback import story
from tests.integration.web.world import MODEL, World


def written(world: World, champion: int | None, tags: dict[str, str] | None = None) -> list[str]:
    """Walk; return the facts that this wrote, with an exclamation mark behind violations."""
    newest = LogEntry.objects.latest("pk").pk
    story.see(world, champion, tags)
    return [
        f"{entry.event}{'!' if entry.is_violation else ''}"
        for entry in LogEntry.objects.filter(pk__gt=newest).order_by("pk")
    ]


def alarms() -> set[str]:
    return set(Alarm.objects.filter(cleared_at=None).values_list("code", flat=True))


def status_of(rollback: RollbackGrant) -> str:
    return RollbackGrant.objects.get(pk=rollback.pk).status


def used(world: World) -> RollbackGrant:
    rollback, _ = story.handed_out(world)
    story.see(world, 2, story.tag_of(rollback, at=world.tick()))
    assert status_of(rollback) == "used"
    return rollback


def test_a_use_is_found_logged_and_no_violation_and_alarms(world: World) -> None:
    rollback, _ = story.handed_out(world)
    at = world.tick()
    tag = story.tag_of(rollback, at=at)
    assert written(world, 2, tag) == ["rollback.used", "model.changed", "alias.moved"]
    rollback = RollbackGrant.objects.get()
    assert (rollback.status, rollback.used_at) == ("used", at)
    assert ModelAlias.objects.get().version == world.version(2)
    change = AliasChange.objects.latest("pk")
    assert (change.rollback, change.promotion, change.is_violation) == (rollback, None, False)
    origin = histories_of([world.model()])[0].periods[-1].origin
    assert origin is not None
    assert (origin.cause, origin.rollback_id) == ("rollback", str(rollback.pk))
    reader = Client()
    reader.force_login(world.people["auditor"], "django.contrib.auth.backends.ModelBackend")
    for page in (f"/models/{MODEL}/aliases/", f"/models/{MODEL}/"):
        shown = reader.get(page).content.decode()
        assert f'href="/rollbacks/{rollback.pk}/">A rollback grant' in shown, page
        assert 'href="/rollbacks/">See the rollback grants' in shown, page
    assert not Violation.objects.exists()
    assert alarms() == {"registry.rollbacks"}
    assert "champion of boston-mortgage from version 3 to 2" in Alarm.objects.get().message
    fact = decoded_statement(LogEntry.objects.get(event="rollback.used")).predicate
    assert (fact["before"], fact["after"]) == ({"version": 3}, {"version": 2})
    moved = decoded_statement(LogEntry.objects.filter(event="alias.moved").latest("pk"))
    assert moved.predicate["detail"]["rollback_id"] == str(rollback.pk)
    assert written(world, 2, tag) == []


def test_a_use_before_it_expired_is_one_however_late_it_is_found(world: World) -> None:
    rollback, _ = story.handed_out(world, valid_days=1)
    at = world.tick()
    world.tick(days=40)
    story.see(world, 2, story.tag_of(rollback, at=at))
    assert status_of(rollback) == "used"
    assert not Violation.objects.exists()


def test_what_does_not_fit_stays_a_violation(world: World) -> None:
    rollback, _ = story.handed_out(world)
    now = world.tick()
    tag = story.tag_of(rollback, at=now)
    (name, value), *_ = tag.items()
    forged = {
        "an unknown grant": {f"muniment.rollback.{uuid4()}": value},
        "no grant at all": {"muniment.rollback.": value},
        "another spelling": {name.upper().replace("MUNIMENT.ROLLBACK", "muniment.rollback"): value},
        "another origin": story.tag_of(rollback, at=now, origin=1),
        "another target": story.tag_of(rollback, at=now, target=1),
        "a use after it expired": story.tag_of(rollback, at=rollback.expires_at),
        "not as the store writes": {name: value.replace(",", ", ")},
        "not a value": {name: "[" * 4_000},
        "no tag": {},
    }
    for what, tags in forged.items():
        facts = written(world, 2, tags)
        expected = ["model.changed!", "alias.moved!"] if tags else ["alias.moved!"]
        assert facts == expected, what
        story.see(world, 3)  # undone, so that the next one begins where this one did
        assert not Violation.objects.filter(status="open").exists(), what
    assert written(world, 3, tag) == ["model.changed!"], "a tag and no move"
    story.see(world, 3)
    assert status_of(rollback) == "handed_out"
    assert alarms() == set()


def test_a_grant_that_is_not_out_or_was_over_explains_nothing(world: World) -> None:
    rollback = story.approved(world)
    assert written(world, 2, story.tag_of(rollback, at=world.tick())) == [
        "model.changed!",
        "alias.moved!",
    ]
    assert status_of(rollback) == "approved"
    story.see(world, 3)
    revoke_rollback(
        rollback_id=rollback.pk, actor=actor_of(world.people["admin"]), now=world.tick()
    )
    # Dated back to before it expired, although a walk after that saw nothing of it.
    rollback, _ = story.handed_out(world, valid_days=1)
    at = world.tick()
    world.tick(days=2)
    story.see(world, 3)  # a walk after the expiry, which sees nothing of it
    assert written(world, 2, story.tag_of(rollback, at=at)) == ["model.changed!", "alias.moved!"]


def test_a_revoked_grant_is_still_honoured_by_the_store_and_its_use_is_a_violation(
    world: World,
) -> None:
    rollback, _ = story.handed_out(world)
    revoke_rollback(
        rollback_id=rollback.pk, actor=actor_of(world.people["admin"]), now=world.tick()
    )
    facts = written(world, 2, story.tag_of(rollback, at=world.tick()))
    assert facts == ["model.changed!", "alias.moved!"]
    assert alarms() == {"registry.violations"}
    assert status_of(rollback) == "revoked"


def test_a_grant_explains_one_move_and_its_tag_may_not_change(world: World) -> None:
    rollback = used(world)
    at = RollbackGrant.objects.get().used_at
    assert at is not None
    tag = story.tag_of(rollback, at=at)
    assert written(world, 3, tag) == ["alias.moved!"]
    assert written(world, 2, tag) == ["alias.moved", "violation.undone"]
    assert written(world, 3, tag) == ["alias.moved!"]
    again = story.tag_of(rollback, at=at + timedelta(hours=1))
    assert "model.changed!" in written(world, 2, again)
    assert "model.changed!" in written(world, 2, {})


def test_another_governed_tag_beside_it_stays_a_violation(world: World) -> None:
    rollback, _ = story.handed_out(world)
    tag = story.tag_of(rollback, at=world.tick())
    facts = written(world, 2, {**tag, "muniment.policy": "none"})
    assert facts == ["rollback.used", "model.changed!", "alias.moved"]
    violation = Violation.objects.get()
    assert violation.after == {"tags": {"muniment.policy": "none"}}
    assert alarms() == {"registry.rollbacks", "registry.violations"}


def test_a_move_beside_it_to_elsewhere_stays_a_violation(world: World) -> None:
    rollback, _ = story.handed_out(world)
    facts = written(world, 1, story.tag_of(rollback, at=world.tick()))
    assert facts == ["rollback.used", "model.changed", "alias.moved!"]
    assert status_of(rollback) == "used"


def test_a_move_that_was_seen_before_its_tag_is_no_violation_any_more(world: World) -> None:
    rollback, _ = story.handed_out(world)
    assert written(world, 2) == ["alias.moved!"]
    taken_for = LogEntry.objects.latest("pk")
    facts = written(world, 2, story.tag_of(rollback, at=world.tick()))
    assert facts == ["rollback.used", "model.changed"]
    assert Violation.objects.get().status == "superseded"
    assert alarms() == {"registry.rollbacks"}
    fact = decoded_statement(LogEntry.objects.get(event="rollback.used")).predicate
    assert fact["detail"]["supersedes"] == [taken_for.sha256]


def test_a_reviewer_accepts_a_use_and_the_alarm_ends(world: World) -> None:
    rollback = used(world)
    for who, error in (
        ("engineer", RoleRequired),
        ("auditor", RoleRequired),
        ("admin", RoleRequired),
    ):
        with pytest.raises(error):
            story.review(world, rollback, "accept", actor=actor_of(world.people[who]))
    for changed, error, words in (
        ({"reason": " "}, InvalidRequest, "Give the reason"),
        ({"verdict": "approve"}, InvalidRequest, "accept or reject"),
        ({"means": Password("guess")}, ReauthenticationFailed, "nothing was signed"),
    ):
        with pytest.raises(error, match=words):
            story.review(world, rollback, changed.pop("verdict", "accept"), **changed)
    assert alarms() == {"registry.rollbacks"}
    assert story.review(world, rollback, "accept").status == "accepted"
    assert alarms() == set()
    assert rollback.approvals.get(verdict="accept").person == world.people["reviewer"]
    assert b"refused everybody" not in bytes(LogEntry.objects.latest("pk").envelope)
    with pytest.raises(RollbackNotPossible, match="is accepted"):
        story.review(world, rollback, "reject")


def test_the_one_who_asked_does_not_review_the_use_and_one_other_does(world: World) -> None:
    asker = world.people["engineer"]
    asker.roles = ["engineer", "reviewer"]
    asker.save()
    rollback = used(world)
    with pytest.raises(ReviewNotAllowed, match="nobody reviews their own request"):
        story.review(world, rollback, "accept", actor=actor_of(asker))
    # Of two who may, one decides.
    raised = at_once(
        *[
            lambda who=who: story.review(
                world, rollback, "accept", actor=actor_of(world.people[who])
            )
            for who in ("reviewer", "reviewer2")
        ]
    )
    assert sorted(type(error).__name__ for error in raised) == ["NoneType", "RollbackNotPossible"]


def test_a_rejected_use_is_a_violation_until_it_is_undone(world: World) -> None:
    rollback = used(world)
    assert story.review(world, rollback, "reject").status == "rejected"
    entry = LogEntry.objects.latest("pk")
    assert (entry.event, entry.is_violation) == ("rollback.rejected", True)
    violation = Violation.objects.get()
    assert (violation.event, violation.status, violation.entry) == ("alias.moved", "open", entry)
    assert (violation.before, violation.after) == ({"version": 3}, {"version": 2})
    assert alarms() == {"registry.violations"}
    tag = story.tag_of(rollback, at=RollbackGrant.objects.get().used_at or world.now)
    assert written(world, 3, tag) == ["alias.moved", "violation.undone"]
    assert alarms() == set()


def test_a_rejected_use_whose_alias_has_moved_on_is_not_undone(world: World) -> None:
    rollback = used(world)
    story.promote(world, 3)
    story.review(world, rollback, "reject")
    assert LogEntry.objects.latest("pk").is_violation
    assert not Violation.objects.exists()
    assert alarms() == set()
