"""What people and other tools state about a version, and what the gate makes of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.services.people import actor_of
from accounts.services.tokens import issue_token
from audits.domain.actor import SETUP
from audits.models import Evidence, LogEntry
from registry.services.bindings import bind_policy
from registry.services.evaluation import evaluate_version
from registry.services.policies import publish_policy
from tests.integration.api.answers import require_problem
from tests.integration.web.forms import forms_of, post, send, text_of
from tests.integration.web.world import MODEL, PASSWORD, World
from tests.policies import lenient_credit_decision
from tests.unit.docs.pages import DOCS, fenced, read

Enter = Callable[[str], Client]
PAGE = f"/models/{MODEL}/versions/2/statements"
API = f"/api/v1/models/{MODEL}/versions/2/evidence"
GATES = """
  - id: documented
    kind: documentation
    title: It is documented
    accepts: [computed]
    requires: [intended_use, limitations]
    min_length: 20

  - id: validated
    kind: attestation
    title: Independently validated
    accepts: [computed]
    name: validation
    by_role: [reviewer]

  - id: latency
    kind: reported_evidence
    title: Fast enough
    accepts: [reported]
    type: latency
    schema: {type: object, required: [p99]}
    compare:
      - {path: /p99, at_most: 50, unit: ms}

approvals:"""


@pytest.fixture
def asked(world: World) -> World:
    """The world under a policy that also asks people and tools."""
    text = lenient_credit_decision(version=2)
    admin = actor_of(world.people["admin"])
    policy = publish_policy(
        document=text.replace("\napprovals:", GATES).encode(), actor=admin, now=world.tick()
    )
    bind_policy(
        registered_model=world.model(),
        policy=policy,
        risk_tier="high",
        actor=admin,
        now=world.tick(),
    )
    return world


def outcomes(world: World) -> dict[str, str]:
    decision = evaluate_version(
        version=world.version(2), alias="champion", as_of=timezone.now()
    ).decision
    assert decision is not None
    return {gate.id: gate.outcome.value for gate in decision.gates}


def report(world: World, body: dict[str, Any], *, who: str = "engineer", scope: str = "evidence"):  # type: ignore[no-untyped-def]
    token = issue_token(
        user=world.people[who],
        name="ci",
        scopes=["read", scope],
        ttl_seconds=int(timedelta(days=2).total_seconds()),
        actor=SETUP,
        now=world.tick(),
    )
    return Client().post(
        API, body, content_type="application/json", headers={"authorization": f"Bearer {token}"}
    )


def test_documentation_is_written_on_its_page_and_counts(asked: World, enter: Enter) -> None:
    assert outcomes(asked)["documented"] == "insufficient"
    client = enter("engineer")
    assert PAGE in client.get(f"/models/{MODEL}/versions/2/").content.decode()
    fields = {
        "field-intended_use": "Approve or refuse mortgages in Boston.",
        "field-limitations": "Too few.",
    }
    send(client, PAGE, "/documentation", **fields)
    assert outcomes(asked)["documented"] == "unsatisfied"
    assert "Too few." in client.get(PAGE).content.decode()
    fields["field-limitations"] = "Trained on Boston in 1990; says nothing about today."
    send(client, PAGE, "/documentation", **fields)
    assert outcomes(asked)["documented"] == "satisfied"
    envelopes = b"".join(map(bytes, LogEntry.objects.values_list("envelope", flat=True)))
    assert b"mortgages in Boston" not in envelopes
    assert not forms_of(enter("reviewer").get(PAGE)).keys() & {f"{PAGE[:-10]}documentation"}


def test_an_attestation_is_signed_by_the_role_that_the_policy_names(
    asked: World, enter: Enter
) -> None:
    reviewer = enter("reviewer")
    entered = {"holds": "yes", "statement": "Retrained it; the numbers agree.", "password": "guess"}
    refused = send(reviewer, PAGE, "/attestations", **entered)
    assert refused.status_code == 403
    assert "the numbers agree" in refused.content.decode()
    assert outcomes(asked)["validated"] == "insufficient"
    send(reviewer, PAGE, "/attestations", **(entered | {"password": PASSWORD}))
    assert outcomes(asked)["validated"] == "satisfied"
    evidence = Evidence.objects.get(kind="attestation:validation")
    assert evidence.measurements["person"] == str(asked.people["reviewer"].pk)
    send(reviewer, PAGE, "/attestations", **(entered | {"password": PASSWORD, "holds": "no"}))
    assert outcomes(asked)["validated"] == "unsatisfied"
    answer = post(
        enter("engineer"),
        f"{PAGE.removesuffix('statements')}attestations",
        **(entered | {"password": PASSWORD, "name": "validation"}),
    )
    assert answer.status_code == 403


def test_what_another_tool_measured_is_reported_and_judged_by_the_policys_bound(
    asked: World,
) -> None:
    answer = report(asked, json.loads(fenced(read(DOCS / "evidence.md"), "json")[0]))
    assert answer.status_code == 201, answer.content
    assert answer.json()["kind"] == "reported:latency"
    assert outcomes(asked)["latency"] == "satisfied"
    report(asked, {"type": "latency", "measurements": {"p99": {"value": 51, "unit": "ms"}}})
    assert outcomes(asked)["latency"] == "unsatisfied"
    report(asked, {"type": "latency", "measurements": {"p99": {"value": 0.04, "unit": "s"}}})
    assert outcomes(asked)["latency"] == "insufficient"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"type": "speed", "measurements": {"p99": 1}}, "No gate"),
        ({"type": "latency", "measurements": {"p50": 1}}, "not what the gate latency reads"),
        ({"type": "latency", "measurements": {"p99": "x" * 30_000}}, "at most"),
        (
            {
                "type": "latency",
                "measurements": {"p99": 1},
                "subject_digest": "dirHash:" + "0" * 64,
            },
            "other files",
        ),
    ],
)
def test_what_no_gate_could_read_is_refused_when_it_is_reported(
    asked: World, body: dict[str, Any], words: str
) -> None:
    said = require_problem(report(asked, body), 400)
    assert words in said["detail"]
    assert not Evidence.objects.filter(kind__startswith="reported:").exists()


def test_only_an_engineers_token_for_evidence_may_report(asked: World) -> None:
    body = {"type": "latency", "measurements": {"p99": {"value": 41, "unit": "ms"}}}
    assert report(asked, body, scope="recompute").status_code == 403
    assert report(asked, body, who="auditor").status_code == 403


def test_a_version_whose_policy_asks_for_nothing_says_so(world: World, enter: Enter) -> None:
    assert "Nothing is asked for" in text_of(enter("engineer").get(PAGE))


def test_nobody_attests_a_version_that_they_asked_for(asked: World, enter: Enter) -> None:
    asked.request(2)
    person = asked.people["engineer"]
    person.roles = ["engineer", "reviewer"]
    person.save(update_fields=["roles"])
    answer = send(
        enter("engineer"),
        PAGE,
        "/attestations",
        holds="yes",
        statement="It is good.",
        password=PASSWORD,
    )
    assert answer.status_code == 403
    assert "nobody attests their own work" in text_of(answer)
    assert not Evidence.objects.filter(kind__startswith="attestation:").exists()
