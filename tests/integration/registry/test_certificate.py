"""From a live promotion to its certificate, and to the folder that MLflow hands out."""

from __future__ import annotations

import io
import json
import os
import shlex
import subprocess
import sys
from contextlib import redirect_stdout
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.services.tokens import READ, issue_token
from audits.domain.actor import SETUP
from audits.models import LogEntry
from audits.selectors import decoded_statement
from audits.services import signing
from audits.services.signing import keyring
from muniment.attest.keyring import Keyring
from muniment.attest.predicates import CERTIFICATE, VERIFICATION_SUMMARY
from muniment.attest.statement import parse_time
from muniment.cli import main
from registry.models import Certificate, Promotion
from tests.integration.registry.live import LiveRegistry
from tests.unit.docs.pages import DOCS, fenced, read

ROOT = Path(__file__).parents[3]


def ask(live: LiveRegistry, path: str, who: str = "engineer") -> Any:
    token = issue_token(
        user=live.world.people[who],
        name="test",
        scopes=[READ],
        ttl_seconds=3_600,
        actor=SETUP,
        now=timezone.now(),
    )
    return Client().get(path, headers={"authorization": f"Bearer {token}"})


def admit(*arguments: object) -> tuple[int, dict[str, Any]]:
    out = io.StringIO()
    with redirect_stdout(out):
        status = main(["admit", *map(str, arguments), "--json"])
    return status, json.loads(out.getvalue())


def test_what_was_promoted_is_admitted_and_nothing_else(
    live: LiveRegistry, sealed: Promotion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = "/api/v1/models/loans/versions/1/certificate?alias=champion"
    assert ask(live, path).json()["code"] == "no_certificate"
    assert live.run(sealed).status == "executed"
    issued = Certificate.objects.get()

    # The commands of docs/admit.md, as they stand there.
    [console] = fenced(read(DOCS / "admit.md"), "console")
    fetched, downloaded, admitted = map(shlex.split, console.splitlines())
    asked = fetched[-1].removeprefix("$MUNIMENT_URL")
    assert asked == path
    assert ask(live, asked).json()["code"] == "no_certificate"  # no checkpoint covers it yet
    live.world.sequence()
    answer = ask(live, asked)
    assert answer.status_code == 200
    assert 'filename="loans-v1-champion.certificate.json"' in answer["Content-Disposition"]
    monkeypatch.chdir(tmp_path)
    (tmp_path / fetched[fetched.index("-o") + 1]).write_bytes(answer.content)
    subprocess.run(
        [Path(sys.executable).with_name("mlflow"), *downloaded[1:]],
        env={**os.environ, "MLFLOW_TRACKING_URI": live.url, "MLFLOW_DISABLE_TELEMETRY": "true"},
        check=True,
        capture_output=True,
        timeout=120,
    )
    assert (tmp_path / "model" / "registered_model_meta").is_file()
    vkey = keyring().log.vkey
    command = [vkey if word == "$VKEY" else word for word in admitted[1:]]
    status, said = admit(*command[1:])
    assert (status, said["admitted"]) == (0, True), said
    assert said["certificate"]["promotion_id"] == str(sealed.pk)

    # Straight from storage there is no such file.
    (tmp_path / "model" / "registered_model_meta").unlink()
    assert admit(*command[1:])[0] == 0
    later = (issued.expires_at + timedelta(seconds=1)).isoformat()
    assert admit(*command[1:], "--as-of", later)[0] == 1
    (tmp_path / "model" / "model.pkl").write_bytes(b"\x80\x05N.")
    status, said = admit(*command[1:])
    assert status == 1
    assert [one["code"] for one in said["findings"] if not one["holds"]] == [
        "admission.other_files"
    ]
    # The page offers it too.
    client = Client()
    client.force_login(live.world.people["auditor"])
    page = client.get(f"/promotions/{sealed.pk}/").content.decode()
    assert f'href="/promotions/{sealed.pk}/certificate"' in page
    assert client.get(f"/promotions/{sealed.pk}/certificate").content == answer.content
    assert (
        f"/promotions/{sealed.pk}/certificate"
        in client.get("/models/loans/versions/1/").content.decode()
    )
    assert ask(live, path.replace("champion", "other")).status_code == 404


def test_it_names_all_that_the_decision_rests_on(live: LiveRegistry, sealed: Promotion) -> None:
    live.run(sealed)
    issued = Certificate.objects.get()
    statement = decoded_statement(issued.entry)
    predicate = statement.predicate
    assert statement.predicate_type == VERIFICATION_SUMMARY
    assert issued.entry.event == "certificate.issued"
    named = [one["digest"]["sha256"] for one in predicate["inputAttestations"]]
    entries = LogEntry.objects.in_bulk(named, field_name="sha256")
    assert [entries[sha256].event for sha256 in named] == [
        "lineage.recorded",
        "evidence.recorded",
        "evidence.recorded",
        "approval.given",
        "approval.given",
        "promotion.approved",
    ]
    decision = sealed.decisions.latest("entry_id")
    assert named[-1] == decision.entry.sha256
    assert str(statement.subjects[0].digest) == decision.content["inputs"]["subject_digest"]
    assert predicate["verifiedLevels"] == ["MUNIMENT_POLICY_PASSED", "MUNIMENT_LINEAGE_RECORDED"]
    terms = predicate[CERTIFICATE]
    assert parse_time(terms["expires_at"]) == issued.expires_at
    assert issued.expires_at > predicate_time(predicate) + timedelta(days=1)


def predicate_time(predicate: Any) -> Any:
    return parse_time(predicate["timeVerified"])


def test_a_key_from_before_certificates_promotes_without_one(
    live: LiveRegistry, sealed: Promotion, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log would refuse the statement, and the model's stream would have a gap."""
    known = keyring().as_mapping()
    for key in known["keys"]:  # type: ignore[attr-defined]
        key["predicate_types"] = [
            name for name in key["predicate_types"] if name != VERIFICATION_SUMMARY
        ]
    older = Keyring.parse(json.dumps(known).encode())
    monkeypatch.setattr(signing, "keyring", lambda: older)
    assert live.run(sealed).status == "executed"
    assert not Certificate.objects.exists()
    assert LogEntry.objects.latest("pk").event == "promotion.executed"
