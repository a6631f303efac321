"""Withdrawing a dataset: two people, every version however deep, every gate from then on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client

from accounts.errors import ReauthenticationFailed, SigningLocked
from accounts.models import Notice
from accounts.services.people import actor_of
from audits.domain.actor import EXECUTOR, Actor
from audits.errors import RoleRequired
from audits.models import Alarm, LogEntry
from audits.selectors import decoded_statement
from lineage.services.graph import hold_graph
from registry.errors import (
    InvalidRequest,
    ReviewNotAllowed,
    RollbackNotPossible,
    WithdrawalNotPossible,
)
from registry.models import (
    ModelAlias,
    Promotion,
    Withdrawal,
    WithdrawalApproval,
    WithdrawnVersion,
)
from registry.services.evaluation import evaluate_version
from registry.services.rollbacks import request_rollback
from registry.services.signing import Password
from registry.services.withdrawals import propose_withdrawal, sign_withdrawal
from registry.services.withdrawn_versions import catch_recorded
from tests.integration.trace.test_trace import LOANAPP, add_versions
from tests.integration.trace.training import capture, dataset, sha256
from tests.integration.web.forms import post, send, text_of
from tests.integration.web.world import (
    MODEL,
    PASSWORD,
    World,
    lay_lineage,
    row_of_the_world,
    rows_of_the_world,
    walk,
)

Enter = Callable[[str], Client]
DATASET = f"sha256:{LOANAPP}"


def propose(world: World, who: str = "reviewer", digest: str = DATASET, **more: Any) -> Withdrawal:
    given = {
        "cause": "consent",
        "reason": "A borrower took it back.",
        "means": Password(PASSWORD),
    } | more
    return propose_withdrawal(
        dataset=digest, actor=actor_of(world.people[who]), now=world.tick(), **given
    )


def sign(
    world: World, withdrawal: Withdrawal, who: str = "admin", verdict: str = "approve", **more: Any
) -> Withdrawal:
    given = {"reason": "", "means": Password(PASSWORD)} | more
    return sign_withdrawal(
        withdrawal_id=withdrawal.pk,
        verdict=verdict,
        actor=actor_of(world.people[who]),
        now=world.tick(),
        **given,
    )


def record(world: World, number: int, name: str = MODEL, **more: object) -> None:
    """Record a version's lineage as the job does, in one transaction."""
    with transaction.atomic():
        version = world.version(number, name)
        lay_lineage(world, version, **more)  # type: ignore[arg-type]
        catch_recorded(version=version, now=world.tick())


def verdict(world: World, number: int, name: str = MODEL) -> tuple[str, tuple[str, ...]]:
    decision = evaluate_version(
        version=world.version(number, name), alias="champion", as_of=world.now
    ).decision
    assert decision is not None
    return decision.verdict.value, decision.reasons


def stated(withdrawal: Withdrawal) -> list[str]:
    rows = WithdrawnVersion.objects.filter(withdrawal=withdrawal).select_related(
        "version__registered_model"
    )
    return sorted(str(row.version) for row in rows)


def test_one_signature_changes_nothing_and_two_deny_every_version_made_from_it(
    world: World,
) -> None:
    promotion = world.request(2)
    assert promotion.status == "in_review"
    withdrawal = propose(world)
    assert WithdrawnVersion.objects.count() == 0
    assert verdict(world, 2)[0] == "pending"
    [notice] = Notice.objects.filter(dedup_key=f"withdrawal:{withdrawal.pk}")
    assert notice.settled_at is None
    sign(world, withdrawal)
    assert stated(withdrawal) == [f"{MODEL} v1", f"{MODEL} v2"]
    for number in (1, 2):
        word, reasons = verdict(world, number)
        assert word == "deny"
        assert any("dataset that the version was made from was withdrawn" in r for r in reasons)
    # Its open promotion was decided again in the same transaction, and nobody signs it any more.
    assert Promotion.objects.get(pk=promotion.pk).status == "denied"
    notice.refresh_from_db()
    assert notice.settled_at is not None


def test_the_champion_stays_and_everybody_is_alarmed_until_it_is_another(world: World) -> None:
    sign(world, propose(world))
    assert ModelAlias.objects.get(alias="champion").version.version == 1
    [alarm] = Alarm.objects.filter(code="registry.withdrawn", cleared_at=None)
    assert f"champion of {MODEL} is version 1" in alarm.message
    walk(world, [row_of_the_world(champion=3)], rows_of_the_world())
    assert not Alarm.objects.filter(code="registry.withdrawn", cleared_at=None).exists()
    # Back at one that is affected, it is an alarm again.
    walk(world, [row_of_the_world(champion=2)], rows_of_the_world())
    assert Alarm.objects.filter(code="registry.withdrawn", cleared_at=None).exists()


def test_the_streams_of_the_models_state_it_and_the_log_holds_no_words_of_people(
    world: World,
) -> None:
    withdrawal = propose(world, reason="Erika Mustermann took back her consent.")
    sign(world, withdrawal, reason="As she asked.")
    entry = LogEntry.objects.get(subject_name=world.version(1).uri, event="dataset.withdrawn")
    said = decoded_statement(entry).predicate
    approval = WithdrawalApproval.objects.get()
    assert entry.stream == world.model().uri
    assert said["violation"] is True
    assert said["detail"] == {
        "standing": True,
        "dataset": DATASET,
        "cause": "consent",
        "withdrawal": approval.entry.sha256,
    }
    for one in LogEntry.objects.filter(event__startswith="dataset."):
        whole = str(decoded_statement(one).predicate)
        assert not any(word in whole for word in ("Erika", "she asked", "Rita", "Ada"))
    signature = decoded_statement(approval.entry).predicate["detail"]
    assert signature["proposal"] == withdrawal.entry.sha256
    assert signature["role"] == "admin"


def test_everything_that_was_made_from_it_is_found_however_deep(world: World) -> None:
    add_versions(world, 4, scorer=1, ranker=1, other=1)
    record(world, 4, capture=capture(dataset("raw")))
    record(world, 1, "scorer", capture=capture(dataset("mid")), base_models=[f"models:/{MODEL}/4"])
    record(world, 1, "ranker", capture=capture(dataset("x")), base_models=["models:/scorer/1"])
    record(world, 1, "other", capture=capture(dataset("y")))
    withdrawal = sign(world, propose(world, digest=f"sha256:{sha256('raw')}"))
    assert stated(withdrawal) == [f"{MODEL} v4", "ranker v1", "scorer v1"]


def test_a_version_recorded_later_is_caught_with_what_was_made_from_it(world: World) -> None:
    add_versions(world, 4, tuned=1)
    digest = f"sha256:{sha256('raw')}"
    withdrawal = sign(world, propose(world, digest=digest))
    assert stated(withdrawal) == []
    # Tuned from a version whose own lineage nobody had read yet.
    record(world, 1, "tuned", capture=capture(dataset("own")), base_models=[f"models:/{MODEL}/4"])
    assert stated(withdrawal) == []
    record(world, 4, capture=capture(dataset("raw", role="validation")))
    assert stated(withdrawal) == [f"{MODEL} v4", "tuned v1"]
    # Recorded again, it is stated once.
    record(world, 4, capture=capture(dataset("raw")))
    assert len(stated(withdrawal)) == 2


def test_recording_again_without_the_dataset_gets_no_version_out(world: World) -> None:
    record(world, 2, capture=capture(dataset("harmless")))
    withdrawal = sign(world, propose(world))
    assert stated(withdrawal) == [f"{MODEL} v1", f"{MODEL} v2"]


def test_a_record_being_written_and_a_withdrawal_never_miss_each_other(world: World) -> None:
    """The second signature waits for whoever is writing a record, and then reads it."""
    add_versions(world, 4)
    withdrawal = propose(world, digest=f"sha256:{sha256('raw')}")
    is_held, may_commit = threading.Event(), threading.Event()

    def write() -> None:
        try:
            with transaction.atomic():
                version = world.version(4)
                hold_graph()
                lay_lineage(world, version, capture=capture(dataset("raw")))
                catch_recorded(version=version, now=world.now)
                is_held.set()
                assert may_commit.wait(10)
        finally:
            connection.close()

    def second() -> None:
        try:
            sign(world, withdrawal)
        finally:
            connection.close()

    writing, signing = threading.Thread(target=write), threading.Thread(target=second)
    writing.start()
    assert is_held.wait(10)
    signing.start()
    signing.join(0.3)
    assert signing.is_alive()
    may_commit.set()
    writing.join(10)
    signing.join(10)
    assert stated(withdrawal) == [f"{MODEL} v4"]


def test_nobody_signs_twice(world: World) -> None:
    withdrawal = propose(world)
    with pytest.raises(ReviewNotAllowed, match="another person"):
        sign(world, withdrawal, "reviewer")
    # Nor in the database itself, whatever the service would let through.
    me = world.people["reviewer"]
    entry = LogEntry.objects.latest("pk")
    for proposer in (me, world.people["admin"]):
        with pytest.raises(IntegrityError), transaction.atomic():
            WithdrawalApproval.objects.create(
                withdrawal=withdrawal,
                person=me,
                proposer=proposer,
                verdict="approve",
                signed_at=world.now,
                entry=entry,
            )
    sign(world, withdrawal)
    with pytest.raises(WithdrawalNotPossible, match="second signature"):
        sign(world, withdrawal, "reviewer2")


@pytest.mark.parametrize("who", ["engineer", "auditor"])
def test_other_roles_neither_propose_nor_sign(world: World, who: str) -> None:
    with pytest.raises(RoleRequired):
        propose(world, who)
    withdrawal = propose(world)
    with pytest.raises(RoleRequired):
        sign(world, withdrawal, who)
    assert WithdrawnVersion.objects.count() == 0


def test_a_service_signs_nothing(world: World) -> None:
    with pytest.raises(RoleRequired):
        propose_withdrawal(
            dataset=DATASET,
            cause="consent",
            reason="x",
            means=Password(PASSWORD),
            actor=Actor(kind="service", id=EXECUTOR.id, roles=frozenset({"admin"})),
            now=world.now,
        )


def test_each_signature_needs_its_own_password(world: World) -> None:
    with pytest.raises(ReauthenticationFailed):
        propose(world, means=Password("wrong"))
    assert Withdrawal.objects.count() == 0
    withdrawal = propose(world)
    for _ in range(5):
        with pytest.raises(ReauthenticationFailed):
            sign(world, withdrawal, means=Password("wrong"))
    with pytest.raises(SigningLocked):
        sign(world, withdrawal)
    assert WithdrawnVersion.objects.count() == 0


def test_a_session_whose_person_was_stopped_signs_nothing(world: World, enter: Enter) -> None:
    withdrawal = propose(world)
    client = enter("admin")
    person = world.people["admin"]
    person.is_active = False
    person.save(update_fields=["is_active"])
    answer = post(
        client,
        f"/withdrawals/{withdrawal.pk}/sign",
        verdict="approve",
        reason="",
        means=Password(PASSWORD),
    )
    assert answer.status_code in (302, 403)
    assert not WithdrawalApproval.objects.exists()


def test_a_refusal_ends_it_and_it_may_be_proposed_again(world: World) -> None:
    withdrawal = propose(world)
    with pytest.raises(WithdrawalNotPossible, match="waits for its second"):
        propose(world, "admin")
    with pytest.raises(InvalidRequest, match="reason"):
        sign(world, withdrawal, verdict="refuse")
    sign(world, withdrawal, verdict="refuse", reason="Another dataset was meant.")
    assert WithdrawnVersion.objects.count() == 0
    sign(world, propose(world, "admin"), "reviewer")
    with pytest.raises(WithdrawalNotPossible, match="withdrawn already"):
        propose(world)


@pytest.mark.parametrize(
    "given",
    [
        {"digest": "loanapp"},
        {"digest": "sha256:12"},
        {"digest": f"gitCommit:{'0' * 40}"},
        {"cause": "spite"},
        {"reason": "  "},
        {"reason": "a\x00b"},
        {"reason": "x" * 2001},
    ],
)
def test_what_makes_no_sense_is_refused(world: World, given: dict[str, str]) -> None:
    with pytest.raises(InvalidRequest):
        propose(world, **given)
    assert Withdrawal.objects.count() == 0


def test_no_rollback_goes_back_to_a_version_made_from_it(world: World) -> None:
    sign(world, propose(world))
    walk(world, [row_of_the_world(champion=3)], rows_of_the_world())
    with pytest.raises(RollbackNotPossible):
        request_rollback(
            version=world.version(1),
            alias="champion",
            note="x",
            actor=actor_of(world.people["engineer"]),
            now=world.tick(),
        )


def test_from_the_trace_to_the_second_signature_on_the_pages(world: World, enter: Enter) -> None:
    first, second = enter("reviewer"), enter("admin")
    assert "No dataset was withdrawn" in text_of(first.get("/withdrawals/"))
    found = first.get("/trace/", {"of": LOANAPP})
    assert f"/withdrawals/new?dataset={DATASET.replace(':', '%3A')}" in found.content.decode()
    page = f"/withdrawals/new?dataset={DATASET}"
    assert f"{MODEL} v1" in text_of(first.get(page))
    refused = send(
        first, page, "/withdrawals/new", cause="consent", reason="<i>why</i>", password="wrong"
    )
    assert refused.status_code == 403
    assert "Nothing was signed" in text_of(refused)
    assert b"<i>why" not in refused.content
    assert "&lt;i&gt;why" in refused.content.decode()
    proposed = send(
        first, page, "/withdrawals/new", cause="consent", reason="<i>why</i>", password=PASSWORD
    )
    assert proposed.status_code == 302
    address = proposed["Location"]
    assert "You signed first" in text_of(first.get(address))
    assert f"{address}sign" not in enter("engineer").get(address).content.decode()
    done = send(second, address, "/sign", verdict="approve", reason="", password=PASSWORD)
    assert done.status_code == 302
    assert "No gate is passed any more by" in text_of(second.get(address))
    assert "Waits" not in text_of(second.get("/withdrawals/"))
    version = text_of(second.get(f"/models/{MODEL}/versions/1/"))
    assert "Made from a dataset that was withdrawn" in version
    assert "Champions were made from a dataset that was withdrawn" in version
    clean = text_of(second.get(f"/models/{MODEL}/versions/3/"))
    assert "Made from a dataset that was withdrawn" not in clean


def test_the_database_keeps_every_signature(world: World) -> None:
    sign(world, propose(world))
    for table in ("withdrawal_record", "withdrawal_approval", "withdrawn_record"):
        for statement in (f"DELETE FROM registry_{table}", f"TRUNCATE registry_{table} CASCADE"):
            with (
                pytest.raises(Exception, match="permission denied"),
                transaction.atomic(),
                connection.cursor() as cursor,
            ):
                cursor.execute(statement)
