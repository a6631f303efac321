"""The log and evidence over HTTP: what is handed out verifies with the kit alone."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings
from django.test import Client

from audits.domain.actor import PREDICTIONS_AUDIT
from audits.models import Evidence, LogEntry
from audits.services.evidence import NewEvidence, record_evidence
from audits.services.signing import keyring
from muniment.attest.bundle import parse_bundle
from muniment.attest.checkpoint import verify_checkpoint
from muniment.attest.note import NoteSigner
from muniment.attest.proof import TlogProof
from registry.models import ModelAlias
from tests.integration.web.forms import text_of
from tests.integration.web.world import (
    V2_RACE,
    World,
    audit,
    model_row,
    row_of_the_world,
    rows_of_the_world,
    walk,
)

Enter = Callable[[str], Client]
OTHER_VKEY = NoteSigner("other.example", Ed25519PrivateKey.generate()).vkey


def test_a_proof_and_envelope_from_the_page_verify_offline(world: World, enter: Enter) -> None:
    client = enter("auditor")
    entry = LogEntry.objects.filter(event="lineage.recorded").order_by("id")[0]
    page = client.get(f"/log/entries/{entry.sha256}/")
    said = text_of(page)
    assert "In the log" in said
    assert "https://slsa.dev/provenance/v1" in said
    vkey = keyring().log.vkey
    assert vkey in page.content.decode()
    envelope = client.get(f"/log/entries/{entry.sha256}/envelope").content
    assert hashlib.sha256(envelope).hexdigest() == entry.sha256
    proof = TlogProof.parse(client.get(f"/log/entries/{entry.sha256}/proof").content)
    checkpoint = proof.verify(envelope, vkey)
    note = Client().get("/log/checkpoint")
    assert note["Content-Type"] == "text/plain; charset=utf-8"
    assert verify_checkpoint(note.content, vkey) == checkpoint


def test_a_bundle_from_the_page_holds_all_that_proves_an_entry(
    world: World, enter: Enter, tmp_path: Path
) -> None:
    client = enter("auditor")
    entry = LogEntry.objects.filter(event="evidence.recorded").order_by("id")[0]
    answer = client.get(f"/log/entries/{entry.sha256}/bundle")
    assert (
        answer["Content-Disposition"] == f'attachment; filename="{entry.sha256[:16]}.bundle.json"'
    )
    bundle = parse_bundle(answer.content)
    assert bundle.entries[0].envelope == bytes(entry.envelope)
    for carried in bundle.entries:
        TlogProof.parse(carried.proof).verify(carried.envelope, keyring().log.vkey)
        assert TlogProof.parse(carried.proof).checkpoint == bundle.checkpoint
    keys = [key.keyid for key in keyring().for_use("statement")]
    assert len(bundle.entries) == 1 + len(keys)
    page = text_of(client.get(f"/log/entries/{entry.sha256}/"))
    name = f"{entry.sha256[:16]}.bundle.json"
    assert f"muniment verify {name} --vkey '{keyring().log.vkey}'" in page
    (tmp_path / name).write_bytes(answer.content)
    for vkey, status in ((keyring().log.vkey, 0), (OTHER_VKEY, 1)):
        done = subprocess.run(
            [sys.executable, "-m", "muniment", "verify", name, "--vkey", vkey],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(settings.BASE_DIR)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == status, done.stdout + done.stderr


def test_the_bundle_of_a_key_holds_it_once(world: World, enter: Enter) -> None:
    entry = LogEntry.objects.get(subject_name__startswith="key:statement:")
    answer = enter("auditor").get(f"/log/entries/{entry.sha256}/bundle")
    assert [item.envelope for item in parse_bundle(answer.content).entries] == [
        bytes(entry.envelope)
    ]


def test_a_waiting_entry_says_so_and_has_no_proof(world: World, enter: Enter) -> None:
    world.request(2)
    entry = LogEntry.objects.filter(event="promotion.requested").get()
    client = enter("auditor")
    assert "Waiting for a checkpoint" in text_of(client.get(f"/log/entries/{entry.sha256}/"))
    for what in ("proof", "bundle"):
        assert client.get(f"/log/entries/{entry.sha256}/{what}").status_code == 404
    world.sequence()
    assert "In the log" in text_of(client.get(f"/log/entries/{entry.sha256}/"))
    assert client.get(f"/log/entries/{entry.sha256}/proof").status_code == 200


def test_a_leaf_index_leads_to_its_entry(world: World, enter: Enter) -> None:
    entry = LogEntry.objects.select_related("leaf").order_by("id")[3]
    answer = enter("auditor").get(f"/log/leaves/{entry.leaf.leaf_index}/")
    assert answer["Location"] == f"/log/entries/{entry.sha256}/"


def test_the_list_is_filtered_and_paged_by_the_url(world: World, enter: Enter) -> None:
    client = enter("auditor")
    rows = [model_row(f"model-{n}") for n in range(60)]
    walk(
        world,
        [row_of_the_world(), *rows],
        rows_of_the_world(),
    )
    first = client.get("/log/?event=model.appeared")
    said = text_of(first)
    assert "model-59" in said
    assert "model-5 " not in said
    older = first.context["log"].older
    assert "model-5 " in text_of(client.get(f"/log/?event=model.appeared&before={older}"))
    said = text_of(client.get("/log/?model=model-7"))
    assert "model.appeared" in said
    assert "model-8 " not in said.split("Check it yourself")[0].split("When")[1]
    assert "evidence.recorded" in text_of(client.get("/log/?event=evidence"))
    assert "No entry fits" in text_of(client.get("/log/?model=nobody"))


def test_events_are_offered_as_the_log_has_them(world: World, enter: Enter) -> None:
    client = enter("auditor")
    assert "promotion.review_opened" not in text_of(client.get("/log/"))
    world.request(2)
    page = client.get("/log/").content.decode()
    for event in ("promotion", "promotion.requested", "promotion.review_opened", "model.adopted"):
        assert f'<option value="{event}">' in page, event
    chosen = client.get("/log/?event=promotion.review_opened")
    assert [row.event for row in chosen.context["log"].rows] == ["promotion.review_opened"]
    assert "selected" in chosen.content.decode().split("promotion.review_opened")[1]
    family = client.get("/log/?event=promotion").context["log"].rows
    assert {row.event.partition(".")[0] for row in family} == {"promotion"}


def test_an_event_that_does_not_exist_is_not_ignored_in_silence(world: World, enter: Enter) -> None:
    client = enter("auditor")
    odd = text_of(client.get("/log/?event=Promotion Approved"))
    assert "“Promotion Approved” is not the name of an event" in odd
    assert "lineage.recorded" in odd
    absent = text_of(client.get("/log/?event=promotion.flown"))
    assert "The log holds no entry of the event “promotion.flown”" in absent
    assert "No entry fits these filters" in absent
    assert "not the name of an event" not in text_of(client.get("/log/?event="))


def test_a_change_that_nothing_allowed_is_shown_as_a_violation(world: World, enter: Enter) -> None:
    walk(
        world,
        [row_of_the_world(champion=3)],
        rows_of_the_world(),
    )
    assert ModelAlias.objects.get().version.version == 3
    client = enter("auditor")
    assert "Violation" in text_of(client.get("/log/?violations=1"))
    assert "1 With violations" in text_of(client.get("/"))
    assert "boston-mortgage" in text_of(client.get("/?state=violated"))
    said = text_of(client.get("/models/boston-mortgage/"))
    assert "champion of boston-mortgage moved to version 3" in said
    assert "v1 → v3" in said
    assert "Nothing allowed it" in said


def test_evidence_is_labelled_with_its_origin_and_shown_whole(world: World, enter: Enter) -> None:
    client = enter("auditor")
    for number, word in ((1, "Fail"), (2, "Pass")):
        item = Evidence.objects.get(version_uri=world.version(number).uri, kind="bias")
        answer = client.get(f"/evidence/{item.pk}/")
        said = text_of(answer)
        assert word in said
        assert "Reported by the team" in said
        assert "small group" in said
        assert "Reported, not judged" in said
        assert item.entry.sha256 in answer.content.decode()
        assert said.index("By race") < said.index("By sex") < said.index("By race × sex")
        assert answer.content.decode().count('class="mm-chart"') == 3


def test_replaced_evidence_says_that_there_is_newer(world: World, enter: Enter) -> None:
    old = Evidence.objects.get(version_uri=world.version(2).uri, kind="bias")
    new, _ = audit(world, world.version(2), V2_RACE)
    answer = enter("auditor").get(f"/evidence/{old.pk}/")
    assert "Newer evidence of this kind has replaced this one" in text_of(answer)
    assert f"/evidence/{new.pk}/" in answer.content.decode()
    assert "Newer evidence" not in text_of(enter("auditor").get(f"/evidence/{new.pk}/"))


def test_evidence_that_could_not_be_made_says_why(world: World, enter: Enter) -> None:
    version = world.version(3)
    item = record_evidence(
        version_uri=version.uri,
        stream=version.registered_model.uri,
        subject_digest=f"dirHash:{'a' * 64}",
        found=NewEvidence("bias", "reported", "error", ["label holds NaN in row 7"], {}, {}, []),
        actor=PREDICTIONS_AUDIT,
        now=world.tick(),
    )
    said = text_of(enter("auditor").get(f"/evidence/{item.pk}/"))
    assert "Error" in said
    assert "Reported by the team" not in said
    model = text_of(enter("auditor").get("/models/boston-mortgage/"))
    assert "bias Error" in model
    assert "bias Error reported by the team" not in model
    assert "label holds NaN in row 7" in said
    assert "label holds NaN in row 7" in text_of(
        enter("auditor").get("/models/boston-mortgage/versions/3/")
    )
