"""The log's health, and the alarms that everybody sees until they are over."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.db import connections
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from audits.log_health import log_health
from audits.models import (
    Alarm,
    LogCheckpoint,
    LogCosignature,
    LogLeaf,
    LogPublication,
    LogTimestamp,
)
from audits.services.alarms import (
    LOG_ENTRIES_REFUSED,
    LOG_NOT_SEQUENCED,
    LOG_NOT_VERIFIED,
    clear_alarm,
    raise_alarm,
)
from audits.services.log_verification import verify_log
from audits.services.signing import keyring
from muniment.attest.note import NoteSigner, add_signatures, parse_note
from tests.integration.web.forms import text_of
from tests.integration.web.intruder import write_entry
from tests.integration.web.world import World

Enter = Callable[[str], Client]


def verify(world: World, **ago: float) -> None:
    now = timezone.now() - timedelta(**ago)
    verify_log(now=now, clock=lambda: now + timedelta(seconds=3))


def test_a_log_that_is_looked_after_is_in_order(world: World, enter: Enter) -> None:
    verify(world)
    answer = enter("auditor").get("/log/health")
    assert answer.status_code == 200
    said = text_of(answer)
    checkpoint = LogCheckpoint.objects.get()
    assert "In order" in said
    assert f"Entries {checkpoint.tree_size}" in said
    assert f"{checkpoint.tree_size} entries in 3.0 s" in said
    assert "The log's key" in said
    assert "Every entry, leaf, tile and checkpoint belongs to one tree" in said
    markup = answer.content.decode()
    assert bytes(checkpoint.root_hash).hex() in markup
    for vkey in keyring().log.vkeys:
        assert vkey in markup
    assert "Not configured: set MUNIMENT_TSA_URL" in said
    assert "Not configured: set MUNIMENT_WITNESS_POLICY" in said


def test_a_log_that_was_never_verified_says_how(world: World, enter: Enter) -> None:
    said = text_of(enter("auditor").get("/log/health"))
    assert "Needs attention" in said
    assert "The log was never verified as a whole" in said
    assert "manage.py log verify" in said


def test_a_verification_is_too_old_after_a_day_and_a_half(world: World, enter: Enter) -> None:
    client = enter("auditor")
    verify(world, hours=35)
    assert "In order" in text_of(client.get("/log/health"))
    verify(world, hours=1)
    assert "In order" in text_of(client.get("/log/health"))


def test_an_old_verification_asks_for_attention(world: World, enter: Enter) -> None:
    verify(world, hours=37)
    said = text_of(enter("auditor").get("/log/health"))
    assert "Needs attention" in said
    assert "Held, too long ago" in said
    assert "The last full verification is 37 hours old" in said


def test_what_could_not_be_looked_at_is_not_said_to_hold(
    world: World, enter: Enter, settings: Settings
) -> None:
    checkpoint = LogCheckpoint.objects.get()
    LogTimestamp.objects.create(checkpoint=checkpoint, token=b"token", stamped_at=timezone.now())
    settings.TSA_CA_FILE = ""
    verify(world)
    answer = enter("auditor").get("/log/health")
    states = {row.title: row.state for row in answer.context["page"].findings}
    assert states["Every timestamp is one of its checkpoint"] == "skipped"
    assert states["Every cosignature verifies"] == "holds"
    assert "Not looked at Every timestamp is one of its checkpoint" in text_of(answer)


def test_a_tampered_log_is_found_and_shown_to_everybody(world: World, enter: Enter) -> None:
    verify(world, hours=1)
    with connections["owner"].cursor() as cursor:
        cursor.execute("ALTER TABLE audits_log_entry DISABLE TRIGGER USER")
        cursor.execute(
            "UPDATE audits_log_entry SET envelope = set_byte(envelope, 40, 0) WHERE id ="
            " (SELECT entry_id FROM audits_log_leaf WHERE leaf_index = 7)"
        )
    verify(world)
    said = text_of(enter("auditor").get("/log/health"))
    assert "Something is wrong" in said
    assert "leaf 7" in said
    assert "Do not rely on what it shows until this is explained" in said
    for username in world.people:
        for page in ("/", "/promotions/", "/policies/", "/log/"):
            assert "The log does not verify" in text_of(enter(username).get(page)), page


def test_a_sequencer_that_does_not_run_is_noticed_after_ten_seconds(
    world: World, enter: Enter
) -> None:
    entry = write_entry(at=timezone.now())
    assert not log_health(now=entry.at + timedelta(seconds=10)).is_sequencer_late
    late = log_health(now=entry.at + timedelta(seconds=11))
    assert late.is_sequencer_late
    assert (late.waiting, late.waiting_since) == (1, entry.at)
    old = write_entry(b"older", at=timezone.now() - timedelta(minutes=5))
    said = text_of(enter("auditor").get("/log/health"))
    assert "2 entries wait for a checkpoint, the oldest for 5 min" in said
    assert "The sequencer is not running" in said
    assert log_health(now=old.at).waiting_since == old.at


def test_a_leaf_that_no_checkpoint_covers_still_waits(world: World) -> None:
    newest = LogLeaf.objects.order_by("-leaf_index").select_related("entry")[0]
    entry = write_entry()
    with connections["sequencer"].cursor() as cursor:
        cursor.execute(
            "INSERT INTO audits_log_leaf (leaf_index, entry_id, leaf_hash)"
            " VALUES (%s, %s, sha256('\\x00'::bytea || %s))",
            [newest.leaf_index + 1, entry.pk, bytes(entry.envelope)],
        )
        cursor.execute("DELETE FROM audits_log_pending WHERE entry_id = %s", [entry.pk])
    assert log_health(now=timezone.now()).waiting == 1


def test_refused_entries_are_listed_with_the_reason(world: World, enter: Enter) -> None:
    verify(world)
    forged = write_entry()
    world.sequence()
    answer = enter("auditor").get("/log/health")
    said = text_of(answer)
    assert "Something is wrong" in said
    assert "1 entry is refused" in said
    assert "It is not a readable DSSE envelope" in said
    assert "envelope." in said
    assert f"/log/entries/{forged.sha256}/" in answer.content.decode()
    assert log_health(now=timezone.now()).waiting == 0


def test_what_others_said_of_checkpoints_is_shown(
    world: World, enter: Enter, settings: Settings, tmp_path: Path
) -> None:
    witness = NoteSigner("witness.example", Ed25519PrivateKey.generate(), cosigns_at=1_790_000_000)
    silent = NoteSigner("silent.example", Ed25519PrivateKey.generate(), cosigns_at=1_790_000_000)
    policy = tmp_path / "witnesses"
    policy.write_text(
        f"log {keyring().log.vkey}\n"
        f"witness north {witness.vkey} https://witness.example/\n"
        f"witness south {silent.vkey} https://silent.example/\n"
        "group any-of-them 1 north south\n"
        "quorum any-of-them\n"
    )
    (tmp_path / "ca.pem").write_text("")
    settings.TSA_URL = "https://somebody:secret@tsa.example/"
    settings.TSA_CA_FILE = str(tmp_path / "ca.pem")
    settings.WITNESS_POLICY_FILE = str(policy)
    client = enter("auditor")
    said = text_of(client.get("/log/health"))
    assert "tsa.example is asked for timestamps, and has given none yet" in said
    assert "1 of north, south . None has reached that yet" in said
    assert "north Has cosigned nothing yet" in said
    checkpoint = LogCheckpoint.objects.get()
    now = timezone.now()
    LogTimestamp.objects.create(checkpoint=checkpoint, token=b"token", stamped_at=now)
    text = parse_note(bytes(checkpoint.note)).text
    line = witness.signature_line(text)
    LogCosignature.objects.create(
        checkpoint=checkpoint, vkey=witness.vkey, line=line, cosigned_at=now
    )
    note = add_signatures(bytes(checkpoint.note), [line])
    LogPublication.objects.create(checkpoint=checkpoint, note=note, published_at=now)
    answer = client.get("/log/health")
    said = text_of(answer)
    size = checkpoint.tree_size
    assert f"The checkpoint over {size} entries carries an RFC 3161 timestamp" in said
    assert f"The last that did covers {size} entries" in said
    assert f"north Last saw {size} entries" in said
    assert "south Has cosigned nothing yet" in said
    assert "secret" not in answer.content.decode()


def test_settings_that_cannot_be_followed_are_said_and_keep_no_page_away(
    world: World, enter: Enter, settings: Settings
) -> None:
    settings.WITNESS_POLICY_FILE = "/no/such/file"
    client = enter("auditor")
    answer = client.get("/log/health")
    assert answer.status_code == 200
    said = text_of(answer)
    assert "Needs attention" in said
    assert "Witnesses or timestamps cannot be used as set" in said
    assert "/no/such/file" in said
    assert client.get("/").status_code == 200


def test_an_alarm_is_on_every_page_until_it_is_over(world: World, enter: Enter) -> None:
    now = timezone.now()
    raise_alarm(LOG_NOT_SEQUENCED, "Nothing was sequenced for 4 minutes.", now=now)
    for username in world.people:
        client = enter(username)
        for page in ("/", "/models/boston-mortgage/", "/log/", "/log/health"):
            said = text_of(client.get(page))
            assert "New entries get no place in the log" in said, (username, page)
            assert now.strftime("%Y-%m-%d %H:%M") in said
    client = enter("auditor")
    assert 'role="alert"' in client.get("/").content.decode()
    assert 'href="/log/health">See the log' in client.get("/").content.decode()
    assert "Nothing was sequenced for 4 minutes" in text_of(client.get("/log/health"))
    clear_alarm(LOG_NOT_SEQUENCED, now=timezone.now())
    assert "New entries get no place" not in text_of(client.get("/"))
    assert "Over: New entries get no place" in text_of(client.get("/log/health"))


def test_an_alarm_that_is_known_does_not_interrupt(world: World, enter: Enter) -> None:
    raise_alarm(LOG_NOT_VERIFIED, "No.", now=timezone.now() - timedelta(minutes=16))
    markup = enter("auditor").get("/").content.decode()
    assert "The log does not verify" in markup
    assert 'role="alert"' not in markup


def test_several_alarms_are_one_banner_with_a_count(world: World, enter: Enter) -> None:
    now = timezone.now()
    for place, code in enumerate((LOG_NOT_SEQUENCED, LOG_ENTRIES_REFUSED, LOG_NOT_VERIFIED)):
        raise_alarm(code, "What happened.", now=now - timedelta(hours=place))
    answer = enter("engineer").get("/")
    said = text_of(answer)
    assert "3 alarms , the oldest since" in said
    since = (now - timedelta(hours=2)).strftime("%Y-%m-%d %H:%M")
    assert f"the oldest since {since}" in said
    assert answer.content.decode().count("banner-bad") == 1


def test_strangers_see_neither_health_nor_alarms(world: World) -> None:
    raise_alarm(LOG_NOT_VERIFIED, "No.", now=timezone.now())
    client = Client()
    assert client.get("/log/health")["Location"].startswith("/sign-in?next=")
    assert "does not verify" not in text_of(client.get("/sign-in"))


def test_an_alarm_of_another_code_says_its_message(world: World, enter: Enter) -> None:
    message = "<b>Something</b> else."
    Alarm.objects.create(
        code="x.y", message=message, raised_at=timezone.now(), last_seen_at=timezone.now()
    )
    answer = enter("auditor").get("/")
    assert message in text_of(answer)
    assert "<b>" not in answer.content.decode()


def test_a_new_log_says_what_comes_first(world: World, enter: Enter) -> None:
    with connections["owner"].cursor() as cursor:
        cursor.execute("ALTER TABLE audits_log_checkpoint DISABLE TRIGGER USER")
        cursor.execute("DELETE FROM audits_log_checkpoint")
    said = text_of(enter("auditor").get("/log/health"))
    assert "There is none yet. The sequencer signs the first one" in said
    assert "entries wait" in said


def test_a_checkpoint_that_is_no_note_is_shown_as_unreadable(world: World, enter: Enter) -> None:
    with connections["owner"].cursor() as cursor:
        cursor.execute("ALTER TABLE audits_log_checkpoint DISABLE TRIGGER USER")
        cursor.execute("UPDATE audits_log_checkpoint SET note = '\\xff'")
    assert "Unreadable" in text_of(enter("auditor").get("/log/health"))
