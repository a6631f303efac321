"""Services that run at the same time wait for each other in one order, so that none is killed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from django.db import connection, connections, transaction
from django.utils import timezone

from accounts.errors import ReauthenticationFailed
from accounts.models import User
from accounts.services.people import actor_of
from accounts.services.roles import set_roles
from audits.domain.actor import EXECUTOR
from audits.errors import RoleRequired
from audits.models import Job, LogEntry, Stream
from audits.services.evidence import open_job
from registry.errors import EvidenceChanged, PromotionClosed, ReviewNotAllowed
from registry.models import AliasChange, Approval, Grant, Promotion, Violation
from registry.services.aliases import record_alias
from registry.services.bindings import bind_policy
from registry.services.lineage import record_version_lineage
from registry.services.policies import publish_policy
from registry.services.predictions import audit_version
from tests.integration.registry.live import LiveRegistry
from tests.integration.registry.signing import at_once, sign
from tests.integration.web.world import World, row_of_the_world, rows_of_the_world, walk
from tests.policies import lenient_credit_decision

Call = Callable[[], object]


class Beside:
    """A call in a thread of its own, and what became of it."""

    def __init__(self, call: Call) -> None:
        self.raised: BaseException | None = None
        self._call = call
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        try:
            self._call()
        except Exception as error:  # noqa: BLE001 - the thread's edge: asserted on by the test
            self.raised = error
        finally:
            connections.close_all()

    def start(self, *, waiting: int) -> None:
        """Start it, and come back once so many wait for a lock."""
        self._thread.start()
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with connection.cursor() as cursor:
                cursor.execute("SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted")
                if cursor.fetchone() == (waiting,):
                    return
            time.sleep(0.02)
        pytest.fail("it never waited, so this test shows nothing")

    def join(self) -> None:
        self._thread.join(20)
        assert not self._thread.is_alive()


def run_crosswise(stream: str, *calls: Call) -> list[BaseException | None]:
    """Have each call come as far as it can without the stream, then let all go on."""
    beside = [Beside(call) for call in calls]
    with transaction.atomic():
        Stream.objects.select_for_update().get(pk=stream)
        for place, one in enumerate(beside, start=1):
            one.start(waiting=place)
    for one in beside:
        one.join()
    return [one.raised for one in beside]


def signing(world: World, promotion: Promotion) -> Call:
    digest, now = world.evidence_digest(promotion), world.tick()
    return lambda: sign(world, promotion, "reviewer", evidence_digest=digest, now=now)


def walking(world: World) -> Call:
    changed = replace(row_of_the_world(), description="Changed.")
    return lambda: walk(world, [changed], rows_of_the_world())


def binding(world: World) -> Call:
    admin = actor_of(world.people["admin"])
    policy = publish_policy(
        document=lenient_credit_decision(version=2).encode(),
        actor=admin,
        now=world.tick(),
    )
    now = world.tick()
    return lambda: bind_policy(
        registered_model=world.model(), policy=policy, risk_tier="high", actor=admin, now=now
    )


def requesting(world: World) -> Call:
    return lambda: world.request(3)


@pytest.mark.parametrize("is_turned", [False, True], ids=["", "turned"])
@pytest.mark.parametrize("other", [walking, binding, requesting])
def test_a_reviewer_never_dies_of_what_happens_at_the_same_time(
    world: World, other: Callable[[World], Call], is_turned: bool
) -> None:
    promotion = world.request(2)
    calls = [signing(world, promotion), other(world)]
    raised = run_crosswise(world.model().uri, *(calls[::-1] if is_turned else calls))
    # After another policy was bound, what was shown is no longer what would be signed.
    expected = {(binding, True): [None, EvidenceChanged]}
    kinds = [None if error is None else type(error) for error in raised]
    assert kinds == expected.get((other, is_turned), [None, None])


def auditing(live: LiveRegistry) -> Call:
    job = opened(live, Job.Kind.PREDICTIONS_AUDIT)
    return lambda: audit_version(job_id=job.pk, client=live.client, clock=timezone.now)


def recording(live: LiveRegistry) -> Call:
    job = opened(live, Job.Kind.LINEAGE)
    return lambda: record_version_lineage(job_id=job.pk, client=live.client, clock=timezone.now)


def opened(live: LiveRegistry, kind: Job.Kind) -> Job:
    uri = live.version(1).uri
    job, _ = open_job(kind=kind, version_uri=uri, requested_by=None, now=timezone.now())
    return job


@pytest.mark.parametrize(
    ("worker", "refusal", "status"),
    [
        # The run logged no predictions: an error, which denies.
        (auditing, PromotionClosed, "denied"),
        (recording, EvidenceChanged, "in_review"),
    ],
)
def test_a_worker_records_and_the_reviewer_who_waited_is_told(
    live: LiveRegistry,
    worker: Callable[[LiveRegistry], Call],
    refusal: type[Exception],
    status: str,
) -> None:
    promotion = live.reviewable()
    sign = signing(live.world, promotion)
    raised = run_crosswise(live.version(1).registered_model.uri, worker(live), sign)
    assert raised[0] is None
    assert isinstance(raised[1], refusal)
    promotion.refresh_from_db()
    assert promotion.status == status
    assert not Approval.objects.exists()


def test_two_requests_at_once_are_one(world: World) -> None:
    raised = at_once(*[lambda: world.request(2)] * 3)
    kinds = sorted(type(error).__name__ for error in raised)
    assert kinds == ["NoneType", "PromotionOpen", "PromotionOpen"]
    assert Promotion.objects.get().status == "in_review"


def test_two_walks_at_once_write_each_change_once(world: World) -> None:
    changed = replace(row_of_the_world(), description="Changed.")
    raised = at_once(*[lambda: walk(world, [changed], rows_of_the_world())] * 3)
    assert raised == [None] * 3
    assert LogEntry.objects.filter(event="model.changed").count() == 1


def test_a_walk_waits_for_who_executes_a_promotion_and_then_knows_it(world: World) -> None:
    """It saw what MLflow says before the executor could say why: that is no violation."""
    promotion = world.request(2)
    Promotion.objects.filter(pk=promotion.pk).update(status="executing")
    Grant.objects.create(promotion=promotion, written_at=world.tick())
    moved = replace(row_of_the_world(), aliases={"champion": 2})
    beside = Beside(lambda: walk(world, [moved], rows_of_the_world()))
    with transaction.atomic():
        Stream.objects.select_for_update().get(pk=world.model().uri)
        beside.start(waiting=1)
        record_alias(
            registered_model=world.model(),
            alias="champion",
            version=world.version(2),
            actor=EXECUTOR,
            now=world.tick(),
        )
        Promotion.objects.filter(pk=promotion.pk).update(status="executed")
    beside.join()
    assert beside.raised is None
    assert not Violation.objects.exists()
    assert AliasChange.objects.filter(after=world.version(2)).count() == 1


@pytest.mark.parametrize("change", ["role", "account"])
def test_a_role_or_an_account_that_ends_while_its_person_waits_signs_nothing(
    world: World, change: str
) -> None:
    promotion = world.request(2)
    reviewer, admin = world.people["reviewer"], actor_of(world.people["admin"])
    signer = Beside(signing(world, promotion))
    with transaction.atomic():
        if change == "role":
            set_roles(person_id=reviewer.pk, roles=["auditor"], actor=admin, now=world.tick())
        else:
            # As the service for it does, which commits by itself.
            User.objects.filter(pk=reviewer.pk).update(is_active=False)
        signer.start(waiting=1)
    signer.join()
    assert isinstance(signer.raised, RoleRequired | ReauthenticationFailed | ReviewNotAllowed)
    assert not Approval.objects.exists()
